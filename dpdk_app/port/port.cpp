// SPDX-License-Identifier: BSD-3-Clause
// Life of an ethdev: probe, configure, start, stop, close.
#include "port/port.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "trunkline/stack/random.h"
#include "unix_path.h"

namespace trunkline::port {
namespace {

constexpr uint16_t kFrameOverhead = 14 + 2 * 4;  // Ethernet and up to two VLAN tags

std::string device_name(const std::string& device) {
  return device.substr(0, device.find(','));
}

// The value of "key=" among a device's arguments, or nothing.
std::string device_argument(const std::string& device, std::string_view key) {
  const std::string wanted = fmt::format(",{}=", key);
  const size_t at = device.find(wanted);
  if (at == std::string::npos) return {};
  const size_t start = at + wanted.size();
  return device.substr(start, device.find(',', start) - start);
}

// Our names of packet types, and DPDK's.
constexpr std::pair<uint16_t, uint64_t> kRssBits[] = {
    {kRssIpv4, RTE_ETH_RSS_IPV4},
    {kRssIpv4Fragment, RTE_ETH_RSS_FRAG_IPV4},
    {kRssIpv4Other, RTE_ETH_RSS_NONFRAG_IPV4_OTHER},
    {kRssIpv4Sctp, RTE_ETH_RSS_NONFRAG_IPV4_SCTP},
    {kRssIpv6, RTE_ETH_RSS_IPV6},
    {kRssIpv6Fragment, RTE_ETH_RSS_FRAG_IPV6},
    {kRssIpv6Other, RTE_ETH_RSS_NONFRAG_IPV6_OTHER},
    {kRssIpv6Sctp, RTE_ETH_RSS_NONFRAG_IPV6_SCTP},
};

PortCapabilities read_capabilities(const rte_eth_dev_info& info) {
  PortCapabilities can;
  can.driver = info.driver_name;
  can.max_rx_queues = info.max_rx_queues;
  can.max_tx_queues = info.max_tx_queues;
  can.min_mtu = info.min_mtu == RTE_ETHER_MIN_MTU ? uint16_t{0} : info.min_mtu;
  can.max_mtu = info.max_mtu == UINT16_MAX ? uint16_t{0} : info.max_mtu;
  can.rx_ipv4_checksum = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
  can.rx_sctp_checksum = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCTP_CKSUM) != 0;
  can.tx_ipv4_checksum = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  can.tx_sctp_checksum = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_SCTP_CKSUM) != 0;
  for (const auto& [type, bit] : kRssBits) {
    if ((info.flow_type_rss_offloads & bit) != 0) can.rss_types |= type;
  }
  can.rss_key_size = info.hash_key_size;
  can.redirection_size = info.reta_size;
  can.shared_memory = can.driver == "net_memif";
  return can;
}

void check(int result, const config::Port& port, std::string_view what) {
  if (result >= 0) return;
  throw std::runtime_error(
      fmt::format("port {}: {} failed: {}", port.name, what, rte_strerror(-result)));
}

}  // namespace

rte_mempool* make_pool(const std::string& name, uint32_t count, uint16_t frame_size,
                       bool shared_cores) {
  // 2048 at least: memif copies whole buffers of that size faster than it chains.
  const auto room = static_cast<uint16_t>(
      kHeadroom + std::max<int>(2048, RTE_ALIGN_CEIL(frame_size + kFrameOverhead, 64)));
  // The caches of a few lcores would hold all of a small pool.
  const uint32_t cache = count < 4 * kMostCached ? 0 : kPoolCache;
  rte_mempool* pool =
      rte_pktmbuf_pool_create_by_ops(name.c_str(), count, cache, 0, room, SOCKET_ID_ANY,
                                     shared_cores ? "ring_mt_rts" : "ring_mp_mc");
  if (pool == nullptr) {
    throw std::runtime_error(
        fmt::format("no memory for {} packet buffers of {} bytes ({}): raise "
                    "eal.memory or lower ports[].buffers",
                    count, room, rte_strerror(rte_errno)));
  }
  return pool;
}

