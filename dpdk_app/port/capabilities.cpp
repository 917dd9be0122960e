// SPDX-License-Identifier: BSD-3-Clause
// Choice of offloads, queues and RSS.
#include "port/capabilities.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace trunkline::port {

Offloads choose_offloads(const PortCapabilities& can) {
  // The IPv4 header checksum of what we send comes from a template: cheaper than a flag.
  return {can.rx_ipv4_checksum, can.rx_sctp_checksum, can.tx_sctp_checksum};
}

uint16_t choose_queues(const PortCapabilities& can, uint16_t asked, uint16_t workers) {
  if (asked != 0) return asked;
  return std::max<uint16_t>(1, std::min({workers, can.max_rx_queues, can.max_tx_queues}));
}

namespace {

// The bits of IPv6 are those of IPv4, four places up.
constexpr int kIpv6Shift = 4;

SctpSpread choose_family(uint16_t can, int shift, uint16_t& types) {
  const auto has = [&](uint16_t type) { return (can >> shift & type) != 0; };
  const auto ask = [&](uint16_t type) {
    types = static_cast<uint16_t>(types | (can & (type << shift)));
  };
  ask(kRssIpv4Fragment);
  if (has(kRssIpv4Sctp)) {
    ask(kRssIpv4Sctp);
    return SctpSpread::kPorts;
  }
  ask(kRssIpv4 | kRssIpv4Other);
  return has(kRssIpv4 | kRssIpv4Other) ? SctpSpread::kAddresses : SctpSpread::kNot;
}

// Their hash of SCTP takes the verification tag, too (DPDK 22.11: i40e_hash.c, hns3_rss.c).
bool hashes_tag(const PortCapabilities& can) {
  return can.driver == "net_i40e" || can.driver == "net_hns3";
}

std::string_view words(SctpSpread spread, bool tag) {
  switch (spread) {
    case SctpSpread::kNot:
      return "not at all";
    case SctpSpread::kAddresses:
      return "by addresses";
    case SctpSpread::kPorts:
      break;
  }
  return tag ? "by addresses, ports and verification tag" : "by addresses and ports";
}

}  // namespace

RssChoice choose_rss(const PortCapabilities& can, uint16_t queues, RandomSource& random) {
  RssChoice out;
  if (queues < 2) return out;
  out.ipv4 = choose_family(can.rss_types, 0, out.types);
  out.ipv6 = choose_family(can.rss_types, kIpv6Shift, out.types);
  if (out.types == 0) return out;
  out.key.resize(can.rss_key_size);
  random.fill(out.key);
  for (uint16_t i = 0; i < can.redirection_size; ++i) {
    out.redirection.push_back(static_cast<uint16_t>(i % queues));
  }
  return out;
}

std::string describe(const RssChoice& choice, const PortCapabilities& can, uint16_t queues) {
  if (queues < 2) return fmt::format("driver {}, 1 queue", can.driver);
  if (choice.types == 0) {
    return fmt::format(
        "driver {}, {} queues, but no RSS: who sends, or the driver, chooses the queue, and "
        "workers "
        "hand over what is another's",
        can.driver, queues);
  }
  const bool tag = hashes_tag(can);
  std::string out = fmt::format("driver {}, {} queues; SCTP is spread ", can.driver, queues);
  if (choice.ipv4 == choice.ipv6) {
    out += words(choice.ipv4, tag);
  } else {
    out += fmt::format("{} (IPv4), {} (IPv6)", words(choice.ipv4, tag), words(choice.ipv6, tag));
  }
  if (tag && (choice.ipv4 == SctpSpread::kPorts || choice.ipv6 == SctpSpread::kPorts)) {
    return out +
           ": an INIT and what follows it reach different queues, and workers hand over what "
           "is another's";
  }
  return out +
         ": paths of one association reach different queues, and workers hand over what is "
         "another's";
}

std::string check_request(const PortCapabilities& can, uint16_t queues, uint16_t mtu) {
  if (queues > can.max_rx_queues || queues > can.max_tx_queues) {
    return fmt::format("{} queues were asked for, but driver {} has {} to receive and {} to send",
                       queues, can.driver, can.max_rx_queues, can.max_tx_queues);
  }
  if (can.max_mtu != 0 && mtu > can.max_mtu) {
    return fmt::format("mtu {} was asked for, but driver {} goes up to {}", mtu, can.driver,
                       can.max_mtu);
  }
  if (mtu < can.min_mtu) {
    return fmt::format("mtu {} was asked for, but driver {} wants at least {}", mtu, can.driver,
                       can.min_mtu);
  }
  return {};
}

}  // namespace trunkline::port
