// SPDX-License-Identifier: BSD-3-Clause
// What the sockets thread does, one turn at a time. All of it belongs to that thread.
//   socket_core.cpp      descriptors, hang-ups, closing
//   socket_refusals.cpp  who gets no socket, and why
//   socket_processes.cpp programs that connect, and their requests as bytes
//   socket_requests.cpp  what they ask for
//   socket_many.cpp      one-to-many sockets and their associations
//   socket_news.cpp      what workers tell
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "sockets/accept_queue.h"
#include "sockets/closers.h"
#include "sockets/linux_sctp.h"
#include "sockets/member_book.h"
#include "sockets/process.h"
#include "sockets/socket_end.h"
#include "sockets/socket_server.h"
#include "sockets/workers.h"

namespace trunkline::sockets {

struct OptionScope;

class SocketCore {
 public:
  using Clock = std::chrono::steady_clock;

  SocketCore(const SocketServerConfig& config, std::span<SocketMail* const> mails,
             PortTable& ports);
  ~SocketCore();
  SocketCore(const SocketCore&) = delete;
  SocketCore& operator=(const SocketCore&) = delete;

  // Serves what is ready, and waits at most so long for it.
  void poll(std::chrono::milliseconds patience);
  // Also served by poll(): somebody else's descriptor, which `ready` has to read.
  void watch(int fd, std::function<void()> ready);
  void close_all();
  [[nodiscard]] bool is_empty() const { return sockets_.empty() && leaving_processes_ == 0; }
  [[nodiscard]] SocketSnapshot snapshot(bool list) const;
  [[nodiscard]] const SocketRoom& room() const { return room_; }

 private:
  // Whose answer is due.
  using Ticket = uint64_t;  // Process::id

  struct Socket {
    uint64_t serial = 0;  // of all that there ever were; also its name as a listener
    uint64_t key = 0;
    uint64_t cookie = 0;             // of its handle
    std::shared_ptr<SocketEnd> end;  // members have that of their front, too
    std::unique_ptr<SocketObject> object;
    std::shared_ptr<SocketUser> user;
    Ticket maker = 0;  // the process that made it, if that still is there
    int32_t pid = 0;
    uint64_t bytes = 0;      // that its memory has
    uint64_t resident = 0;   // of these, what was in use when it was measured
    bool at_worker = false;  // that knows it: it is closed there, and gone after kGone
    uint16_t worker = 0;
    bool closing = false;
    bool waits_for_room = false;  // its accept queue does
    uint32_t listening_at = 0;    // commands under way to make it listen, or not to
    LocalEndName listens;         // at workers, while it does
    Profile profile;              // that workers have for it
    tls_name local{};             // of its association, as its worker wrote it
    AcceptQueue queue;
    uint32_t handed_out = 0;      // on their way there: their workers have not answered yet
    uint32_t held = 0;            // in its queue, as its user is charged for them
    std::vector<Ticket> waiting;  // for the end of it
    Clock::time_point linger_until = Clock::time_point::max();
    MemberBook members;       // of a one-to-many socket
    uint64_t front = 0;       // of a member: its front's serial, also after it was
    bool peeled_off = false;  // it has a handle of its own
    // Of a member that a message begins: until when, being over, it waits for that, to give it
    // back.
    Clock::time_point expects_message{};

    [[nodiscard]] uint32_t index() const { return end->index(); }
  };
  struct Use {  // of a user
    uint32_t sockets = 0;
    uint32_t held = 0;  // of these, how many wait for room at their listener
    uint32_t processes = 0;
    uint64_t bytes = 0;
    uint64_t resident = 0;
    std::weak_ptr<SocketUser> user;

    [[nodiscard]] uint32_t taken() const { return SocketRoom::taken(sockets, held); }
  };
  struct Request {
    tls_request head{};
    std::span<const uint8_t> body;
    int fd = -1;  // that came with it; it stays the caller's
  };
  struct Waiting {  // a bind, for sockets that are being closed
    Ticket ticket = 0;
    uint64_t serial = 0;
    int how = 0;
    std::vector<uint8_t> body;
  };

