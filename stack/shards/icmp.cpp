// SPDX-License-Identifier: BSD-3-Clause
// What ICMP may say about an association (RFC 9260 section 10, RFC 8899 section 4.6). Of all
// messages two matter: nobody speaks SCTP where our packet went, and the packet was too large to
// get there. Parsing is the caller's; called by Shard.
#include <optional>

#include "base/bytes.h"
#include "shards/shard_core.h"
#include "wire/chunk.h"
#include "wire/common_header.h"

namespace trunkline {
namespace {

constexpr size_t kQuoted = 8;  // ports and tag: what ICMP quotes at least

// Does the quoted packet begin with an INIT, and which tag did that choose?
std::optional<VerificationTag> quoted_init_tag(std::span<const uint8_t> sent) {
  constexpr size_t kChunk = wire::kCommonHeaderSize;
  if (sent.size() < kChunk + wire::kChunkHeaderSize + 4) return std::nullopt;
  if (sent[kChunk] != static_cast<uint8_t>(wire::ChunkType::kInit)) return std::nullopt;
  return VerificationTag(load_be32(sent.data() + kChunk + wire::kChunkHeaderSize));
}

}  // namespace

// The association whose packet is quoted, whichever shard has it.
std::optional<AssocId> ShardCore::find_quoted(const PacketIn& sent) const {
  if (sent.bytes.size() < kQuoted) return std::nullopt;
  return directory_.find({sent.source, sent.destination, PortNumber(load_be16(sent.bytes.data())),
                          PortNumber(load_be16(sent.bytes.data() + 2))});
}

uint16_t ShardCore::steer_quoted(const PacketIn& sent) const {
  const auto id = find_quoted(sent);
  return id ? id->shard : ctx.config.index;
}

// The association whose packet is quoted, if the quotation proves that it was sent (section 10,
// ICMP5 and ICMP6): whoever has seen a packet of ours can quote its tag; nobody else is believed.
// Of an INIT that tag is zero, and the one that it chose stands for it.
Association* ShardCore::proven_quote(const PacketIn& sent) const {
  const std::span<const uint8_t> bytes = sent.bytes;
  // What goes to an address of ours passes no router that could complain.
  if (endpoints.is_ours(sent.destination)) return nullptr;
  const auto id = find_quoted(sent);
  Association* const association = id ? find(*id) : nullptr;
  if (association == nullptr) return nullptr;
  const VerificationTag tag(load_be32(bytes.data() + 4));
  bool proven = tag.value != 0 && tag == association->peer_tag();
  if (tag.value == 0 && association->state() == AssocState::kCookieWait) {
    proven = quoted_init_tag(bytes) == association->local_tag();
  }
  return proven ? association : nullptr;
}

void ShardCore::protocol_unreachable(const PacketIn& sent) {
  Association* const association = proven_quote(sent);
  if (association == nullptr) return ctx.counters.add(Counter::k_drop_icmp);
  association->on_protocol_unreachable(ctx);  // ICMP8
}

void ShardCore::packet_too_big(TimePoint now, const PacketIn& sent, uint16_t mtu) {
  Association* const association = proven_quote(sent);
  if (association == nullptr) return ctx.counters.add(Counter::k_drop_icmp);
  association->on_packet_too_big(ctx, now, sent, mtu);
}

}  // namespace trunkline
