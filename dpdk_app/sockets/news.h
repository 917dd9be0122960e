// SPDX-License-Identifier: BSD-3-Clause
// What a worker tells the sockets thread, and how the sockets thread has work done by a worker: two
// queues of closures and values for each worker. Nothing of a packet's path goes through here.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"

namespace trunkline::sockets {

class SocketBridge;
class SocketEnd;

enum class NewsKind : uint8_t {
  kAccepted,   // an association waits to be accepted: parked at its worker until accept() or refuse()
  kWithdrawn,  // a parked one has ended before that
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
  uint64_t listener = 0;         // kAccepted: as given to listen()
  IpAddress local{};             // kAccepted
  std::vector<IpAddress> peers;  // kAccepted: the primary address first
  PortNumber peer_port{};        // kAccepted
};

// Between the sockets thread and one worker.
class SocketMail {
 public:
  SocketMail();
  ~SocketMail();

  // -- sockets thread
  // Runs `work` at the worker, in the order of calls.
  void post(std::function<void(SocketBridge&, TimePoint)> work);
  // Readable when there are news or answers; acknowledge() first.
  [[nodiscard]] int fd() const;
  void acknowledge();
  [[nodiscard]] bool take(News& out);
  // What answer() brought, run here.
  void run_answers();

  // -- worker
  [[nodiscard]] bool has_mail() const;
  void run_mail(SocketBridge& bridge, TimePoint now);
  void tell(News news);
  void answer(std::function<void()> at_the_sockets_thread);
  // Readable while there is mail, for a worker that sleeps.
  [[nodiscard]] int worker_fd() const;
};

}  // namespace trunkline::sockets