  // -- descriptors (socket_core.cpp)
  enum class What : uint8_t { kListener, kProcess, kMail, kPairs, kOther };
  bool add(int epoll, int fd, uint32_t events, uint64_t data) const;
  void serve(uint64_t data);
  void look_at_pairs();
  void serve_pair(uint64_t serial, uint32_t events);
  void expire();
  [[nodiscard]] Socket* find(uint64_t serial);
  // The kernel's own name of a socket, which nobody can choose, as the number of a file's inode can
  // be. 0: it is no socket.
  [[nodiscard]] static uint64_t cookie_of(int fd);
  // Makes it, with a handle that is still the daemon's. Null with errno set, and counted.
  Socket* make_socket(bool ipv6, const std::shared_ptr<SocketUser>& user, Ticket maker, int32_t pid,
                      const SocketRole& role = {});
  [[nodiscard]] std::unique_ptr<SocketEnd> make_end(const SocketRole& role, uint32_t index,
                                                    uint64_t key, bool ipv6,
                                                    std::shared_ptr<SocketUser> user);
  // Gives it away, to a process or to a listener's queue.
  void close_socket(Socket& socket, bool abort);
  void part_from(Socket& socket, bool abort);
  void destroy(Socket& socket);
  [[nodiscard]] uint16_t next_worker();
  [[nodiscard]] static SocketBridge::Terms terms_of(const Socket& socket);
  [[nodiscard]] bool ports_come_back() const;
  void retry_binds();
  void note_handle(Socket& socket, int handle);  // before it is given away
  void update_page(Socket& socket) const;
  static void set_names(const Socket& socket);
  static void set_state(const Socket& socket, uint32_t state);

  // -- refusals (socket_refusals.cpp): each is counted
  // An errno, or 0. `maker`: null for what counts for no process.
  [[nodiscard]] int refusal(uint32_t uid, const Process* maker);
  [[nodiscard]] int refusal_of_maker(const Process& maker);
  [[nodiscard]] int refusal_of_peer(uint32_t uid);
  [[nodiscard]] int refusal_of_process(uint32_t uid);
  static int refused(uint64_t& counter, int error);
  // Something could not be made, for that reason: what its program is told.
  int failure(int error);
  void refuse_association(const News& news);
  void measure(Socket& socket);
  void measure_some();

  // -- processes (socket_processes.cpp)
  void accept_processes();
  bool make_room_for(uint32_t uid);
  void serve_process(uint64_t id);
  void drop_process(uint64_t id);
  void hello(Process& process, const Request& request);
  void close_passed(uint32_t uid, const std::vector<int>& fds);
  [[nodiscard]] std::shared_ptr<SocketUser> user_of(const Process& process);
  void answer(Ticket ticket, int error, int value = 0, std::span<const uint8_t> body = {},
              std::span<const int> fds = {});
  [[nodiscard]] static std::span<const uint8_t> without_rest(std::span<const uint8_t> body);
  void dispatch(Process& process, const Request& request, bool asked_worker = false);
  [[nodiscard]] static bool is_behind(const Socket& socket);
  void dispatch_later(const Process& process, Socket& socket, const Request& request);

  // -- requests (socket_requests.cpp)
  void make(Process& process, const Request& request);
  void identify(Process& process, const Request& request);
  // `how`: kBindOne, or as sctp_bindx() has it.
  static constexpr int kBindOne = 0;
  void bind(Process& process, Socket& socket, int how, std::span<const uint8_t> body);
  [[nodiscard]] int try_bind(Process& process, Socket& socket, int how,
                             std::span<const uint8_t> body);
  void finish_bind(Ticket ticket, uint64_t serial, int error);
  void listen(Process& process, Socket& socket, int backlog);
  void begin_listening(Socket& socket, std::function<void(Status)> done);
  void stop_listening(Socket& socket, std::function<void()> done);
  // `form`: of SCTP_SOCKOPT_CONNECTX and its like, whose answers differ.
  void connect(Process& process, Socket& socket, std::span<const uint8_t> addresses, int form,
               const sctp_initmsg& init = {});
  [[nodiscard]] static int connect_error(Status status);
  void connect_as_told(Process& process, Socket& socket, const Request& request);
  void get_option(Process& process, Socket& socket, const Request& request);
  void set_option(Process& process, Socket& socket, const Request& request);
  void run_get(Ticket ticket, uint64_t serial, int level, int name, size_t room,
               const std::vector<uint8_t>& there, const AssociationView* view);
  void run_set(Ticket ticket, uint64_t serial, int level, int name,
               const std::vector<uint8_t>& value, const AssociationView* view);
  void shut_down(Process& process, Socket& socket, int how);
  void close(Process& process, Socket& socket);
  [[nodiscard]] bool linger(const Socket& socket) const;

