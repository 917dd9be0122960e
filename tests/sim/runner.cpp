// SPDX-License-Identifier: BSD-3-Clause
// Builds the simulation that a plan describes, runs it, and judges the end.
#include "runner.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "chatter.h"
#include "consumers.h"
#include "forger.h"
#include "intruder.h"
#include "simulator.h"

namespace trunkline::sim {
namespace {

using std::chrono::seconds;

class Run {
 public:
  Run(const Plan& plan, uint64_t seed, bool verbose)
      : plan_(plan),
        simulator_(seed, {verbose, 60,
                          plan.forge_every.count() > 0 || plan.forge_icmp_every.count() > 0}) {
    if (verbose) std::printf("%s\n", plan_.describe().c_str());
    build();
  }

  RunResult go() {
    const TimePoint start = simulator_.now();
    for (HostIndex i = 0; i < plan_.host_count(); ++i) simulator_.host(i).start(start);
    // What is still on its way when all is done may wake something up once more: a COOKIE ECHO of a
    // host that has crashed since.
    for (int round = 0; round < 3; ++round) {
      simulator_.run([this] { return done(); }, start + plan_.limit);
      simulator_.run_for(seconds(200));
    }
    if (!simulator_.verdict().failed()) judge();
    return result(start);
  }

 private:
  [[nodiscard]] bool gives_up(HostIndex host) const {
    return plan_.hosts[host].profile.partial_reliability &&
           std::any_of(plan_.assocs.begin(), plan_.assocs.end(), [&](const AssocPlan& assoc) {
             return (assoc.client == host && assoc.client_side.traffic.limited > 0) ||
                    (assoc.server == host && assoc.server_side.traffic.limited > 0);
           });
  }

  void build() {
    const bool pauses =
        std::any_of(plan_.incidents.begin(), plan_.incidents.end(),
                    [](const IncidentPlan& i) { return i.what == Incident::kPause; });
    meetings_.resize(plan_.assocs.size());
    uint32_t paths = 1;
    for (const AssocPlan& assoc : plan_.assocs) {
      paths = std::max<uint32_t>({paths, assoc.client_paths, assoc.server_paths});
    }
    for (HostIndex i = 0; i < plan_.host_count(); ++i) {
      const HostPlan& plan = plan_.hosts[i];
      HostConfig config;
      config.addresses = plan.addresses;
      for (const IpAddress& address : plan.addresses) {
        if (plan.knows_networks) {
          config.shard.own_prefix_lengths.push_back(address.is_ipv4() ? 24 : 64);
        }
      }
      config.shard.max_associations = plan.max_associations;
      config.shard.receive_buffer_bytes = plan.receive_buffer_bytes;
      config.shard.max_outstanding_chunks = plan.max_outstanding_chunks;
      config.shard.max_queued_messages = plan.max_queued_messages;
      config.shard.out_of_blue_replies_per_second = plan.out_of_blue_replies;
      config.limits = {plan.profile.path_mtu,   plan.profile.one_data_per_packet, !pauses,
                       plan.profile.sack_delay, plan.profile.sack_frequency,      plan.poll,
                       plan.profile.rto_min,    plan.profile.valid_cookie_life,   paths};
      config.limits.early = plan.profile.loss_recovery != LossRecovery::kRfc9260;
      config.limits.gives_up = gives_up(static_cast<HostIndex>(&plan - plan_.hosts.data()));
      config.limits.least_round_trip = least_round_trip();
      config.shards = plan.shards;
      config.spread = plan.spread;
      config.port = plan.port;
      config.hand_over = plan.hand_over;
      config.hand_over_room = plan.hand_over_room;
      config.checksum_by_port = plan.checksum_by_port;
      config.poll = plan.poll;
      config.lists = plan.lists;
      config.window_cap = plan.window_cap;
      config.window_cap_until = plan.window_cap_until;
      config.free_ports = plan.free_ports;
      config.loop_loss = plan.loop_loss;
      if (plan.consumers > 0) {
        chatters_.push_back(std::make_unique<Consumers>(simulator_, plan_, i, meetings_));
      } else {
        chatters_.push_back(std::make_unique<Chatter>(simulator_, plan_, i, meetings_));
      }
      simulator_.add_host(config, *chatters_.back());
    }
    for (const LinkPlan& link : plan_.links) {
      simulator_.network().link(link.from, link.to, link.net) = link.faults;
    }
    for (const IncidentPlan& incident : plan_.incidents) {
      simulator_.at(simulator_.now() + incident.after,
                    [this, incident](TimePoint now) { happen(now, incident); });
    }
    incidents_left_ = plan_.incidents.size();
    if (plan_.expect.failover) promise_failover();
    if (plan_.expect.sound_paths) simulator_.expect_sound_paths();
    for (const AssocPlan& assoc : plan_.assocs) {
      if (!assoc.hostile) continue;
      simulator_.ledger().expect_intruder(assoc.client_port);
      simulator_.referee().expect_intruder(assoc.client_port);
      simulator_.paths().expect_intruder(assoc.client_port);
    }
    if (plan_.intrude_every.count() > 0) {
      intruder_ = std::make_unique<Intruder>(simulator_);
      simulator_.tap([this](const Simulator::Seen& packet) { intruder_->observe(packet); });
      plan_intrusion(simulator_.now(), simulator_.now() + plan_.intrude_until);
    }
    if (plan_.forge_every.count() > 0 && intruder_ == nullptr) {
      intruder_ = std::make_unique<Intruder>(simulator_);
      intruder_->everybody();
      simulator_.tap([this](const Simulator::Seen& packet) { intruder_->observe(packet); });
      simulator_.at(simulator_.now() + Duration(1),
                    [this](TimePoint now) { ask_for_cookies(now); });
    }
    if (plan_.forge_every.count() > 0) {
      forger_ = std::make_unique<Forger>(simulator_);
      plan_forgery(simulator_.now());
    }
    if (plan_.forge_icmp_every.count() > 0) {
      if (forger_ == nullptr) forger_ = std::make_unique<Forger>(simulator_);
      plan_icmp_forgery(simulator_.now());
    }
  }

