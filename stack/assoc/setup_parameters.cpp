// SPDX-License-Identifier: BSD-3-Clause
#include "assoc/setup_parameters.h"

#include <algorithm>
#include <array>
#include <vector>

#include "assoc/errors.h"

namespace trunkline {
namespace {

void announce(wire::InitOptions& options, wire::FeatureSet features,
              const wire::ExtensionList& extensions, uint32_t adaptation) {
  options.supported_extensions = extensions.list();
  options.adaptation = adaptation;
  options.forward_tsn_supported = features.has(wire::Feature::kPartialReliability);
}

// When not all fits, reports are left out first, from the last, then our addresses.
bool write_whole_init_ack(wire::PacketWriter& writer, const wire::InitFields& fields,
                          std::span<const IpAddress> addresses, std::span<const uint8_t> cookie,
                          const wire::InitChunk& init, wire::FeatureSet features,
                          uint32_t adaptation) {
  const wire::ExtensionList extensions = wire::extensions_of(features);
  wire::InitOptions options;
  announce(options, features, extensions, adaptation);
  const auto reports = init.unrecognized_list();
  for (size_t count = reports.size(); count > 0; --count) {
    if (wire::write_init_ack(writer, fields, addresses, cookie, reports.first(count), options)) {
      return true;
    }
  }
  return wire::write_init_ack(writer, fields, addresses, cookie, {}, options) ||
         wire::write_init_ack(writer, fields, {}, cookie, {}, options);
}

}  // namespace

bool write_our_init(wire::PacketWriter& writer, const SetupSide& side, const IpAddress& from,
                    const IpAddress& to, uint32_t cookie_extension_ms) {
  const wire::InitFields fields{side.tag, side.profile.a_rwnd, side.outbound_streams,
                                side.profile.max_inbound_streams, side.initial_tsn};
  wire::InitOptions options;
  for (const IpAddress& address : side.local.addresses) {
    if (!LocalEnd::means_something(address, to)) continue;
    (address.is_ipv4() ? options.lists_ipv4 : options.lists_ipv6) = true;
  }
  const wire::ExtensionList extensions = wire::extensions_of(side.offers);
  announce(options, side.offers, extensions, side.profile.adaptation);
  if (cookie_extension_ms > 0) options.cookie_preservative_ms = cookie_extension_ms;
  return wire::write_init(writer, fields, side.local.announced_to(to, from), options);
}

Cookie cookie_for(const SetupSide& side, TimePoint now, const IpAddress& local,
                  const PeerAddresses& peers, PortNumber peer_port, const wire::InitChunk& init) {
  Cookie cookie;
  cookie.created = now;
  cookie.lifespan = side.profile.valid_cookie_life;
  cookie.local_tag = side.tag;
  cookie.local_initial_tsn = side.initial_tsn;
  cookie.peer_tag = init.initiate_tag;
  cookie.peer_initial_tsn = init.initial_tsn;
  cookie.peer_rwnd = init.a_rwnd;
  cookie.peer_adaptation = init.adaptation;
  // No more streams than the other side takes (3.3.3).
  cookie.outbound_streams = std::min(side.outbound_streams, init.inbound_streams);
  cookie.inbound_streams = std::min(side.profile.max_inbound_streams, init.outbound_streams);
  // Nor what it does not do.
  cookie.features = side.offers & wire::announced(init);
  cookie.endpoint = side.local.endpoint;
  cookie.local_port = side.local.port;
  cookie.peer_port = peer_port;
  cookie.local_address = local;
  cookie.peer_addresses = peers.addresses;
  cookie.peer_address_count = peers.count;
  return cookie;
}

void answer_init_with(ShardContext& ctx, TimePoint now, const SetupSide& side, const Cookie& cookie,
                      const wire::InitChunk& init, size_t limit) {
  std::array<uint8_t, CookieJar::kMaxSize> sealed;
  const size_t size = ctx.cookies.seal(now, cookie, sealed);
  const wire::InitFields fields{cookie.local_tag, side.profile.a_rwnd, cookie.outbound_streams,
                                side.profile.max_inbound_streams, cookie.local_initial_tsn};
  const IpAddress& peer = cookie.peers()[0];
  const std::vector<IpAddress> addresses = side.local.announced_to(peer, cookie.local_address);
  const bool queued = queue_reply(
      ctx, cookie.local_address, peer, {cookie.local_port, cookie.peer_port, cookie.peer_tag},
      side.profile.dscp, limit, [&](wire::PacketWriter& writer) {
        return write_whole_init_ack(writer, fields, addresses, std::span(sealed).first(size), init,
                                    cookie.features, side.profile.adaptation);
      });
  if (queued) ctx.counters.add(Counter::k_inits_answered);
}

}  // namespace trunkline
