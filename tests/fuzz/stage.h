// SPDX-License-Identifier: BSD-3-Clause
// One host of a play: the harness's Host, what it has said so far, and a second cookie jar with the
// same key, so that the play can bring cookies that only the host itself could have made. Ends with
// everything that must hold after any input.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "fuzz_check.h"
#include "grammar.h"

namespace trunkline::fuzz {

using test::Host;
using test::HostSetup;

// Small pools and short patience, so that limits are met within one input. Each bit of `style`
// turns something on.
inline HostSetup host_setup(uint8_t number, uint8_t style) {
  HostSetup setup;
  const auto last = static_cast<uint8_t>(10 * number);
  setup.addresses = {IpAddress::ipv4(192, 0, 2, last)};
  if ((style & 1) != 0) setup.addresses.push_back(IpAddress::ipv4(192, 0, 2, last + 1));
  setup.port = PortNumber(static_cast<uint16_t>(5000 + number));
  Profile& profile = setup.profile;
  profile.association_max_retrans = 4;
  profile.path_max_retrans = 2;
  profile.max_init_retransmits = 3;
  if ((style & 2) != 0) profile.a_rwnd = 8000;
  if ((style & 4) != 0) profile.path_mtu = 576;
  if ((style & 8) != 0) profile.max_message_size = 3000;
  profile.nagle = (style & 16) != 0;
  profile.one_data_per_packet = (style & 32) != 0;
  profile.send_buffer = 64 * 1024;
  setup.shard.max_associations = 4;
  setup.shard.max_outstanding_chunks = (style & 64) != 0 ? 8 : 512;
  setup.shard.max_queued_messages = 64;
  setup.shard.receive_buffer_bytes = (style & 128) != 0 ? 8192 : 1 << 18;
  setup.shard.spent_cookies = 16;
  setup.shard.inits_per_second_per_source = 20;
  return setup;
}

class Stage {
 public:
  Stage(uint64_t seed, const HostSetup& how, TimePoint now) : setup(how) { begin(seed, now); }

  void begin(uint64_t seed, TimePoint now) {
    host = std::make_unique<Host>(seed, setup, now);
    // The key is what a shard draws first behind its directory's. If that changes, twin_fits()
    // tells.
    twin_random_ = std::make_unique<SeededRandom>(seed);
    const DirectoryPtr directory = make_directory(*twin_random_, 4 * setup.shard.max_associations);
    jar = std::make_unique<CookieJar>(*twin_random_, now);
    heard = {};
  }
  // What the host has to say, listened to.
  std::vector<Packet> listen(TimePoint now) {
    std::vector<Packet> packets = host->transmit(now);
    for (const Packet& packet : packets) heard.note(packet);
    check_bounds();
    return packets;
  }
  // Whoever attacks this host seems to be `peer`.
  [[nodiscard]] Victim as_victim(const std::vector<IpAddress>& peers, PortNumber peer_port,
                                 TimePoint now) const {
    Victim victim;
    victim.peers = peers;
    victim.locals = setup.addresses;
    victim.peer_port = peer_port;
    victim.local_port = setup.port;
    victim.status = host->status();
    victim.heard = &heard;
    victim.jar = jar.get();
    victim.now = now;
    return victim;
  }
  [[nodiscard]] bool twin_fits(TimePoint now) const {
    Cookie cookie;
    return jar->open(now, heard.cookie, cookie);
  }
  // Memory stays within what the configuration grants, whatever has come.
  void check_bounds() const {
    const Shard::PoolUsage used = host->shard().pool_usage();
    FUZZ_CHECK(used.chunks_used <= setup.shard.max_outstanding_chunks);
    FUZZ_CHECK(used.messages_used <= setup.shard.max_queued_messages);
    FUZZ_CHECK(used.receive_blocks_used <= setup.shard.receive_buffer_bytes / 512);
    FUZZ_CHECK(host->shard().association_count() <= setup.shard.max_associations);
    tell_violation();
  }
  // Everything is ended and given back, and no promise was broken on the way.
  void end(TimePoint now) {
    host->finish(now);
    tell_violation();
    host.reset();
  }

  HostSetup setup;
  std::unique_ptr<Host> host;
  std::unique_ptr<CookieJar> jar;
  Heard heard;

 private:
  void tell_violation() const {
    if (!host->violation().empty()) std::fprintf(stderr, "%s\n", host->violation().c_str());
    FUZZ_CHECK(host->violation().empty());
  }
  std::unique_ptr<SeededRandom> twin_random_;
};

}  // namespace trunkline::fuzz