  // -- one-to-many sockets (socket_many.cpp)
  [[nodiscard]] Socket* living_member(uint64_t serial);
  void learn_ids(Socket& front);
  [[nodiscard]] Socket* member_of(Socket& front, uint32_t id);
  [[nodiscard]] Socket* member_of(Socket& front, const OptionScope& scope,
                                  std::span<const uint8_t> body);
  [[nodiscard]] Socket* member_with(const Socket& front, std::span<const uint8_t> address);
  void find_member(Process& process, Socket& front, const Request& request);
  void give_member(Ticket ticket, uint64_t serial, bool begun);
  [[nodiscard]] Socket* make_member(Socket& front);
  void begin_association(Process& process, Socket& front, bool by_message,
                         const tls_member_query& query, std::span<const uint8_t> addresses);
  void find_begun_by_peer(Ticket ticket, uint64_t from, const IpAddress& peer, uint16_t port,
                          bool by_message, uint16_t worker);
  void begun(Ticket ticket, uint64_t serial, uint64_t from, Status status, const tls_name& local);
  void accept_member(Socket& front, const News& news);
  void end_member(Socket& member);
  void sweep_members();
  [[nodiscard]] static bool is_done(const Socket& member, Clock::time_point now);
  void part_from_members(Socket& front, bool abort);
  void leave_front(Socket& member);
  void peel_off(Process& process, Socket& front, uint32_t id);
  void peeled_off(Ticket ticket, uint64_t serial);
  [[nodiscard]] bool is_of_member(Socket& front, const OptionScope& scope,
                                  std::span<const uint8_t> body, Socket*& member);
  [[nodiscard]] bool get_of_member(Process& process, Socket& front, const Request& request);
  void at_member(Process& process, Socket* member, const Request& request,
                 void (SocketCore::*call)(Process&, Socket&, const Request&));
  [[nodiscard]] static bool lists_members(int name);
  void list_members(Ticket ticket, const std::vector<uint32_t>& ids, int name, size_t room);
  int set_at(Socket& member, int level, int name, std::span<const uint8_t> value);
  int set_at_all(Socket& front, const OptionScope& scope, const Request& request);
  void bring_up_to_date(Socket& member, OptionEffects effects);
  [[nodiscard]] bool set_of_member(Process& process, Socket& front, const Request& request);
  void tell_members(Socket& front, int level, int name);

  // -- news (socket_news.cpp)
  void take_mail();
  void take(News& news);
  void connected(Socket& socket);
  void accept_parked(const News& news);
  void hand_out(Socket& listener, Socket& fresh);
  void flush_queue(Socket& listener);
  void count_held(Socket& listener);

  static constexpr std::chrono::milliseconds kSweepPeriod{20};
  static constexpr std::chrono::milliseconds kMeasurePeriod{1};
  // As long as a sender may be kept from running between a member's beginning and its submission.
  static constexpr std::chrono::seconds kExpectMessage{30};

  SocketServerConfig config_;
  const SocketRoom room_;
  SecureRandom random_;
  PortBook ports_;
  SocketWorld world_;
  Workers workers_;
  ServerCounters counters_;
  Closers closers_;
  SocketEnd::Geometry geometry_;
  uint64_t socket_bytes_ = 0;

  int epoll_fd_ = -1;
  int pairs_fd_ = -1;  // an epoll of its own for the sockets' pairs: it is looked at before a bind
  int listen_fd_ = -1;
  std::map<uint64_t, std::unique_ptr<Process>> processes_;
  std::map<uint64_t, Clock::time_point> handshakes_;  // processes without hello, since when
  std::unordered_map<uint64_t, std::unique_ptr<Socket>> sockets_;  // by serial
  std::vector<Socket*> by_index_;
  std::vector<uint32_t> free_indices_;  // the one that was free longest is taken
  size_t next_free_ = 0;
  std::unordered_map<uint64_t, uint64_t> by_cookie_;  // serials
  std::unordered_map<uint32_t, Use> uses_;            // by uid
  std::vector<Waiting> waiting_binds_;
  std::vector<uint64_t> lingering_;  // serials
  Clock::time_point next_sweep_{};
  Clock::time_point next_measure_{};
  size_t measured_ = 0;                  // which index is next
  std::vector<uint64_t> ended_members_;  // serials of those that may have something to be read
  std::vector<std::function<void()>> others_;
  uint64_t next_id_ = 1;
  uint32_t leaving_processes_ = 0;
  uint32_t closing_ = 0;
  uint32_t held_ = 0;  // handles of accepted sockets that wait for room at their listeners
  uint16_t next_worker_ = 0;
};

}  // namespace trunkline::sockets
