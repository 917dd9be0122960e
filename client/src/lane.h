// SPDX-License-Identifier: BSD-3-Clause
// What stands behind tl_client and tl_lane: the attachment, and one thread's channels with its
// associations, listeners and waiting operations. lane_events.cpp reads completions,
// lane_send.cpp sends, lane_control.cpp opens, ends and asks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "channel.h"
#include "trunkline/ring_abi.h"
#include "trunkline/trunkline.h"

struct tl_client {
  uint8_t* base = nullptr;
  size_t size = 0;
  tlr_geometry geometry{};
  int socket = -1;
  bool owns_mapping = true;    // false: a test maps the segment
  std::vector<int> lane_fds;   // reading ends of pipes, per lane
  std::vector<int> doorbells;  // event fds, per worker
  std::vector<std::unique_ptr<tl_lane>> lanes;
  std::atomic<uint32_t> lanes_open{0};
  uint32_t first_worker = 0;      // where the first connect of the first lane goes
  std::atomic<bool> gone{false};  // the daemon hung up; set by any lane, read by all

  ~tl_client();
  // Looks at the socket. True once the daemon is gone.
  bool check_gone();
};

namespace trunkline::client {

inline constexpr uint32_t kNone = 0xffffffffu;

using Clock = std::chrono::steady_clock;
// As poll() takes it; 0 when it has passed.
inline int milliseconds_until(Clock::time_point when) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(when - Clock::now()).count();
  return rest > 0 ? static_cast<int>(rest) : 0;
}

enum class Phase : uint8_t {
  kFree,
  kConnecting,
  kOpen,
  kClosing,  // tl_shutdown() or tl_abort() was called, or the peer began the shutdown
  kEnding,   // the daemon has told its end, which waits until all of its sends have come back
};

struct Assoc {
  uint32_t generation = 0;
  Phase phase = Phase::kFree;
  bool wants_out = false;  // tl_shutdown() or tl_abort() was called
  bool blocked = false;    // a send met -EAGAIN and no TL_EVENT_WRITABLE was handed out since
  bool listed = false;     // in Channel::blocked
  uint32_t channel = 0;
  uint32_t wire_index = 0;
  uint32_t wire_generation = 0;
  uint64_t user = 0;
  uint16_t outbound_streams = 0;
  uint16_t inbound_streams = 0;
  uint32_t max_message = 0;   // bytes
  uint32_t send_buffer = 0;   // bytes that may be on their way
  uint32_t bytes = 0;         // on their way
  uint32_t slots = 0;         // on their way
  uint32_t sends = 0;         // on their way
  uint32_t wanted_slots = 0;  // of the send that met -EAGAIN
  uint32_t wanted_bytes = 0;
  uint32_t wanted_entries = 0;  // of the submission ring
  uint32_t connect_slot = kNone;
};

// At every worker, or at none.
enum class ListenerState : uint8_t {
  kOpening,
  kOpen,
  kClosed,  // what had been accepted before is the application's
  kFailed,  // the application never had it: what some workers have accepted meanwhile is aborted
};

struct Listener {
  uint64_t user = 0;
  uint32_t pending = 0;  // workers that have not answered
  uint8_t status = 0;    // the first refusal
  uint32_t refused_by = 0;
  ListenerState state = ListenerState::kOpening;
  std::vector<uint32_t> slots;  // body per channel
};

// The last event of an association some of whose sends the worker has not answered yet: those that
// lay in the ring when it ended.
struct Ending {
  uint32_t assoc = 0;  // index in the lane's table
  uint32_t channel = 0;
  tlr_completion entry{};
};

// What must be asked of a worker though its ring may have no room at the moment.
struct Chore {
  uint32_t channel = 0;
  uint8_t op = 0;  // TLR_OP_UNLISTEN or TLR_OP_ABORT
  uint32_t listener = 0;
  uint32_t wire_index = 0;
  uint32_t wire_generation = 0;
};

// A handle: generation, lane, index in the lane's table. Generation 0 names nothing.
inline constexpr uint32_t kIndexBits = 26;
inline constexpr uint32_t kIndexMask = (1u << kIndexBits) - 1;
static_assert(TLR_MAX_LANES <= 1u << (32 - kIndexBits));
constexpr uint32_t index_of(uint64_t handle) {
  return static_cast<uint32_t>(handle) & kIndexMask;
}
constexpr uint32_t lane_of(uint64_t handle) {
  return static_cast<uint32_t>(handle) >> kIndexBits;
}

// An operation that a call waits for.
struct Waiting {
  uint32_t id = 0;
  bool done = false;
  bool abandoned = false;  // the call timed out: free the slots when the answer comes
  uint8_t status = 0;
  uint32_t channel = 0;
  uint32_t slot = kNone;
};

