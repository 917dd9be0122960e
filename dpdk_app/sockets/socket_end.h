// SPDX-License-Identifier: BSD-3-Clause
// One socket of a program as the daemon has it: its memory, the daemon's end of its handle, its
// channel. Made and destroyed by the sockets thread; used by one worker, the one that has its
// association, between SocketBridge::connect() or accept() and its kGone. What both of them write
// in the page is said in socket_abi.h. A member of a one-to-many socket has no handle: it speaks by
// that of its front, until it is peeled off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "appring/segment_guard.h"
#include "sockets/socket_channel.h"
#include "trunkline/socket_abi.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"

namespace trunkline::sockets {

// What all sockets of one user have under way at one worker, of what all users share.
struct alignas(64) UserShare {
  uint64_t units = 0;
};

// Whose a socket is.
struct SocketUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<UserShare> shares;  // per worker; the worker's alone
};

class SocketEnd;

// What a socket is besides a one-to-one socket: a front of so many workers, or a member of a front.
struct SocketRole {
  uint16_t front_of_workers = 0;
  std::shared_ptr<SocketEnd> front{};
};

class SocketEnd {
 public:
  struct Geometry {
    tlr_geometry rings{};
    uint32_t ballast = 0;  // of find_ballast()
  };
  // The worker's alone.
  struct Notes {
    AssocId assoc;            // the one that it has, or had
    bool known = false;       // the worker has it
    bool connecting = false;  // its connect has not ended
    bool alive = false;       // its association is not over, as far as events were taken
    bool closing = false;     // the last handle is gone,
    bool shut_down = false;   // and nothing is to be sent any more
    bool ended = false;       // the page says that it is over
    bool faulted = false;     // its memory says what no correct program writes
    bool dirty = false;       // has something to publish
    bool stalled = false;     // has submissions that wait for room in the shard
    bool again = false;       // has more to do than one turn has time for
    bool at_end = false;      // end of file was sent: no tokens any more
    bool born_over = false;   // its association was over when it was accepted
    bool auth_due = false;    // that the peer has no AUTH is to be told
    IpAddress peer;           // as the page names it
    Duration autoclose{0};    // how long its association may be idle; zero: for ever
    TimePoint used;           // when a message last went or came
    TimePoint idle_until;     // when that is looked at
  };
  // Null with errno set. `family`, `type` as of socket(2).
  static std::unique_ptr<SocketEnd> create(uint32_t index, uint64_t key, uint32_t family,
                                           uint32_t type, const Geometry& geometry,
                                           std::shared_ptr<SocketUser> user,
                                           const SocketRole& role = {});
  // 512 slots of 1024 bytes each way.
  static tlr_geometry default_geometry();
  // How many bytes, written at once, fill the send buffer of a handle so that it is not writable
  // and a further byte has to wait; found by trying. 0 with errno set.
  static uint32_t find_ballast();
  ~SocketEnd();
  SocketEnd(const SocketEnd&) = delete;
  SocketEnd& operator=(const SocketEnd&) = delete;

  [[nodiscard]] uint32_t index() const { return index_; }
  [[nodiscard]] tls_page& page() const { return *page_; }
  [[nodiscard]] uint32_t family() const { return family_; }  // not as the page says by now
  [[nodiscard]] bool is_front() const { return !ready_.empty(); }
  // The worker's, once it knows it.
  [[nodiscard]] bool is_member() const { return front_ != nullptr && !on_its_own_; }
  // Of a one-to-many socket, peeled off or not: the end of its association is no end of file.
  [[nodiscard]] bool was_member() const { return front_ != nullptr; }
  [[nodiscard]] int memory_fd() const { return memory_fd_; }
  // The daemon's end of the pair, never blocking. The program's is given away once: take_handle().
  [[nodiscard]] int pair_fd() const { return pair_fd_; }
  [[nodiscard]] int take_handle();
  // Likewise the daemon's, in the end: it is the caller's to close.
  [[nodiscard]] int take_pair();
  [[nodiscard]] SocketUser& user() const { return *user_; }
  // The memory is gone and reads as zeros.
  [[nodiscard]] bool lost() const { return range_->lost.load(std::memory_order_relaxed); }

  // -- any thread of the daemon
  // Puts the ballast in, for the program, before it has the handle; takes out whatever lies there.
  bool put_ballast();
  void take_ballast();
  // A token: see socket_abi.h. False: it was there already, or there are too many.
  bool send_token();
  // End of file for whoever reads the handle.
  void send_end();
  void set_names(const tls_name& local, const tls_name& peer);
  void set_error(int error);  // and a token, so that it is noticed

  // -- the worker that has it
  // Bits of enum tls_shut: of a member, its front's, too.
  [[nodiscard]] uint32_t shut() const {
    return load_relaxed(page_->shut) | (is_member() ? load_relaxed(front_->page_->shut) : 0u);
  }
  [[nodiscard]] SocketChannel& channel() { return *channel_; }
  // What was published is there to be read: a token, and of a member an entry of its front's ready
  // ring before. False: no token was sent.
  bool announce(uint16_t worker);
  // Of a member: wakes who waits for the end of connecting.
  void wake_connectors();
  // Peeled off: a member that was given a handle by make_pair() uses it from here on.
  void leave_front();
  Notes notes;

  // -- sockets thread, of a member: a pair for leave_front(), with the ballast of one that has no
  // association not in it. False with errno set.
  [[nodiscard]] bool make_pair();

 private:
  SocketEnd() = default;
  // What one worker writes of a front's ready ring.
  struct alignas(64) Ready {
    tls_ready* ring = nullptr;
    uint32_t produced = 0;
  };
  [[nodiscard]] bool make_memory(const tlr_geometry& geometry, uint32_t ready_rings);
  [[nodiscard]] bool fill_page(uint64_t key, uint32_t type, const Geometry& geometry);
  void push_ready(uint16_t worker, tls_ready_entry entry);

  uint32_t index_ = 0;
  uint32_t family_ = 0;
  uint32_t ballast_ = 0;
  int memory_fd_ = -1;
  int pair_fd_ = -1;
  int handle_ = -1;  // until it is given away
  uint8_t* memory_ = nullptr;
  size_t size_ = 0;
  appring::SegmentGuard::Range* range_ = nullptr;
  tls_page* page_ = nullptr;
  std::unique_ptr<SocketChannel> channel_;
  std::shared_ptr<SocketUser> user_;
  std::shared_ptr<SocketEnd> front_;  // of a member, or of one that was
  bool on_its_own_ = false;
  std::vector<Ready> ready_;  // of a front, by worker
};

// Whether descriptors may come by that AF_UNIX socket, as far as the kernel can keep them out.
void pass_rights(int fd, bool on);

// A socket address for a socket of that family, where an IPv4 address is a mapped one; `length` 0
// for none.
[[nodiscard]] tls_name name_of(const IpAddress& address, PortNumber port, uint32_t family,
                               bool mapped = true);

}  // namespace trunkline::sockets
