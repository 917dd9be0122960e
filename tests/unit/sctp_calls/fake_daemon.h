// SPDX-License-Identifier: BSD-3-Clause
// A daemon for the library's tests: speaks socket_abi.h on a UNIX socket, makes sockets, and plays
// the worker on their pages and rings. Its network is this process: a connect finds the listener of
// that port, and messages go from one socket's slots to the other's. Options are kept as bytes.
// Free of any test framework; one thread does everything, so that nothing here needs a lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "trunkline/ring_end.h"
#include "trunkline/socket_abi.h"

namespace trunkline::test {

struct FakeGeometry {
  uint32_t submission_size = 64;
  uint32_t completion_size = 64;
  uint32_t return_size = 64;
  uint32_t tx_slots = 64;
  uint32_t rx_slots = 64;
  uint32_t slot_size = 512;
  uint32_t send_buffer = 212992;
};

// The daemon's side of one socket.
class FakeSocket : public RingEnd {
 public:
  static constexpr uint32_t kFirstTsn = 0xfffffffe;  // of messages to it; SSNs begin with 0
  int16_t cum_ahead = 0;                             // of unordered ones

  static std::shared_ptr<FakeSocket> create(uint32_t index, uint32_t family, uint32_t type,
                                            const FakeGeometry& geometry);
  ~FakeSocket();

  tls_page& page;
  int memory_fd;
  int pair_fd;
  int handle;  // until it was given away

  uint16_t port = 0;
  FakeSocket* peer = nullptr;
  bool listens = false;
  bool closed = false;  // the program's end is gone
  std::map<std::pair<int, int>, std::vector<uint8_t>> options;
  std::vector<tlr_submission> limits;  // that were taken

  // As the worker does it.
  [[nodiscard]] bool take(tlr_submission& out);
  [[nodiscard]] const tlr_submission* look() const;
  bool deliver(const FakeSocket& from, const tlr_submission& message);
  bool notify(const tlr_completion& completion, const tlr_completion_more* more);
  uint32_t lend(std::string_view text);  // the slot of what goes with a completion, of one slot
  void finish(uint16_t head);
  void take_returns();
  void make_room();
  void send_token();
  void put_ballast();
  void take_ballast();
  void set_error(int error);
  void end_of_file();
  [[nodiscard]] uint32_t lent() const { return rx_slots_ - static_cast<uint32_t>(rx_free_.size()); }
  [[nodiscard]] uint32_t under_way() const { return under_way_; }

 private:
  FakeSocket(tls_page& page, int memory_fd, int pair_fd, int handle);
  uint8_t* memory_;
  tls_layout layout_;
  std::vector<uint32_t> rx_free_;
  std::map<uint32_t, std::vector<uint32_t>> rx_lent_;
  uint32_t completion_produced_ = 0;
  uint32_t return_consumed_ = 0;
  uint32_t submission_consumed_ = 0;
  uint32_t done_produced_ = 0;
  uint32_t under_way_ = 0;
  uint32_t delivered_ = 0;
};

class FakeDaemon {
 public:
  // Listens at `path`.
  explicit FakeDaemon(std::string path, const FakeGeometry& geometry = {});
  ~FakeDaemon();
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;

  // Runs at the daemon's thread, and waits for it.
  void at_daemon(const std::function<void()>& work);
  // -- there
  [[nodiscard]] FakeSocket* socket_of(uint32_t index);
  std::map<uint32_t, std::shared_ptr<FakeSocket>> sockets;
  bool holds_acknowledgements = false;  // messages are delivered, but their slots stay taken
  bool accepts_connects = true;         // false: they stay under way
  std::vector<tls_request_kind> requests;
  size_t attachments = 0;

 private:
  struct Process;
  void run();
  void serve(Process& process);
  void answer(Process& process, const tls_request& request, const uint8_t* body, uint32_t size,
              int descriptor);
  void reply(Process& process, int error, int value, const void* body = nullptr, uint32_t size = 0,
             const std::vector<int>& fds = {});
  int connect(FakeSocket& socket, const uint8_t* body, uint32_t size, int& value);
  void establish(FakeSocket& a, FakeSocket& b);
  bool drain(FakeSocket& socket);
  void close_socket(FakeSocket& socket);
  bool look_at_kicks();
  void look_at_all();
  void look_at_hangups();
  bool arm(bool on);

  std::string path_;
  FakeGeometry geometry_;
  int listener_ = -1;
  int doorbell_ = -1;
  int wake_ = -1;
  uint32_t next_index_ = 1;
  uint16_t next_port_ = 40000;
  std::vector<std::unique_ptr<Process>> processes_;
  std::mutex mutex_;
  std::vector<std::function<void()>> work_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace trunkline::test