Port::Port(const config::Port& config, uint16_t index, uint16_t workers, bool shared_cores)
    : config_(config), index_(index) {
  memif_client_ = config_.device.starts_with("net_memif") &&
                  device_argument(config_.device, "role") != "server";
  try {
    probe();
    configure(workers, shared_cores);
  } catch (...) {
    close();
    throw;
  }
}

Port::~Port() {
  close();
}

void Port::probe() {
  // A server that was killed leaves its socket, over which the driver would stumble.
  const std::string socket = device_argument(config_.device, "socket");
  if (!socket.empty() && !memif_client_) {
    if (prepare_socket_path(socket) == SocketPath::kServed) {
      throw std::runtime_error(
          fmt::format("port {}: another process serves {}", config_.name, socket));
    }
  }
  // Abstract socket names belong to a network namespace and surprise everybody.
  if (config_.device.starts_with("net_memif") &&
      device_argument(config_.device, "socket-abstract").empty()) {
    config_.device += ",socket-abstract=no";
  }
  const std::string name = device_name(config_.device);
  int result = 0;
  listener_ = ControlChannel::of([&] { result = rte_dev_probe(config_.device.c_str()); });
  if (result < 0) {
    throw std::runtime_error(
        fmt::format("port {}: DPDK cannot open \"{}\" ({}); see its message above", config_.name,
                    config_.device, rte_strerror(-result)));
  }
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id_) != 0) {
    throw std::runtime_error(
        fmt::format("port {}: \"{}\" is not an Ethernet device", config_.name, name));
  }
  probed_ = true;
}

void Port::configure(uint16_t workers, bool shared_cores) {
  rte_eth_dev_info info{};
  check(rte_eth_dev_info_get(id_, &info), config_, "asking for capabilities");
  capabilities_ = read_capabilities(info);
  offloads_ = choose_offloads(capabilities_);
  queues_ = choose_queues(capabilities_, config_.queues, workers);
  if (const std::string wrong = check_request(capabilities_, queues_, config_.mtu);
      !wrong.empty()) {
    throw std::runtime_error(fmt::format("port {}: {}", config_.name, wrong));
  }
  rte_eth_conf conf{};
  conf.rxmode.mtu = config_.mtu;
  if (offloads_.rx_ipv4_checksum) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
  if (offloads_.rx_sctp_checksum) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCTP_CKSUM;
  if (offloads_.tx_sctp_checksum) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_SCTP_CKSUM;
  ask_for_rss(conf);
  // Drivers without the limit in dev_info refuse another MTU than 1500 here; they do not care.
  if (info.max_mtu == UINT16_MAX && config_.mtu + 18u > info.max_rx_pktlen) conf.rxmode.mtu = 0;
  check(rte_eth_dev_configure(id_, queues_, queues_, &conf), config_, "configuring");

  uint16_t rx_descriptors = config_.rx_descriptors;
  uint16_t tx_descriptors = config_.tx_descriptors;
  check(rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_descriptors, &tx_descriptors), config_,
        "choosing ring sizes");
  // What workers keep in their caches comes on top of what was asked for.
  pool_ = make_pool(fmt::format("rx_{}", index_), config_.buffers + (workers - 1u) * kMostCached,
                    config_.mtu, shared_cores);
  const int socket = rte_eth_dev_socket_id(id_);
  const auto node = socket < 0 ? SOCKET_ID_ANY : socket;
  for (uint16_t queue = 0; queue < queues_; ++queue) {
    check(rte_eth_rx_queue_setup(id_, queue, rx_descriptors, static_cast<unsigned>(node), nullptr,
                                 pool_),
          config_, "setting up a receive queue");
    check(rte_eth_tx_queue_setup(id_, queue, tx_descriptors, static_cast<unsigned>(node), nullptr),
          config_, "setting up a send queue");
  }
  rte_ether_addr mac{};
  check(rte_eth_macaddr_get(id_, &mac), config_, "asking for the MAC address");
  mac_ = net::MacAddress::from(mac.addr_bytes);
}

