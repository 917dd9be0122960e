// SPDX-License-Identifier: BSD-3-Clause
// The two hosts of the benchmarks.
#include "bare/end.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "harness/sample.h"
#include "huge_pages.h"

namespace trunkline::perf {
namespace {

constexpr uint16_t kPortZ = 2905;
constexpr uint16_t kFirstPortA = 20000;
constexpr uint32_t kCallersPerPort = 1024;  // endpoints of `a` for each port of `z`

}  // namespace

Slots::Slots(size_t count, size_t size)
    : bytes_(count * ((size + 63) & ~size_t{63})), slots_(count), ring_(count), free_(count) {
  const size_t stride = bytes_.size() / count;
  for (size_t i = 0; i < count; ++i) {
    slots_[i].bytes = bytes_.data() + i * stride;
    ring_[i] = &slots_[i];
  }
}

Slot* Slots::take() {
  if (free_ == 0) return nullptr;
  Slot* const slot = ring_[head_];
  head_ = head_ + 1 == ring_.size() ? 0 : head_ + 1;
  --free_;
  return slot;
}

void Slots::release(Piece* head) noexcept {
  size_t tail = head_ + free_;
  if (tail >= ring_.size()) tail -= ring_.size();
  // The piece is the slot's first member.
  ring_[tail] = reinterpret_cast<Slot*>(head);
  ++free_;
}

PacketRing::PacketRing() : bytes_(kBuffers * kRoom) {
  for (size_t i = 0; i < kBuffers; ++i) {
    uint8_t* const buffer = bytes_.data() + i * kRoom;
    if (i < kBurst) {
      burst_[i].room = {buffer, kRoom};
    } else {
      waiting_.push_back(buffer);
    }
  }
}

void PacketRing::advance(size_t n) {
  for (size_t i = 0; i < n; ++i) {
    uint8_t* const used = burst_[i].room.data();
    burst_[i].room = {waiting_[at_], kRoom};
    // As whoever takes a buffer from a pool does: it is soon written.
    for (size_t line = 0; line < 192; line += 64) __builtin_prefetch(waiting_[at_] + line, 1);
    waiting_[at_] = used;
    at_ = at_ + 1 == waiting_.size() ? 0 : at_ + 1;
  }
}

NamedProfile rfc_profile() {
  NamedProfile out{"rfc9260", {}};
  out.profile.a_rwnd = 4 << 20;
  out.profile.send_buffer = 4 << 20;
  return out;
}

NamedProfile lan_profile() {
  NamedProfile out = rfc_profile();
  out.name = "lan";
  out.profile.max_burst = 0;
  out.profile.sack_frequency = 16;
  return out;
}

namespace {
int64_t counted_ns = 0;  // 0: time is read
}  // namespace

void count_time() {
  counted_ns = clock_now().ns();
}

void skip_time(Duration span) {
  counted_ns += span.count();
}

TimePoint clock_now() {
  if (counted_ns != 0) return TimePoint::from_ns(counted_ns += 1000);
  using std::chrono::steady_clock;
  return TimePoint::from_ns(
      std::chrono::nanoseconds(steady_clock::now().time_since_epoch()).count());
}

End::End(const EndSetup& setup, TimePoint now)
    : slots_(setup.slots, setup.message_size),
      profile_(setup.profile),
      message_size_(setup.message_size),
      text_(setup.message_size),
      sink_(std::max<size_t>(setup.message_size, 65536)) {
  for (size_t i = 0; i < text_.size(); ++i) text_[i] = static_cast<uint8_t>(i * 7);
  if (setup.directory == nullptr) {
    directory_ = make_directory(random_, setup.max_associations, &huge_pages());
  }
  ShardConfig config;
  config.memory = &huge_pages();
  config.max_associations = setup.max_associations;
  // One association may hold half of them (PoolShare): here that is all slots.
  config.max_queued_messages = static_cast<uint32_t>(2 * setup.slots + 1);
  config.max_outstanding_chunks =
      static_cast<uint32_t>(2 * setup.slots * (setup.message_size / 1200 + 2));
  config.inits_per_second = setup.inits_per_second;
  config.inits_per_second_per_source = setup.inits_per_second_per_source;
  config.index = setup.index;
  config.count = setup.count;
  config.ports = setup.ports;
  Directory& directory = setup.directory != nullptr ? *setup.directory : *directory_;
  shard_ = std::make_unique<Shard>(config, directory, random_, now);
}

EndpointId End::add_endpoint(const IpAddress& address, uint16_t port, bool listening) {
  EndpointConfig config;
  config.addresses = {address};
  config.port = PortNumber(port);
  config.profile = profile_;
  config.listening = listening;
  const EndpointResult result = shard_->add_endpoint(config);
  require(result.status == Status::kOk, status_text(result.status));
  return result.endpoint;
}

// Always inlined: what send() costs is what bare/... measures.
[[gnu::always_inline]] inline bool End::send(TimePoint now, AssocId assoc, SendRequest request) {
  Slot* const slot = slots_.take();
  if (slot == nullptr) return false;
  std::memcpy(slot->bytes, text_.data(), message_size_);
  std::memcpy(slot->bytes, &sent, sizeof sent);
  slot->piece = {slot->bytes, static_cast<uint32_t>(message_size_), nullptr};
  Payload payload(&slot->piece, &slots_);
  request.context = sent;
  if (shard_->send(now, assoc, request, payload) != Status::kOk) return false;
  ++sent;
  return true;
}

bool End::send(TimePoint now, AssocId assoc) {
  return send(now, assoc, SendRequest{});
}

bool End::send_on(TimePoint now, AssocId assoc, StreamId stream) {
  SendRequest request;
  request.stream = stream;
  return send(now, assoc, request);
}

void End::read(TimePoint now, const Event& event) {
  size_t at = 0;
  for (const Piece* piece = event.pieces(); piece != nullptr; piece = piece->next) {
    std::memcpy(sink_.data() + at, piece->data, piece->length);
    at += piece->length;
  }
  require(at == event.size() && at == message_size_ && sink_[at - 1] == text_[at - 1],
          "a message is not what was sent");
  ++received;
  received_bytes += at;
  if (echo_) require(send(now, event.assoc), "no room for an answer");
}

void End::drain(TimePoint now) {
  while (Event* next = shard_->next_event()) {
    const Event& event = *next;
    switch (event.kind) {
      case EventKind::kMessage:
        read(now, event);
        break;
      case EventKind::kSendAcknowledged:
        for (const SentMessage* each = event.sent; each != nullptr; each = each->next_sent) {
          ++acknowledged;
        }
        break;
      case EventKind::kAccepted:
      case EventKind::kConnected:
        ++up;
        associations.push_back(event.assoc);
        break;
      case EventKind::kClosed:
        ++closed;
        break;
      case EventKind::kConnectFailed:
      case EventKind::kSendFailed:
      case EventKind::kLost:
        ++lost;
        break;
      default:
        break;
    }
  }
}

std::span<const PacketIn> take_packets(TimePoint now, End& from) {
  if (!from.shard().has_output()) return {};
  const std::span<PacketOut> burst = from.packets.burst();
  const size_t n = from.shard().transmit(now, burst);
  auto& arriving = from.packets.arriving;
  for (size_t i = 0; i < n; ++i) {
    arriving[i].source = burst[i].source;
    arriving[i].destination = burst[i].destination;
    arriving[i].bytes = burst[i].room.first(burst[i].length);
  }
  from.packets.advance(n);
  return std::span(arriving).first(n);
}

size_t carry(TimePoint now, End& from, End& to) {
  const std::span<const PacketIn> burst = take_packets(now, from);
  if (burst.empty()) return 0;
  to.shard().receive(now, burst);
  to.drain(now);
  return burst.size();
}

void settle(TimePoint now, End& a, End& z) {
  while (carry(now, a, z) + carry(now, z, a) > 0) {
  }
}

std::vector<EndpointId> add_callers(End& a, uint32_t count) {
  std::vector<EndpointId> callers;
  for (uint32_t i = 0; i < std::min(count, kCallersPerPort); ++i) {
    callers.push_back(a.add_endpoint(kAddressA, static_cast<uint16_t>(kFirstPortA + i), false));
  }
  return callers;
}

void listen_for(End& z, uint32_t count) {
  const uint32_t ports = (count + kCallersPerPort - 1) / kCallersPerPort;
  for (uint32_t i = 0; i < ports; ++i) {
    z.add_endpoint(kAddressZ, static_cast<uint16_t>(kPortZ + i), true);
  }
}

void call(End& a, const std::vector<EndpointId>& callers, uint32_t number) {
  ConnectRequest request;
  request.endpoint = callers[number % kCallersPerPort];
  request.peer_addresses = std::span(&kAddressZ, 1);
  request.peer_port = PortNumber(static_cast<uint16_t>(kPortZ + number / kCallersPerPort));
  const Status status = a.shard().connect(clock_now(), request).status;
  require(status == Status::kOk, status_text(status));
}

void call_all(End& a, End& z, const std::vector<EndpointId>& callers, uint32_t count) {
  constexpr uint32_t kBatch = 256;
  for (uint32_t i = 0; i < count; ++i) {
    call(a, callers, i);
    if ((i + 1) % kBatch == 0 || i + 1 == count) settle(clock_now(), a, z);
  }
  require(a.up == count && z.up == count, "not every association was established");
}

void connect_all(End& a, End& z, uint32_t count) {
  const std::vector<EndpointId> callers = add_callers(a, count);
  listen_for(z, count);
  call_all(a, z, callers, count);
}

}  // namespace trunkline::perf
