// SPDX-License-Identifier: BSD-3-Clause
// The loop that jumps from one moment to the next, and what passes between hosts meanwhile.
#include "simulator.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/bytes.h"
#include "packet_text.h"
#include "wire/common_header.h"

namespace trunkline::sim {
namespace {

const char* fate_name(Fate fate) {
  switch (fate) {
    case Fate::kPassed:
      return "";
    case Fate::kLost:
      return "  [lost]";
    case Fate::kTooBig:
      return "  [too big]";
    case Fate::kDamaged:
      return "  [damaged]";
    case Fate::kDuplicated:
      return "  [duplicated]";
    case Fate::kDelayed:
      return "  [held back]";
  }
  return "";
}

std::string describe_event(HostIndex host, const Event& event) {
  std::string out = "host " + std::to_string(host) + " assoc " + std::to_string(event.assoc.slot) +
                    "." + std::to_string(event.assoc.generation);
  switch (event.kind) {
    case EventKind::kAccepted:
      out += " accepted, ports " + std::to_string(event.local_port.value) + " " +
             std::to_string(event.peer_port.value);
      break;
    case EventKind::kConnected:
      out += " connected, port " + std::to_string(event.local_port.value);
      break;
    case EventKind::kConnectFailed:
      out += " connect failed: ";
      break;
    case EventKind::kMessage:
      out += " message on stream " + std::to_string(event.stream.value) + ", " +
             std::to_string(event.size()) + " bytes";
      break;
    case EventKind::kSendAcknowledged:
      out += " acknowledged message " + std::to_string(static_cast<MessageId>(event.context));
      break;
    case EventKind::kSendFailed:
      out += " failed message " + std::to_string(static_cast<MessageId>(event.context)) + ": ";
      break;
    case EventKind::kPeerShutdown:
      out += " peer shuts down";
      break;
    case EventKind::kClosed:
      out += " closed";
      break;
    case EventKind::kLost:
      out += " lost: ";
      break;
    case EventKind::kRestarted:
      out += " restarted by the peer";
      break;
    case EventKind::kPathChanged:
      out += " path " + event.path.to_string() + " is ";
      out += state_name(event.path_state);
      break;
    case EventKind::kRemoteError:
      out += " remote error " + std::to_string(event.cause);
      break;
    case EventKind::kSenderDry:
      out += " dry";
      break;
    case EventKind::kPrimaryChanged:
      out += " primary is " + event.path.to_string();
      break;
    case EventKind::kRestartRefused:
      out += " refuses a restart from " + event.path.to_string();
      break;
    case EventKind::kAdaptation:
      out += " adaptation " + std::to_string(event.context);
      break;
    case EventKind::kMessageBroken:
      out += " breaks a message off";
      break;
  }
  if (event.reason != Reason::kNone) out += reason_name(event.reason);
  return out;
}

}  // namespace

Simulator::Simulator(uint64_t seed, Options options)
    : seed_(seed),
      options_(options),
      network_(seed ^ 0x6e6574),
      ledger_(verdict_, static_cast<uint32_t>(seed * 0x9e3779b1)),
      referee_(verdict_),
      paths_(verdict_, network_),
      ends_(verdict_),
      addresses_(verdict_, network_, ends_),
      consumers_(verdict_),
      random_(seed ^ 0x617070) {}

Host& Simulator::add_host(HostConfig config, Application& application) {
  const auto index = static_cast<HostIndex>(hosts_.size());
  hosts_.push_back(std::make_unique<Host>(*this, index, std::move(config), application));
  return *hosts_.back();
}

void Simulator::at(TimePoint when, std::function<void(TimePoint)> what) {
  const auto place = std::find_if(scripts_.begin(), scripts_.end(),
                                  [&](const Script& script) { return script.when > when; });
  scripts_.insert(place, {when, std::move(what)});
}

bool Simulator::step(TimePoint limit) {
  TimePoint next = network_.next_arrival();
  if (!scripts_.empty()) next = std::min(next, scripts_.front().when);
  for (const auto& host : hosts_) next = std::min(next, host->next_wake(now_));
  if (next.is_never() || next > limit) return false;
  now_ = std::max(now_, next);
  ++steps_;
  while (!scripts_.empty() && scripts_.front().when <= now_) {
    const auto what = std::move(scripts_.front().what);
    scripts_.erase(scripts_.begin());
    what(now_);
  }
  while (auto packet = network_.receive(now_)) {
    Host& to = *hosts_[packet->to];
    if (to.alive()) to.deliver(now_, std::move(packet));
  }
  for (const auto& host : hosts_) {
    if (host->next_wake(now_) <= now_) host->iterate(now_);
    if (verdict_.failed()) return false;
  }
  return true;
}

void Simulator::run(const std::function<bool()>& done, TimePoint limit) {
  constexpr uint64_t kMaxSteps = 400'000;
  while (!verdict_.failed() && !done()) {
    if (!step(limit)) {
      verdict_.fail(now_, "nothing more happens before the limit, and the scenario is not done");
      return;
    }
    if (steps_ > kMaxSteps) {
      verdict_.fail(now_, "more than " + std::to_string(kMaxSteps) + " steps");
    }
  }
}

void Simulator::run_for(Duration span) {
  const TimePoint limit = now_ + span;
  while (!verdict_.failed() && step(limit)) {
  }
}

std::pair<Party, Party> Simulator::parties_of(HostIndex from, HostIndex to, const IpAddress& source,
                                              const IpAddress& destination,
                                              std::span<const uint8_t> bytes) const {
  if (bytes.size() < 4) return {from, to};
  const PortNumber source_port(load_be16(bytes.data()));
  const PortNumber destination_port(load_be16(bytes.data() + 2));
  return {{from, ends_.end_of(from, source, source_port)},
          {to, ends_.end_of(to, destination, destination_port)}};
}

// Of what leaves the stack. Loopback speaks to loopback alone, and never over a link.
void Simulator::check_addresses(TimePoint now, HostIndex from, const PacketOut& packet) {
  const auto is_loopback = [](const IpAddress& address) {
    return address.scope() == AddressScope::kLoopback;
  };
  if (is_loopback(packet.source) != is_loopback(packet.destination)) {
    verdict_.fail(now, "packet between loopback and another address: " + packet.source.to_string() +
                           " to " + packet.destination.to_string());
  } else if (!is_loopback(packet.source) && network_.host_of(packet.source) != from) {
    verdict_.fail(
        now, "packet from an address that the host does not have: " + packet.source.to_string());
  }
  if (packet.source.family() != packet.destination.family()) {
    verdict_.fail(now, "packet between address families");
  }
}

bool Simulator::send_packet(TimePoint now, HostIndex from, const PacketOut& packet) {
  std::vector<uint8_t> bytes(packet.room.begin(), packet.room.begin() + packet.length);
  ++packets_;
  trace_.add(static_cast<uint64_t>(now.ns()));
  trace_.add(from);
  trace_.add_packet(bytes);
  trace_.add_bytes(packet.destination.bytes());

  check_addresses(now, from, packet);
  const bool loopback = packet.destination.scope() == AddressScope::kLoopback;
  const auto to = loopback ? std::optional(from) : network_.host_of(packet.destination);
  if (options_.keeps_packets) {
    constexpr size_t kKept = 16;
    if (seen_.size() < kKept) seen_.emplace_back();
    seen_[next_seen_] = {packet.source, packet.destination, bytes};
    next_seen_ = (next_seen_ + 1) % kKept;
  }
  Remembered entry{now, from, to.value_or(UINT8_MAX), Fate::kLost, bytes, {}};
  addresses_.sent(now, from, packet.source, packet.destination, bytes);
  if (to == from && bytes.size() >= 4 &&
      !ends_.is_within(from, PortNumber(load_be16(bytes.data())),
                       PortNumber(load_be16(bytes.data() + 2)))) {
    verdict_.fail(now, "a packet for somebody else goes to an address of the host's own: " +
                           packet.destination.to_string());
  } else if (to) {
    const auto [sender, receiver] = parties_of(from, *to, packet.source, packet.destination, bytes);
    referee_.sent(now, sender, receiver, packet.destination.is_ipv6(), bytes);
    paths_.sent(now, sender, receiver, packet.source, packet.destination, bytes);
  }
  if (to == from) {
    ++looped_;
    entry.fate = Fate::kPassed;
    remember(std::move(entry));
    return false;
  }
  entry.fate =
      network_.send(now, from, packet.source, packet.destination, bytes, packet.fragment_size);
  const bool too_big = entry.fate == Fate::kTooBig;
  remember(std::move(entry));
  const Seen seen{packet.source, packet.destination, std::move(bytes)};
  if (too_big) answer_too_big(now, from, *to, seen, packet.fragment_size != 0);
  if (tap_) tap_(seen);
  return true;
}

// The router in front of the narrow link, wherever that is, quotes as much as it likes. What it may
// fragment itself it does not complain of.
void Simulator::answer_too_big(TimePoint now, HostIndex from, HostIndex to, const Seen& sent,
                               bool fragments) {
  const NetIndex net = network_.net_of(sent.destination);
  const LinkFaults& link = network_.link(from, to, net);
  const bool ipv6 = sent.destination.is_ipv6();
  if (fragments && !ipv6) return;
  if (link.tells_mtu == 0 || random_.below(1'000'000) >= link.tells_mtu) return;
  Seen quoted = sent;
  const size_t most = ipv6 ? 1280 - 40 - 8 - 40 : 576 - 20 - 8 - 20;
  const size_t room = !ipv6 && random_.below(2) == 0 ? 8 : most;
  quoted.bytes.resize(std::min(quoted.bytes.size(), room));
  const Duration there(
      static_cast<int64_t>(random_.below(static_cast<uint64_t>(link.delay.count()) + 1)));
  at(now + 2 * there + Duration(1),
     [this, quoted, mtu = link.mtu](TimePoint when) { tell_too_big(when, quoted, mtu, false); });
}

void Simulator::tell_too_big(TimePoint now, const Seen& sent, uint16_t mtu, bool forged) {
  const auto to = network_.host_of(sent.source);
  if (!to || !hosts_[*to]->alive()) return;
  trace_.add(mtu);
  note(now, std::string(forged ? "forged ICMP" : "ICMP") + " to host " + std::to_string(*to) +
                ": too big for " + std::to_string(mtu) + ", quoting " +
                std::to_string(sent.bytes.size()) + " bytes to " + sent.destination.to_string());
  hosts_[*to]->told_too_big(
      now, {sent.source, sent.destination, sent.bytes, ChecksumState::kUnchecked, 0}, mtu, forged);
}

const Simulator::Seen* Simulator::any_seen_packet(SeededRandom& random) const {
  if (seen_.empty()) return nullptr;
  return &seen_[random.below(seen_.size())];
}

void Simulator::inject(TimePoint now, const IpAddress& source, const IpAddress& destination,
                       std::vector<uint8_t> bytes) {
  const auto from = network_.host_of(source);
  const auto to = network_.host_of(destination);
  if (!from || !to) return;
  trace_.add(bytes.size());  // made of what was sent, and cookies are hard to see in it
  note(now, "forged " + std::to_string(*from) + ">" + std::to_string(*to) + " " +
                describe_packet(bytes));
  network_.inject(now, *from, *to, source, destination, std::move(bytes));
}

void Simulator::note_event(TimePoint now, HostIndex host, const Event& event) {
  const bool failed =
      event.kind == EventKind::kPathChanged && (event.path_state == PathState::kInactive ||
                                                event.path_state == PathState::kPotentiallyFailed);
  if (failed && paths_are_sound_) {
    verdict_.fail(now, "host " + std::to_string(host) + ": the path to " + event.path.to_string() +
                           " failed, and everything was answered (6.1 A)");
  }
  trace_.add(static_cast<uint64_t>(event.kind));
  trace_.add(static_cast<uint64_t>(now.ns()));
  // Messages are many; the packets say enough of them.
  const bool bulk = event.kind == EventKind::kMessage ||
                    event.kind == EventKind::kSendAcknowledged ||
                    event.kind == EventKind::kSenderDry;
  if (!bulk || options_.verbose) note(now, describe_event(host, event));
}

void Simulator::note(TimePoint now, const std::string& text) {
  remember({now, 0, 0, Fate::kPassed, {}, text});
}

void Simulator::remember(Remembered entry) {
  if (options_.verbose) std::printf("%s\n", line(entry).c_str());
  remembered_.push_back(std::move(entry));
  if (remembered_.size() > options_.remembered) remembered_.pop_front();
}

std::string Simulator::line(const Remembered& entry) {
  char head[64];
  if (!entry.note.empty()) {
    std::snprintf(head, sizeof head, "%14.6f  -- ", static_cast<double>(entry.when.ns()) / 1e9);
    return head + entry.note;
  }
  std::snprintf(head, sizeof head, "%14.6f  %u>%u ", static_cast<double>(entry.when.ns()) / 1e9,
                entry.from, entry.to);
  return head + describe_packet(entry.bytes) + fate_name(entry.fate);
}

std::string Simulator::history() const {
  std::string out;
  for (const Remembered& entry : remembered_) out += line(entry) + '\n';
  return out;
}

}  // namespace trunkline::sim