// What the context of an operation means: kind in the top byte, value below.
enum class Ticket : uint8_t {
  kListen = 1,   // listener index
  kConnect = 2,  // association index
  kQuiet = 3,    // nobody waits; a slot to free, or kNone
  kWait = 4,     // Waiting::id
};
constexpr uint64_t ticket(Ticket kind, uint32_t value) {
  return static_cast<uint64_t>(kind) << 56 | value;
}

// Where events go while a call runs: the caller's array.
struct Sink {
  tl_event* out = nullptr;
  size_t max = 0;
  size_t count = 0;
  [[nodiscard]] bool full() const { return count == max; }
  tl_event& next() {
    tl_event& event = out[count++];
    event = tl_event{};
    return event;
  }
};

inline constexpr uint32_t kTxEvent = 0x80000000u;  // in tl_event::channel: the slots are TX slots

// Attaches to rings that the caller has mapped: the second half of tl_attach(), and for tests that
// want both sides in one mapping. Takes the descriptors, and the mapping if `own`.
int open_client(uint8_t* base, size_t size, const tlr_geometry& geometry, int socket,
                std::vector<int> lane_fds, std::vector<int> doorbells, bool own, tl_client** out);

}  // namespace trunkline::client

struct tl_lane {
  using Channel = trunkline::client::Channel;
  using Assoc = trunkline::client::Assoc;

  tl_lane(tl_client& owner, uint32_t index);
  ~tl_lane();
  tl_lane(const tl_lane&) = delete;
  tl_lane& operator=(const tl_lane&) = delete;

  // -- events (lane_events.cpp)
  int poll(tl_event* events, size_t max);
  void release(tl_event* events, size_t count);
  [[nodiscard]] bool has_events();
  [[nodiscard]] bool has_completion() const;
  int arm();
  void disarm();
  int wait(int timeout_ms);
  // The same, but returns for completions only: for calls that pump() themselves.
  void wait_completion(int timeout_ms);
  // Moves what has arrived into the stash, so that a waiting call sees its answer.
  void pump();

  // -- sending (lane_send.cpp)
  int send_burst(tl_assoc handle, const tl_message* messages, size_t count);
  int buffer_alloc(tl_assoc handle, uint32_t length, tl_buffer* out);
  int send_buffer(tl_assoc handle, tl_buffer* buffer, const tl_message& how);

  // -- opening, ending, asking (lane_control.cpp)
  int listen(const tl_listen_options& options, tl_listener* out);
  int unlisten(tl_listener listener);
  int connect(const tl_connect_options& options, tl_assoc* out);
  int end(tl_assoc handle, bool abort, const char* reason);
  // One option of an association: `body`, of that size, goes there and comes back.
  int ask_option(const Assoc& assoc, uint8_t op, uint32_t option, void* body, uint32_t size);
  int query(tl_assoc handle, tl_assoc_info* out);
  // Sets an option that is an address of the peer, enum tlr_option.
  int set_address(tl_assoc handle, uint32_t option, const tl_address& address);
  // Of the association as a whole, or of one address. Reads all of them, or sets those of `fields`.
  int timers(tl_assoc handle, const tl_address* address, bool set, tl_timers& values);

  [[nodiscard]] Assoc* find(tl_assoc handle);
  [[nodiscard]] const Assoc* find(tl_assoc handle) const {
    return const_cast<tl_lane*>(this)->find(handle);
  }
  [[nodiscard]] tl_assoc handle_of(const Assoc& assoc, uint32_t at) const {
    return static_cast<tl_assoc>(assoc.generation) << 32 | index << trunkline::client::kIndexBits |
           at;
  }
  [[nodiscard]] tl_listener listener_handle(uint32_t at) const {
    return (static_cast<tl_listener>(index) << 32) + at + 1;
  }
  // Says why find() gave nothing.
  [[nodiscard]] int no_assoc(tl_assoc handle) const;

  tl_client& client;
  uint32_t index;
  std::vector<Channel> channels;  // per worker
  int wake_fd = -1;
  int epoll_fd = -1;

