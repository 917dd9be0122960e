// SPDX-License-Identifier: BSD-3-Clause
// Watches which way DATA goes, from the packets on the links and from what the links suffer, never
// from what the stack says of its paths.
//
// No DATA goes to an address before it is confirmed (section 5.4): named by connect(), asked by the
// INIT ACK whose cookie came back, or by a HEARTBEAT whose answer arrived.
//
// Failover in time. A path is dead while both its directions are cut, since the later cut. Another
// one is sound if nothing of it is cut and, were it ever, as many HEARTBEATs have been answered
// since as the profile wants, and one more. From the first DATA or HEARTBEAT on that goes into the
// dead path, and the sender has a sound one, until 1.5 RTO later,
// - DATA may go on into the dead path, and not any longer;
// - some of it has gone another way, if it was DATA that had no answer.
// Once that was T3's doing the path has failed, at least potentially: no more DATA goes into it.
// Which RTO: where every round trip is at most R, all waits of both ends included, section 6.3.1
// gives at most SRTT + 4 * RTTVAR <= R + 4 * R = 5 R, and never less than RTO.min. So on a
// path that never failed, or has answered since, T3 runs for max(RTO.Initial, RTO.min, 5 R). A SACK
// that was under way when the path died may start T3 anew, R later at most: that is what the half
// is for, since R is a fifth of the RTO.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "network.h"
#include "verdict.h"

namespace trunkline::sim {

class PathWatch {
 public:
  // What the sender promises; a zero RTO: nothing about time.
  struct Promise {
    Duration rto{};
    uint32_t return_heartbeats = 1;
  };

  PathWatch(Verdict& verdict, const Network& network) : verdict_(verdict), network_(network) {}

  void set_promise(HostIndex host, Promise promise) { promises_[host] = promise; }
  // Associations with this port at either end are not judged.
  void expect_intruder(uint16_t port) { hostile_ports_.insert(port); }
  // The application names an address of the peer.
  void named(Party host, Party peer, PortNumber local, PortNumber remote, const IpAddress& address);
  void crashed(HostIndex host);
  void cut(TimePoint now, HostIndex from, HostIndex to, NetIndex net);
  void restored(TimePoint now, HostIndex from, HostIndex to, NetIndex net);

  void sent(TimePoint now, Party from, Party to, const IpAddress& source,
            const IpAddress& destination, std::span<const uint8_t> bytes);
  void delivered(TimePoint now, Party from, Party to, std::span<const uint8_t> bytes);

  // Times that DATA left a dead path, and how long the slowest took, in parts of the RTO.
  [[nodiscard]] uint64_t failovers() const { return failovers_; }
  [[nodiscard]] double slowest() const { return slowest_; }

 private:
  struct Link {
    bool is_cut = false;
    bool was_ever_cut = false;
    TimePoint since;  // cut or restored
  };
  // One destination address, as one end of an association uses it.
  struct Way {
    IpAddress destination;
    IpAddress source;                 // that its packets have
    std::deque<uint64_t> heartbeats;  // hashes of the last ones
    bool confirmed = false;
    TimePoint confirmed_at;
    uint32_t answers = 0;       // to HEARTBEATs, since the links last changed
    TimePoint answers_since;    // when the one came that made it sound
    TimePoint last_data;        // when it was sent
    TimePoint changed;          // when the links last did
    bool was_measured = false;  // before they did
    // Since it died.
    TimePoint first_unanswered = TimePoint::never();
    TimePoint first_data = TimePoint::never();
    bool was_left = false;
    // DATA went another way, so long after the first that had no answer that T3 has expired.
    TimePoint given_up_at = TimePoint::never();
  };
  struct Flow {
    HostIndex from = 0;
    HostIndex to = 0;
    std::vector<Way> ways;
  };

  Flow& flow(Party from, Party to, uint16_t source_port, uint16_t destination_port);
  static Way& way_to(Flow& flow, const IpAddress& destination);
  [[nodiscard]] const Link& link(HostIndex from, HostIndex to, const IpAddress& towards) const;
  [[nodiscard]] bool is_dead(const Flow& flow, const Way& way) const;
  // The moment since which it is, or never.
  [[nodiscard]] TimePoint sound_since(const Flow& flow, const Way& way, uint32_t answers) const;
  [[nodiscard]] TimePoint other_sound_since(const Flow& flow, const Way& but,
                                            const Promise& promise) const;
  // The last moment at which DATA may go into the dead way; never() if it is not judged.
  [[nodiscard]] TimePoint deadline(const Flow& flow, const Way& way, TimePoint first) const;
  void links_changed(TimePoint now, HostIndex from, HostIndex to, NetIndex net);
  void sent_data(TimePoint now, Flow& flow, Way& way);
  void check_left(TimePoint now, Flow& flow);
  void fail(TimePoint now, const Flow& flow, const Way& way, const std::string& what);

  Verdict& verdict_;
  const Network& network_;
  std::map<HostIndex, Promise> promises_;
  std::map<std::tuple<HostIndex, HostIndex, NetIndex>, Link> links_;
  std::map<uint64_t, Flow> flows_;
  std::set<uint16_t> hostile_ports_;
  uint64_t failovers_ = 0;
  double slowest_ = 0;
};

}  // namespace trunkline::sim
