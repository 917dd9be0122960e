// SPDX-License-Identifier: BSD-3-Clause
// One end of a conversation without a NIC: a shard, the application that writes and reads its
// messages, and the buffers that its packets leave in. Two ends and carry() are a network of two
// hosts on one core. What a message costs here is what it costs the stack and its application:
// written once by the sender, copied and checksummed into a packet, checked and read by the
// receiver.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "trunkline/stack/stack.h"

namespace trunkline::perf {

// A slot that a message is written into, and the piece that describes it to the stack.
struct Slot {
  Piece piece;
  Slot* next_free = nullptr;
  uint8_t* bytes = nullptr;
};

// The application's memory: slots of one size, taken in turn as from a ring.
class Slots final : public PieceOwner {
 public:
  Slots(size_t count, size_t size);
  // nullptr: all are under way.
  [[nodiscard]] Slot* take();
  void release(Piece* head) noexcept override;
  [[nodiscard]] size_t free() const { return free_; }

 private:
  std::vector<uint8_t> bytes_;
  std::vector<Slot> slots_;
  std::vector<Slot*> ring_;  // free ones, oldest first
  size_t head_ = 0;
  size_t free_ = 0;
};

// Packets in flight, in buffers as a NIC's ring has them: more of them than the caches hold.
class PacketRing {
 public:
  static constexpr size_t kRoom = 2048;
  static constexpr size_t kBurst = 32;

  PacketRing();
  // Room for a burst.
  [[nodiscard]] std::span<PacketOut> burst() { return burst_; }
  // The first `n` packets of it were filled: they are in flight, others take their place.
  void advance(size_t n);
  // The same as they arrive.
  std::array<PacketIn, kBurst> arriving;

 private:
  static constexpr size_t kBuffers = 4096;
  std::vector<uint8_t> bytes_;
  std::array<PacketOut, kBurst> burst_;
  std::vector<uint8_t*> waiting_;  // the other buffers, those used longest ago first
  size_t at_ = 0;
};

// Profiles that benchmarks name.
struct NamedProfile {
  std::string_view name;
  Profile profile;
};
// The defaults of RFC 9260, buffers apart.
[[nodiscard]] NamedProfile rfc_profile();
// For a network of one's own, without congestion: no Max.Burst, a SACK for every sixteenth packet.
[[nodiscard]] NamedProfile lan_profile();

struct EndSetup {
  uint32_t max_associations = 16;
  size_t message_size = 100;  // bytes
  size_t slots = 4096;
  Profile profile;
  uint32_t inits_per_second = 0;             // of strangers; 0: no limit
  uint32_t inits_per_second_per_source = 0;  // likewise
  // One of several shards of a host, which share these; null: all the host has.
  uint16_t index = 0;
  uint16_t count = 1;
  Directory* directory = nullptr;
  PortTable* ports = nullptr;
};

class End {
 public:
  End(const EndSetup& setup, TimePoint now);

  Shard& shard() { return *shard_; }
  Directory& directory() { return *directory_; }  // its own
  EndpointId add_endpoint(const IpAddress& address, uint16_t port, bool listening);

  // Writes a message of the setup's size and sends it. False: not now.
  bool send(TimePoint now, AssocId assoc);
  bool send_on(TimePoint now, AssocId assoc, StreamId stream);
  // Takes all events; messages are read, byte by byte.
  void drain(TimePoint now);
  // Answers each message with one of its own, from drain().
  void echo(bool on) { echo_ = on; }

  // What has happened.
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t received = 0;
  uint64_t received_bytes = 0;
  uint64_t up = 0;      // associations established
  uint64_t closed = 0;  // in order
  uint64_t lost = 0;    // associations that ended otherwise, connects and messages that failed
  std::vector<AssocId> associations;  // established, in their order
  PacketRing packets;

 private:
  bool send(TimePoint now, AssocId assoc, SendRequest request);
  void read(TimePoint now, const Event& event);

  SecureRandom random_;
  DirectoryPtr directory_;
  Slots slots_;
  std::unique_ptr<Shard> shard_;
  Profile profile_;
  size_t message_size_;
  std::vector<uint8_t> text_;  // what messages say
  std::vector<uint8_t> sink_;  // where they are read to
  bool echo_ = false;
};

// The time of the worker's clock.
[[nodiscard]] TimePoint clock_now();
// From now on it is a microsecond later whenever somebody asks: what is counted in instructions is
// then the same in every run.
void count_time();
// Counted time passes, at once.
void skip_time(Duration span);

// What one end has to send, at most a burst, as the other end sees it. Valid until the next call.
std::span<const PacketIn> take_packets(TimePoint now, End& from);
// A burst from one end to the other, if there is any; what it causes there is drained. Returns
// packets.
size_t carry(TimePoint now, End& from, End& to);
// Until neither has anything to say.
void settle(TimePoint now, End& a, End& z);

// Addresses of the calling and of the accepting end.
inline const IpAddress kAddressA = IpAddress::ipv4(192, 0, 2, 1);
inline const IpAddress kAddressZ = IpAddress::ipv4(192, 0, 2, 26);

// For associations number 0 to `count` - 1: the endpoints of the caller, the listeners of the other
// end, and the call itself.
[[nodiscard]] std::vector<EndpointId> add_callers(End& a, uint32_t count);
void listen_for(End& z, uint32_t count);
void call(End& a, const std::vector<EndpointId>& callers, uint32_t number);
// The calls, in batches, until all are established.
void call_all(End& a, End& z, const std::vector<EndpointId>& callers, uint32_t count);
// All of it.
void connect_all(End& a, End& z, uint32_t count);

}  // namespace trunkline::perf
