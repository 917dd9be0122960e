// SPDX-License-Identifier: BSD-3-Clause
// Tables.
#include "trunkctl/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "text/printable.h"

namespace trunkline::trunkctl {
namespace {

using control::Json;
using text::printable;

// Columns as wide as their widest cell; those of numbers are aligned to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> heads) { rows_.push_back(std::move(heads)); }
  void add(std::vector<std::string> row) {
    for (std::string& cell : row) cell = printable(cell);
    rows_.push_back(std::move(row));
  }
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }

  void print() const {
    std::vector<size_t> width(rows_[0].size());
    std::vector<bool> number(rows_[0].size(), true);
    for (size_t r = 0; r < rows_.size(); ++r) {
      for (size_t c = 0; c < rows_[r].size(); ++c) {
        width[c] = std::max(width[c], rows_[r][c].size());
        if (r > 0 && rows_[r][c].find_first_not_of("0123456789.-") != std::string::npos) {
          number[c] = false;
        }
      }
    }
    for (const auto& row : rows_) {
      std::string line;
      for (size_t c = 0; c < row.size(); ++c) {
        if (c > 0) line += "  ";
        line += number[c] ? fmt::format("{:>{}}", row[c], width[c])
                          : fmt::format("{:<{}}", row[c], width[c]);
      }
      while (!line.empty() && line.back() == ' ') line.pop_back();
      fmt::print("{}\n", line);
    }
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string number(const Json& value) {
  return fmt::format("{}", value.as_uint());
}
std::string shown(const Json& value) {
  return printable(value.as_string());
}
std::string ms(const Json& value) {
  return fmt::format("{:.1f}", value.as_double());
}

std::string duration(uint64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string joined(const Json& list) {
  std::string out;
  for (const Json& item : list.as_array()) out += (out.empty() ? "" : " ") + item.as_string();
  return out;
}

}  // namespace

void print_status(const Json& answer) {
  fmt::print("trunklined {}, pid {}, {} for {}\n", shown(answer["version"]),
             answer["pid"].as_uint(), shown(answer["state"]),
             duration(answer["uptime_s"].as_uint()));
  fmt::print("configuration {}, idle {}, {} of {} associations\n\n", shown(answer["config"]),
             shown(answer["idle"]), answer["associations"].as_uint(),
             answer["max_associations"].as_uint());
  Table ports({"PORT", "LINK", "DRIVER", "MAC", "MTU", "VLAN", "RX", "TX", "ADDRESSES"});
  for (const Json& port : answer["ports"].as_array()) {
    const uint64_t vlan = port["vlan"].as_uint();
    ports.add({port["name"].as_string(), port["link"].as_string(), port["driver"].as_string(),
               port["mac"].as_string(), number(port["mtu"]), vlan == 0 ? "-" : number(port["vlan"]),
               number(port["rx_packets"]), number(port["tx_packets"]), joined(port["addresses"])});
  }
  ports.print();
  Table workers({"WORKER", "ASSOCIATIONS", "IN", "OUT", "HANDED IN", "HANDED OUT", "RING FULL"});
  for (const Json& worker : answer["workers"].as_array()) {
    workers.add({number(worker["index"]), number(worker["associations"]),
                 number(worker["packets_in"]), number(worker["packets_out"]),
                 number(worker["handed_over_in"]), number(worker["handed_over_out"]),
                 number(worker["hand_over_drops"])});
  }
  fmt::print("\n");
  workers.print();
  Table clients({"CLIENT", "NAME", "PID", "UID", "LANES", "MEMORY"});
  for (const Json& client : answer["clients"].as_array()) {
    clients.add({number(client["id"]), client["name"].as_string(), number(client["pid"]),
                 number(client["uid"]), number(client["lanes"]),
                 fmt::format("{} KiB", client["bytes"].as_uint() >> 10)});
  }
  fmt::print("\n");
  if (clients.empty()) {
    fmt::print("no clients\n");
  } else {
    clients.print();
  }
}

// "one-to-many (3)": with three associations; "of 17": one of those that socket 17 has.
static std::string kind_of(const Json& socket) {
  if (!socket["associations"].is_null()) {
    return fmt::format("one-to-many ({})", socket["associations"].as_uint());
  }
  if (!socket["front"].is_null()) return fmt::format("of {}", socket["front"].as_uint());
  return "one-to-one";
}

void print_sockets(const Json& answer) {
  Table table({"SOCKET", "PID", "UID", "KIND", "STATE", "LOCAL", "PEER", "QUEUED", "UNACCEPTED",
               "WORKER", "ASSOC ID"});
  const auto known = [](const Json& value) { return value.is_null() ? "-" : number(value); };
  for (const Json& socket : answer["sockets"].as_array()) {
    const std::string& peer = socket["peer"].as_string();
    const bool listens = !socket["backlog"].is_null();
    table.add(
        {number(socket["index"]), number(socket["pid"]), number(socket["uid"]), kind_of(socket),
         socket["state"].as_string(), socket["local"].as_string(), peer.empty() ? "-" : peer,
         number(socket["send_queued"]),
         listens ? fmt::format("{}/{}", socket["unaccepted"].as_uint(), socket["backlog"].as_uint())
                 : "-",
         known(socket["worker"]), known(socket["assoc_id"])});
  }
  if (table.empty()) {
    fmt::print("no sockets\n");
  } else {
    table.print();
  }
}

void print_associations(const Json& answer) {
  Table table({"ID", "WORKER", "STATE", "LOCAL", "PEER", "PATHS", "STREAMS", "SENT", "RECEIVED",
               "RETRANS", "QUEUED"});
  for (const Json& assoc : answer["associations"].as_array()) {
    std::string local = "?";
    std::string peer = "?";
    size_t active = 0;
    const auto& paths = assoc["paths"].as_array();
    for (const Json& path : paths) {
      if (path["state"].as_string() == "ACTIVE") ++active;
      if (path["primary"].as_bool() || peer == "?") {
        local = path["local"].as_string();
        peer = path["remote"].as_string();
      }
    }
    const auto with_port = [](const std::string& address, const Json& port) {
      return address.find(':') == std::string::npos
                 ? fmt::format("{}:{}", address, port.as_uint())
                 : fmt::format("[{}]:{}", address, port.as_uint());
    };
    table.add({assoc["id"].as_string(), number(assoc["worker"]), assoc["state"].as_string(),
               with_port(local, assoc["local_port"]), with_port(peer, assoc["peer_port"]),
               fmt::format("{}/{}", active, paths.size()),
               fmt::format("{}/{}", assoc["outbound_streams"].as_uint(),
                           assoc["inbound_streams"].as_uint()),
               number(assoc["messages_sent"]), number(assoc["messages_received"]),
               number(assoc["retransmitted_chunks"]), number(assoc["queued_bytes"])});
  }
  if (table.empty()) {
    fmt::print("no associations\n");
  } else {
    table.print();
  }
}

void print_association(const Json& assoc) {
  for (const auto& [name, value] : assoc.as_object()) {
    if (name == "paths") continue;
    fmt::print("{:<22}{}\n", printable(name), value.is_string() ? shown(value) : value.dump());
  }
  fmt::print("\n");
  Table paths({"LOCAL", "REMOTE", "STATE", "SINCE", "PRIMARY", "RTO", "SRTT", "CWND", "SSTHRESH",
               "FLIGHT", "MTU", "ERRORS"});
  Table counts({"REMOTE", "SENT", "RECEIVED", "AGAIN", "HB", "HB ACK", "T3", "FAILOVERS"});
  for (const Json& path : assoc["paths"].as_array()) {
    paths.add({path["local"].as_string(), path["remote"].as_string(), path["state"].as_string(),
               fmt::format("{:.1f} s", path["state_s"].as_double()),
               path["primary"].as_bool() ? "yes" : "no", ms(path["rto_ms"]), ms(path["srtt_ms"]),
               number(path["cwnd"]), number(path["ssthresh"]), number(path["flight"]),
               number(path["mtu"]), number(path["error_count"])});
    counts.add({path["remote"].as_string(), number(path["packets_sent"]),
                number(path["packets_received"]), number(path["retransmitted_chunks"]),
                number(path["heartbeats_sent"]), number(path["heartbeat_acks"]),
                number(path["t3_expirations"]), number(path["failovers"])});
  }
  paths.print();
  fmt::print("\n");
  counts.print();
}

Json select_counters(const Json& answer, bool nonzero) {
  Json out = Json::object({});
  for (const Json& counter : answer["counters"].as_array()) {
    if (nonzero && counter["value"].as_uint() == 0) continue;
    out.set(counter["name"].as_string(), counter["value"]);
  }
  return out;
}

void print_counters(const Json& answer, const Json& before, bool nonzero, double seconds) {
  const auto& old = before["counters"].as_array();
  std::vector<std::string> heads{"COUNTER", "VALUE", "MEANING"};
  if (!old.empty()) heads.insert(heads.begin() + 2, "PER SECOND");
  Table table(std::move(heads));
  const auto& counters = answer["counters"].as_array();
  for (size_t i = 0; i < counters.size(); ++i) {
    const Json& counter = counters[i];
    if (nonzero && counter["value"].as_uint() == 0) continue;
    std::vector<std::string> row{counter["name"].as_string(), number(counter["value"])};
    if (!old.empty()) {
      const uint64_t earlier = i < old.size() ? old[i]["value"].as_uint() : 0;
      const double change =
          static_cast<double>(counter["value"].as_uint()) - static_cast<double>(earlier);
      row.push_back(fmt::format("{:.0f}", change / seconds));
    }
    row.push_back(counter["text"].as_string());
    table.add(std::move(row));
  }
  table.print();
}

}  // namespace trunkline::trunkctl