  // Zero where a host talks to itself.
  [[nodiscard]] Duration least_round_trip() const {
    Duration way = Duration::max() / 2;
    for (const LinkPlan& link : plan_.links) way = std::min(way, link.faults.delay);
    for (const AssocPlan& assoc : plan_.assocs) {
      if (assoc.client == assoc.server) return Duration{};
    }
    return plan_.links.empty() ? Duration{} : 2 * way;
  }

  // See path_watch.h: R is the longest round trip, with all that either end may wait.
  void promise_failover() {
    Duration way{};
    for (const LinkPlan& link : plan_.links) way = std::max(way, link.faults.delay);
    Duration wait{};
    Duration sack_delay{};
    for (const HostPlan& host : plan_.hosts) {
      // Half of a hand-over more or less, two of them; both on the way there and on the way back.
      wait = std::max(wait, 2 * host.poll + 3 * host.hand_over);
      sack_delay = std::max(sack_delay, host.profile.sack_delay);
    }
    const Duration round_trip = 2 * way + 2 * wait + sack_delay;
    for (HostIndex i = 0; i < plan_.host_count(); ++i) {
      const Profile& profile = plan_.hosts[i].profile;
      if (!leaves_at_once(profile)) continue;
      Duration rto = std::max({profile.rto_initial, profile.rto_min, 5 * round_trip});
      // A loss probe puts T3 off once, by less than an RTO.
      if (profile.loss_recovery != LossRecovery::kRfc9260) rto += rto / 2;
      simulator_.paths().set_promise(i, {rto, profile.primary_return_heartbeats});
    }
  }
  // The first error makes a path inactive, or potentially failed.
  static bool leaves_at_once(const Profile& profile) {
    return profile.path_max_retrans == 0 || profile.potentially_failed_max_retrans == 0;
  }

