// SPDX-License-Identifier: BSD-3-Clause
// A shard: the associations of one worker, how a packet finds its association, and the queues that
// the worker drains. The steering of packets is DESIGN's rule: tag, else directory, else out of the
// blue.
#pragma once

#include <vector>

#include "assoc/context.h"
#include "assoc/peer_addresses.h"
#include "endpoint/endpoint.h"
#include "endpoint/init_limiter.h"
#include "endpoint/listener.h"
#include "endpoint/spent_cookies.h"
#include "shards/directory.h"
#include "shards/tag_table.h"

namespace trunkline {

class ShardCore {
 public:
  ShardCore(const ShardConfig& config, Directory& directory, RandomSource& random, TimePoint now);
  ShardCore(const ShardCore&) = delete;
  ShardCore& operator=(const ShardCore&) = delete;
  ~ShardCore();

  // -- packets (steering.cpp)
  [[nodiscard]] uint16_t steer(const PacketIn& packet) const;
  [[nodiscard]] uint16_t steer_quoted(const PacketIn& sent) const;
  void receive(TimePoint now, std::span<const PacketIn> burst);

  // -- what ICMP says (icmp.cpp)
  void protocol_unreachable(const PacketIn& sent);
  void packet_too_big(TimePoint now, const PacketIn& sent, uint16_t mtu);

  // Between verbs no shard holds anything of the directory's; asked for often enough.
  void quiescent() { directory_.quiescent(reader_); }

  // -- commands
  EndpointResult add_endpoint(const EndpointConfig& config);
  ConnectResult connect(TimePoint now, const ConnectRequest& request);
  Status set_listening(EndpointId id, bool listening, uint64_t user, const Profile* profile);
  Status own_endpoint(EndpointId id, uint64_t owner);
  Status close_endpoint(EndpointId id);
  EditResult set_profile(TimePoint now, AssocId id, const ProfileEdit& edit);
  EditResult set_path_profile(TimePoint now, AssocId id, const IpAddress& peer_address,
                              const PathEdit& edit);

  // -- time and output
  void advance(TimePoint now);
  size_t transmit(TimePoint now, std::span<PacketOut> room);

  bool keep(Event& event);
  [[nodiscard]] const char* receive_memory_fault() const;
  // Frees what ended. At the end of every verb: no handler is on the stack then.
  void reap();

  [[nodiscard]] Association* find(AssocId id) const;
  // By slot, not by age.
  [[nodiscard]] std::vector<AssocId> associations() const;
  [[nodiscard]] size_t association_count() const { return pool_.used(); }

  ShardContext ctx;
  EndpointTable endpoints;

 private:
  // steering.cpp
  void fetch_ahead(std::span<const PacketIn> packets) const;
  void receive(TimePoint now, const PacketIn& packet);
  void steer(TimePoint now, const InboundPacket& packet, wire::TagClass tag_class);
  void on_init(TimePoint now, const InboundPacket& packet);
  [[nodiscard]] bool init_is_within_rate(TimePoint now, const InboundPacket& packet,
                                         const Endpoint& endpoint, const PeerProfile* peer);
  // With ABORT, if strangers are answered here.
  template <typename Append>
  void refuse_stranger(TimePoint now, const InboundPacket& packet, const Endpoint* endpoint,
                       VerificationTag initiate_tag, Append&& append);
  void on_cookie_echo(TimePoint now, const InboundPacket& packet);
  void accept(TimePoint now, const InboundPacket& packet, Cookie& cookie, Endpoint* endpoint);
  Directory::Claim::Outcome claim_for(const Association& association, const InboundPacket& packet,
                                      Cookie& cookie);
  void refuse_cookie(TimePoint now, const Cookie& cookie, const Endpoint* endpoint);
  void on_matched(TimePoint now, const InboundPacket& packet, Association& association);
  void on_opening(TimePoint now, const InboundPacket& packet, Association& association);
  void on_unmatched(TimePoint now, const InboundPacket& packet, wire::TagClass tag_class);
  // Both count what they forbid.
  [[nodiscard]] bool forges_our_address(const InboundPacket& packet);
  [[nodiscard]] bool may_concern(const InboundPacket& packet, const Association& association);
  [[nodiscard]] Association* find_by_tag(const InboundPacket& packet,
                                         bool addresses_too = true) const;
  // What the directory says, seen from here.
  struct Known {
    Association* association = nullptr;
    std::optional<AssocId> elsewhere;  // another shard has it: nothing may be said in its name
    [[nodiscard]] bool none() const { return association == nullptr && !elsewhere; }
  };
  [[nodiscard]] bool is_of_another_peer(const Known& there, const DirectoryKey& key,
                                        const Cookie& cookie) const;
  [[nodiscard]] static DirectoryKey key_for(const Endpoint* endpoint, const InboundPacket& packet,
                                            const IpAddress& peer);
  [[nodiscard]] std::optional<AssocId> look_up(const Endpoint* endpoint,
                                               const InboundPacket& packet,
                                               const IpAddress& peer) const;
  [[nodiscard]] Known find_by_address(const Endpoint* endpoint, const InboundPacket& packet,
                                      const IpAddress& peer) const;
  [[nodiscard]] Known find_by_list(const Endpoint* endpoint, const InboundPacket& packet) const;
  [[nodiscard]] std::optional<AssocId> find_quoted(const PacketIn& sent) const;
  void on_cookie_elsewhere(TimePoint now, const InboundPacket& packet, const Cookie& cookie,
                           const Endpoint* endpoint);

  // addresses.cpp
  Directory::Claim claim_addresses(const Association& association,
                                   std::span<const IpAddress> peers);
  void update_addresses(Association& association, const PeerAddresses& before);

  [[nodiscard]] Association* proven_quote(const PacketIn& sent) const;  // icmp.cpp

  // shard_core.cpp
  [[nodiscard]] static PeerAddresses named_addresses(const Endpoint& endpoint,
                                                     const ConnectRequest& request);
  // Null: there are as many as there may be.
  template <typename... Args>
  Association* make_association(const LocalEnd& local, const Profile& profile, Args&&... args);
  void destroy(Association* association);
  bool copy_to_keep(Event& event, const Association* association);
  bool pack_to_keep(Event& event);
  [[nodiscard]] VerificationTag draw_tag();
  size_t transmit_replies(std::span<PacketOut> room);

  Directory& directory_;
  Directory::Reader& reader_;
  // By slot. What the shard knows of an association without asking it: whether its id is good.
  struct SlotInfo {
    uint32_t generation;     // odd while the slot is in use
    Directory::Batch batch;  // what the directory has of it
  };
  std::vector<DirectoryKey> keys_;  // scratch of claim_addresses()
  Pool<Association> pool_;
  Reserved<SlotInfo> slots_;
  TagTable tags_;
  ReplyBudget budget_;
  InitLimiter init_limiter_;
  SpentCookies spent_;
};

template <typename... Args>
Association* ShardCore::make_association(const LocalEnd& local, const Profile& profile,
                                         Args&&... args) {
  if (pool_.available() == 0) return nullptr;
  Association* const association =
      pool_.make(local, ctx.profiles.intern(profile), std::forward<Args>(args)...);
  const uint32_t slot = pool_.index_of(association);
  association->id = {++slots_[slot].generation, slot, ctx.config.index};
  tags_.insert(association->local_tag(), slot);
  return association;
}

}  // namespace trunkline