void Port::ask_for_rss(rte_eth_conf& conf) {
  SecureRandom random;
  rss_ = choose_rss(capabilities_, queues_, random);
  spdlog::info("port {}: {}", config_.name, describe(rss_, capabilities_, queues_));
  if (rss_.types == 0) return;
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  for (const auto& [type, bit] : kRssBits) {
    if ((rss_.types & type) != 0) conf.rx_adv_conf.rss_conf.rss_hf |= bit;
  }
  if (rss_.key.empty()) return;
  conf.rx_adv_conf.rss_conf.rss_key = rss_.key.data();
  conf.rx_adv_conf.rss_conf.rss_key_len = static_cast<uint8_t>(rss_.key.size());
}

// Drivers fill the table in turn by themselves; this holds for those that do not.
void Port::set_up_redirection() {
  if (rss_.redirection.empty()) return;
  const auto size = static_cast<uint16_t>(rss_.redirection.size());
  std::vector<rte_eth_rss_reta_entry64> table((size + 63u) / 64);
  for (uint16_t i = 0; i < size; ++i) {
    table[i / 64].mask |= uint64_t{1} << i % 64;
    table[i / 64].reta[i % 64] = rss_.redirection[i];
  }
  const int result = rte_eth_dev_rss_reta_update(id_, table.data(), size);
  if (result < 0 && result != -ENOTSUP) {
    spdlog::warn("port {}: the redirection table was refused ({}): the driver's own is used",
                 config_.name, rte_strerror(-result));
  }
}

void Port::set_up_filters() {
  if (config_.promiscuous) {
    if (const int result = rte_eth_promiscuous_enable(id_); result < 0 && result != -ENOTSUP) {
      spdlog::warn("port {}: promiscuous mode failed: {}", config_.name, rte_strerror(-result));
    }
    return;
  }
  std::vector<rte_ether_addr> groups;
  const auto add = [&](const net::MacAddress& mac) {
    rte_ether_addr group{};
    std::copy(mac.bytes.begin(), mac.bytes.end(), group.addr_bytes);
    groups.push_back(group);
  };
  for (const config::Prefix& prefix : config_.addresses) {
    if (prefix.address.is_ipv6()) add(net::multicast_mac(net::solicited_node(prefix.address)));
  }
  if (groups.empty()) return;
  add(net::multicast_mac(net::all_nodes()));
  if (rte_eth_dev_set_mc_addr_list(id_, groups.data(), static_cast<uint32_t>(groups.size())) == 0) {
    return;
  }
  // Virtual devices have no filter at all and refuse both.
  if (const int result = rte_eth_allmulticast_enable(id_); result < 0 && result != -ENOTSUP) {
    spdlog::warn("port {}: multicast for IPv6 failed: {}", config_.name, rte_strerror(-result));
  }
}

bool Port::start() {
  if (started_) return true;
  int result = 0;
  channel_ = ControlChannel::of([&] { result = rte_eth_dev_start(id_); });
  if (result < 0) return false;
  started_ = true;
  set_up_redirection();
  set_up_filters();
  return true;
}

void Port::stop() {
  if (!started_) return;
  started_ = false;
  static_cast<void>(rte_eth_dev_stop(id_));
}

void Port::close() {
  stop();
  if (probed_) {
    probed_ = false;
    // 22.11 frees what a memif server listens on, and lets the interrupt thread go on reading it.
    if (capabilities_.shared_memory && listener_) listener_->close();
    static_cast<void>(rte_eth_dev_close(id_));
    if (const std::string socket = device_argument(config_.device, "socket");
        !socket.empty() && capabilities_.shared_memory && !memif_client_) {
      std::error_code ignored;
      std::filesystem::remove(socket, ignored);
    }
  }
  rte_mempool_free(pool_);
  pool_ = nullptr;
}

bool Port::link_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

uint32_t Port::link_speed_mbps() const {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(id_, &link) != 0) return 0;
  return link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
}

bool Port::wants_restart() const {
  return !started_ || (memif_client_ && !link_up());
}

bool Port::was_refused() const {
  return memif_client_ && started_ && channel_ && channel_->closed() && !link_up();
}

rte_eth_stats Port::stats() const {
  rte_eth_stats out{};
  static_cast<void>(rte_eth_stats_get(id_, &out));
  return out;
}

}  // namespace trunkline::port