  void happen(TimePoint now, const IncidentPlan& incident) {
    --incidents_left_;
    Network& network = simulator_.network();
    Host& host = simulator_.host(incident.from);
    switch (incident.what) {
      case Incident::kHeal:
        simulator_.note(now, "the network heals");
        network.heal();
        break;
      case Incident::kCut:
      case Incident::kRestore:
        for (NetIndex net = 0; net < kMaxNets; ++net) {
          if ((incident.nets >> net & 1) == 0) continue;
          const bool cut = incident.what == Incident::kCut;
          network.link(incident.from, incident.to, net).cut = cut;
          if (cut) {
            simulator_.paths().cut(now, incident.from, incident.to, net);
          } else {
            simulator_.paths().restored(now, incident.from, incident.to, net);
          }
        }
        simulator_.note(now, std::string(incident.what == Incident::kCut ? "cut " : "restored ") +
                                 std::to_string(incident.from) + ">" + std::to_string(incident.to) +
                                 " on nets " + std::to_string(incident.nets));
        break;
      case Incident::kCrash:
        if (host.alive()) host.crash(now);
        break;
      case Incident::kStart:
        if (!host.alive()) {
          simulator_.note(now, "host " + std::to_string(incident.from) + " starts");
          host.start(now);
        }
        break;
      case Incident::kPause:
        host.pause_until(now + incident.span);
        break;
      case Incident::kDropNamed:
        network.drop_next(incident.from, incident.to, incident.chunk, incident.count);
        break;
      case Incident::kSetMtu:
        for (NetIndex net = 0; net < kMaxNets; ++net) {
          if ((incident.nets >> net & 1) == 0) continue;
          network.link(incident.from, incident.to, net).mtu = static_cast<uint16_t>(incident.count);
        }
        simulator_.note(now, "mtu of " + std::to_string(incident.from) + ">" +
                                 std::to_string(incident.to) + " on nets " +
                                 std::to_string(incident.nets) + " is " +
                                 std::to_string(incident.count));
        break;
    }
  }

  void plan_forgery(TimePoint now) {
    const auto mean = static_cast<uint64_t>(plan_.forge_every.count());
    const Duration wait(static_cast<int64_t>(simulator_.random().below(2 * mean)));
    simulator_.at(now + wait, [this](TimePoint when) {
      if (simulator_.random().below(3) == 0) {
        intruder_->bother(when);
      } else {
        forger_->forge(when);
      }
      if (!done() && ++forged_ < 300) plan_forgery(when);
    });
  }

  void plan_icmp_forgery(TimePoint now) {
    const auto mean = static_cast<uint64_t>(plan_.forge_icmp_every.count());
    const Duration wait(static_cast<int64_t>(1 + simulator_.random().below(2 * mean)));
    simulator_.at(now + wait, [this](TimePoint when) {
      forger_->forge_too_big(when);
      if (!done() && ++forged_ < 300) plan_icmp_forgery(when);
    });
  }

  void ask_for_cookies(TimePoint now) {
    for (const AssocPlan& assoc : plan_.assocs) {
      intruder_->ask_for_cookie(now, plan_.addresses_of(assoc, true)[0],
                                plan_.addresses_of(assoc, false)[0], assoc.client_port,
                                assoc.server_port);
    }
  }

  void plan_intrusion(TimePoint now, TimePoint until) {
    const auto mean = static_cast<uint64_t>(plan_.intrude_every.count());
    const TimePoint next =
        now + Duration(static_cast<int64_t>(1 + simulator_.random().below(2 * mean)));
    if (next > until) return;
    simulator_.at(next, [this, until](TimePoint when) {
      intruder_->intrude(when);
      if (!done() && ++forged_ < 300) plan_intrusion(when, until);
    });
  }

  bool done() {
    // A crash that comes after all is over would be no crash.
    if (incidents_left_ > 0 && !plan_.expect.all_close) return false;
    for (HostIndex i = 0; i < plan_.host_count(); ++i) {
      Host& host = simulator_.host(i);
      if (!host.alive()) continue;
      if (!chatters_[i]->finished() || host.association_count() > 0) return false;
    }
    return true;
  }

