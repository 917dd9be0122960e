// SPDX-License-Identifier: BSD-3-Clause
// What a worker tells the sockets thread, and how the sockets thread has work done by a worker: two
// queues of closures and values for each worker. Nothing of a packet's path goes through here.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"

namespace trunkline::sockets {

class SocketBridge;
class SocketEnd;

enum class NewsKind : uint8_t {
  // An association waits to be accepted: parked at its worker until accept() or refuse(). It stays
  // there if it ends: whoever accepts it reads what has come, and then its end.
  kAccepted,
  kWithdrawn,  // a parked one is there no more, and nobody accepted it: unlisten(), close_all()
  kConnected,  // page, handle and state are as they should be already
  kFailed,     // likewise: a connect has failed; the worker has let go of the socket
  kEnded,      // likewise: the association is over
  kGone,       // after close(): the worker knows nothing of the socket any more
};

struct News {
  NewsKind kind = NewsKind::kGone;
  uint16_t worker = 0;
  SocketEnd* socket = nullptr;  // all but the first two
  AssocId assoc;
  uint64_t listener = 0;           // kAccepted, kWithdrawn: as given to listen()
  IpAddress local{};               // kAccepted
  std::vector<IpAddress> peers{};  // kAccepted: the primary address first; kConnected of a member
  PortNumber peer_port{};          // kAccepted
};

// Between the sockets thread and one worker. The queues have no bound of their own: requests are
// as many as sockets have asked for, one at a time each, and news at most some for each association
// and parked one, which are bounded.
class SocketMail {
 public:
  // May throw std::runtime_error: no descriptors left.
  SocketMail();
  ~SocketMail();
  SocketMail(const SocketMail&) = delete;
  SocketMail& operator=(const SocketMail&) = delete;

  // -- sockets thread
  // Runs `work` at the worker, in the order of calls.
  void post(std::function<void(SocketBridge&, TimePoint)> work);
  // Readable when there are news or answers; acknowledge() first.
  [[nodiscard]] int fd() const { return control_fd_; }
  void acknowledge();
  [[nodiscard]] bool take(News& out);
  using Answer = std::function<void()>;
  // All that there is by now: news, and what answer() brought, which is to be run after them.
  void take_all(std::vector<News>& news, std::vector<Answer>& answers);

  // -- worker
  [[nodiscard]] bool has_mail() const { return has_mail_.load(std::memory_order_acquire); }
  void run_mail(SocketBridge& bridge, TimePoint now);
  void tell(News news);
  // What it answers to is done, and may have written what is not yet visible: it goes with
  // send_answers(), at the end of the turn, so that whoever asked sees what came of it.
  void answer(Answer at_the_sockets_thread) { ready_.push_back(std::move(at_the_sockets_thread)); }
  void send_answers();
  // Readable while there is mail, for a worker that sleeps.
  [[nodiscard]] int worker_fd() const { return worker_fd_; }

 private:
  using Work = std::function<void(SocketBridge&, TimePoint)>;

  std::vector<Answer> ready_;  // the worker's own

  int control_fd_ = -1;
  int worker_fd_ = -1;
  std::atomic<bool> has_mail_{false};
  std::mutex lock_;
  // Under the lock:
  std::vector<Work> work_;
  std::deque<News> news_;
  std::vector<Answer> answers_;
};

}  // namespace trunkline::sockets