 private:
  // -- events
  void poll_channel(uint32_t at, trunkline::client::Sink& sink);
  bool take_sends_done(uint32_t at, const tlr_completion& entry, trunkline::client::Sink& sink);
  void translate(uint32_t at, const tlr_completion& entry, trunkline::client::Sink& sink);
  void translate(uint32_t at, const tlr_completion& entry, const tlr_completion_more& more,
                 trunkline::client::Sink& sink);
  void take_opened(uint32_t at, const tlr_completion& entry, const tlr_completion_more& more,
                   trunkline::client::Sink& sink);
  void take_connect_failed(uint32_t at, const tlr_completion& entry, trunkline::client::Sink& sink);
  void take_messages(uint32_t at, trunkline::client::Sink& sink);
  void take_send_failed(uint32_t at, const tlr_completion& entry, trunkline::client::Sink& sink);
  void tell_send_failed(uint32_t at, uint32_t slot, tl_event& event);
  void take_text(uint32_t at, const tlr_completion& entry, tl_event& event);
  void drop_text(uint32_t at, const tlr_completion& entry);
  void take_ended(uint32_t at, const tlr_completion& entry, trunkline::client::Sink& sink);
  void tell_end(uint32_t assoc_index, uint32_t at, const tlr_completion& entry,
                trunkline::client::Sink& sink);
  // Of the associations whose end waits, those that wait for nothing any more.
  void tell_endings(trunkline::client::Sink& sink);
  // The daemon is gone and has said all that it had to say: every send fails, every association is
  // lost, and that is the end.
  void tell_gone(trunkline::client::Sink& sink);
  void take_daemon_ending(const tlr_completion& entry, trunkline::client::Sink& sink);
  void take_operation(uint32_t at, const tlr_completion& entry);
  void take_notice(uint32_t at, const tlr_completion& entry, const tlr_completion_more& more,
                   trunkline::client::Sink& sink);
  void tell_writable(trunkline::client::Sink& sink);
  [[nodiscard]] bool has_own_room(const Assoc& assoc) const;
  [[nodiscard]] bool may_be_writable(Channel& channel) const;
  [[nodiscard]] bool writable(Channel& channel, const Assoc& assoc) const;
  void list_blocked(Channel& channel, uint32_t assoc_index);
  [[nodiscard]] uint32_t local_index(uint32_t at, const tlr_completion& entry);
  // Sends that are no longer on their way.
  struct Ended {
    uint32_t assoc = trunkline::client::kNone;  // in the lane's table
    uint32_t sends = 0;
    uint32_t slots = 0;
    uint32_t bytes = 0;
  };
  void sends_ended(Channel& channel, const Ended& ended);
  void tell_sent(const trunkline::client::TxNote& note, trunkline::client::Sink& sink);
  static void give_back(Channel& channel, const tl_event& event);
  void drain_wake();

  // -- sending
  int check_send(Assoc& assoc, const tl_message& message, uint32_t length);
  // What a send takes: of the association's credit, of the lane's free slots, of the ring.
  struct Need {
    uint32_t slots = 0;
    uint32_t bytes = 0;
    uint32_t free_slots = 0;
    uint32_t entries = 1;
  };
  int check_room(Assoc& assoc, uint32_t assoc_index, const Need& need);
  size_t send_short(Assoc& assoc, uint32_t assoc_index, const tl_message* messages, size_t count);
  void submit_send(Assoc& assoc, uint32_t assoc_index, uint32_t slot, uint32_t slots,
                   uint32_t bytes, const tl_message& how);

  // -- control
  uint32_t take_assoc();
  void free_assoc(uint32_t index);
  // Into a body that has the peer's addresses already; -EINVAL.
  static int put_local(const tl_address* addresses, size_t count, tlr_open_body& body);
  // Room for one operation, with a chain of `slots`; -EAGAIN, -EPIPE.
  int check_operation(Channel& channel, uint32_t slots);
  // Submits it and waits for its answer: 0 or the refusal as errno. The slots stay the caller's
  // unless it is -ETIMEDOUT or -EPIPE.
  int run(uint32_t at, tlr_submission& entry, uint32_t slot);
  // Takes a failed listener back from all workers, and what they have accepted for it.
  void undo_listen(uint32_t listener_index);
  void do_chores();

  std::vector<Assoc> assocs_;
  std::vector<uint32_t> free_assocs_;
  std::vector<trunkline::client::Listener> listeners_;
  std::deque<trunkline::client::Waiting> waiting_;
  std::deque<tl_event> stash_;
  std::vector<trunkline::client::Chore> chores_;
  std::vector<trunkline::client::Ending> endings_;
  uint32_t next_waiting_ = 1;
  uint32_t next_channel_ = 0;  // where the next poll begins
  uint32_t next_worker_ = 0;   // where the next connect goes
  uint32_t idle_polls_ = 0;
  bool armed_ = false;
  bool ending_told_ = false;
  bool gone_told_ = false;
  uint32_t gone_channel_ = 0;  // how far tell_gone() came: this slot of this channel,
  uint32_t gone_slot_ = 0;
  uint32_t gone_assoc_ = 0;  // then this association
};