  void judge() {
    const TimePoint now = simulator_.now();
    Ledger& ledger = simulator_.ledger();
    for (HostIndex i = 0; i < plan_.host_count(); ++i) {
      if (!simulator_.host(i).alive()) continue;
      simulator_.host(i).check_empty(now);
      chatters_[i]->check_end(simulator_.host(i), now);
      simulator_.host(i).check_ports(now);
    }
    ledger.finish(now);
    simulator_.consumers().finish(now);
    const Expectations& expect = plan_.expect;
    size_t established = 0;
    const auto friendly =
        static_cast<size_t>(std::count_if(plan_.assocs.begin(), plan_.assocs.end(),
                                          [](const AssocPlan& assoc) { return !assoc.hostile; }));
    for (RecordId id = 0; id < ledger.record_count(); ++id) {
      const AssocRecord& record = ledger.record(id);
      established += record.established && !record.hostile;
      const bool lost = record.ended == Ended::kLost || record.ended == Ended::kConnectFailed;
      if (record.hostile) continue;
      const std::string who = "host " + std::to_string(record.host) + " port " +
                              std::to_string(record.local_port.value) + ": ";
      if (lost && expect.all_close && !guarded(record) && !aborted_at_the_end(record)) {
        simulator_.verdict().fail(now, who + "lost: " + std::string(reason_name(record.reason)));
      }
      if (lost && expect.loss_reason != Reason::kNone && record.reason != expect.loss_reason) {
        simulator_.verdict().fail(
            now, who + "lost for the wrong reason: " + std::string(reason_name(record.reason)));
      }
      if (expect.connects_fail &&
          (record.ended != Ended::kConnectFailed || record.reason != expect.connect_reason)) {
        simulator_.verdict().fail(now, who + "expected the connect to fail by " +
                                           std::string(reason_name(expect.connect_reason)));
      }
      // A graceful end on this side promises that all its messages have arrived.
      if (record.ended == Ended::kClosed && record.restarts == 0) {
        ledger.must_have_delivered_all(now, id);
      }
    }
    if (expect.all_close && guarded_ + crossed_ == 0 && established != 2 * friendly) {
      simulator_.verdict().fail(now, std::to_string(established) + " ends were established, not " +
                                         std::to_string(2 * friendly));
    }
  }

  // The shutdown took longer than its guard timer allows, on one side or the other.
  bool guarded(const AssocRecord& record) {
    for (const auto& chatter : chatters_) {
      for (const AssocPlan* assoc : chatter->guarded()) {
        const auto at = static_cast<size_t>(assoc - plan_.assocs.data());
        const uint16_t port = meetings_[at].client_port;
        const bool client = record.host == assoc->client && record.local_port.value == port;
        const bool server = record.host == assoc->server && record.peer_port.value == port;
        if (client || server) {
          ++guarded_;
          return true;
        }
      }
    }
    return false;
  }

  // What was given up may have come all the same.
  static bool received_all(const AssocRecord& from, const AssocRecord& to) {
    return to.received >= from.acknowledged && to.received <= from.acknowledged + from.abandoned;
  }

  // The peer had closed already, and a late packet of ours was out of the blue to it (8.4): its
  // ABORT overtook its SHUTDOWN COMPLETE. Nothing was lost.
  bool aborted_at_the_end(const AssocRecord& record) {
    if (record.reason != Reason::kReset || record.failed > 0) return false;
    const Ledger& ledger = simulator_.ledger();
    for (RecordId id = 0; id < ledger.record_count(); ++id) {
      const AssocRecord& other = ledger.record(id);
      if (other.host == record.peer_host && other.local_port == record.peer_port &&
          other.peer_host == record.host && other.peer_port == record.local_port &&
          other.ended == Ended::kClosed && received_all(record, other) &&
          received_all(other, record)) {
        ++crossed_;
        return true;
      }
    }
    return false;
  }

  RunResult result(TimePoint start) {
    RunResult out;
    const Verdict& verdict = simulator_.verdict();
    out.passed = !verdict.failed();
    out.trace_hash = simulator_.trace_hash();
    out.packets = simulator_.packets();
    out.messages = simulator_.ledger().delivered();
    out.retransmissions = simulator_.referee().retransmissions();
    out.accepted = simulator_.ledger().accepted_count();
    out.guarded = guarded_;
    out.wide = plan_.is_wide();
    out.looped = simulator_.looped();
    out.lists = simulator_.addresses().lists();
    out.ephemeral = simulator_.ends().ephemeral();
    out.ephemeral_again = simulator_.ends().ephemeral_again();
    out.failovers = simulator_.paths().failovers();
    out.slowest_failover = simulator_.paths().slowest();
    out.crossed = crossed_;
    out.rebinds = simulator_.consumers().changes();
    out.windows_shut = simulator_.referee().windows_shut();
    out.windows_opened = simulator_.referee().windows_opened();
    for (HostIndex i = 0; i < plan_.host_count(); ++i) {
      out.within += chatters_[i]->within();
      out.across += chatters_[i]->across();
      out.hand_overs += simulator_.host(i).hand_overs();
      out.hand_over_losses += simulator_.host(i).hand_over_losses();
      for (uint16_t at = 0; at < simulator_.host(i).shard_count(); ++at) {
        const Counters& counters = simulator_.host(i).shard(at).counters();
        out.mtus_told += counters.get(Counter::k_pmtu_lowered);
        out.black_holes += counters.get(Counter::k_pmtu_black_holes);
      }
    }
    out.what = verdict.what();
    out.steps = simulator_.steps();
    out.simulated = simulator_.now() - start;
    if (out.passed) return out;
    const std::string name(scenario_name(plan_.scenario));
    out.report = "scenario " + name + ", seed " + std::to_string(simulator_.seed()) + ", at " +
                 std::to_string(static_cast<double>(verdict.when().ns()) / 1e9) +
                 " s: " + verdict.what() + "\n" + plan_.describe() + simulator_.history();
    for (const auto& chatter : chatters_) out.report += chatter->pending();
    for (HostIndex i = 0; i < plan_.host_count(); ++i) out.report += dropped(i);
    out.report += "=> " + verdict.what() + "\nreplay: build/tests/sim/simrun --scenario " + name +
                  " --seed " + std::to_string(simulator_.seed()) + " -v\n";
    return out;
  }

  // What a host has dropped, and why, over all its shards.
  std::string dropped(HostIndex host) {
    std::string out;
    for (size_t each = 0; each < kCounterCount; ++each) {
      const auto counter = static_cast<Counter>(each);
      const std::string_view name = counter_name(counter);
      uint64_t sum = 0;
      for (uint16_t at = 0; at < simulator_.host(host).shard_count(); ++at) {
        sum += simulator_.host(host).shard(at).counters().get(counter);
      }
      if (sum == 0 || !name.starts_with("drop")) continue;
      out += (out.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(sum);
    }
    return "host " + std::to_string(host) + ": " + (out.empty() ? "nothing dropped" : out) + "\n";
  }

  Plan plan_;
  Simulator simulator_;
  PlannedApplication::Meetings meetings_;
  std::vector<std::unique_ptr<PlannedApplication>>
      chatters_;  // they hold payload of the hosts' shards
  std::unique_ptr<Forger> forger_;
  std::unique_ptr<Intruder> intruder_;
  size_t forged_ = 0;
  size_t incidents_left_ = 0;
  uint64_t guarded_ = 0;
  uint64_t crossed_ = 0;
};

}  // namespace

RunResult run_plan(const Plan& plan, uint64_t seed, bool verbose) {
  return Run(plan, seed, verbose).go();
}

RunResult run_scenario(Scenario scenario, uint64_t seed, bool verbose) {
  return run_plan(draw_plan(scenario, seed), seed, verbose);
}

}  // namespace trunkline::sim
