// SPDX-License-Identifier: BSD-3-Clause
// A program's side of a socket, as plain as it can be: what socket_abi.h asks of a holder, in one
// thread and without locks. And, for hostile ones, everything in reach.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "trunkline/ring_end.h"
#include "trunkline/socket_abi.h"
#include "two_hosts.h"

namespace trunkline::test {

struct Limit {
  uint8_t policy = 0;  // enum tlr_policy; 0: none
  uint32_t value = 0;
};

struct Received {
  tlr_completion head{};
  std::string bytes;
};

class Holder : public RingEnd {
 public:
  // Takes the handle; the memory is mapped a second time, as another process would.
  Holder(sockets::SocketEnd& end, const tlr_geometry& geometry, KickMemory& kicks)
      : Holder(map(end), tls_layout_of(&geometry), geometry, end.take_handle(), end.index(),
               kicks) {}
  // As a program that got both descriptors from the daemon.
  Holder(int memory_fd, int handle_fd, const tlr_geometry& geometry, KickMemory& kicks)
      : Holder(map(memory_fd, tls_layout_of(&geometry).size), tls_layout_of(&geometry), geometry,
               handle_fd, 0, kicks) {
    index_ = page().index;
  }
  ~Holder() {
    munmap(memory_, layout_.size);
    if (handle >= 0) close(handle);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  tls_page& page() { return *reinterpret_cast<tls_page*>(memory_); }
  tlr_channel& words() { return *shared_; }
  uint32_t* chain() { return tx_next_; }
  uint32_t* returns() { return returns_; }
  void kick() { kicks_.kick(index_); }

  // -- sending
  bool send(std::string_view text, uint16_t stream = 0, uint32_t ppid = 0, uint64_t context = 0,
            uint8_t flags = 0, const Limit& limit = {}) {
    const auto length = static_cast<uint32_t>(text.size());
    take_done();
    if (page().tx_bytes >= page().send_buffer || free_slots() < slots_for(length)) return false;
    tlr_submission out{};
    out.op = TLR_OP_SEND;
    out.flags = flags;
    out.stream = stream;
    out.ppid = ppid;
    out.context = context;
    out.slot = write(text);
    out.length = length;
    length_[out.slot] = length;
    page().tx_bytes += length;
    if (limit.policy == 0) {
      submit(out);
    } else {
      tlr_submission before{};
      before.op = TLR_OP_LIMIT;
      before.flags = limit.policy;
      before.length = limit.value;
      submit(before, out);
    }
    return true;
  }
  // One, or several that are published at once.
  template <typename... Submission>
  void submit(const Submission&... what) {
    const uint32_t at = load_relaxed(shared_->submission_produced.value);
    uint32_t next = at;
    ((submissions_[next++ & submission_mask_] = named(what)), ...);
    store_seq_cst(shared_->submission_produced.value, next);
    kick();
  }
  void operation(uint8_t op) {  // enum tlr_operation, if it is one
    tlr_submission out{};
    out.op = op;
    out.slot = TLR_NO_SLOT;
    submit(out);
  }
  [[nodiscard]] uint32_t free_slots() { return page().tx_free_count; }
  // How many messages are done since the last call.
  uint32_t take_done() {
    uint32_t n = 0;
    for (; page().tx_done_consumed != load_seq_cst(page().tx_done_produced); ++n) {
      const uint32_t at = page().tx_done_consumed++;
      const uint16_t first = done_[at & (layout_.tx_done_size - 1)];
      free_chain(first);
    }
    return n;
  }
  void free_chain(uint32_t first) {
    page().tx_bytes -= length_[first];
    uint32_t slot = first;
    for (uint32_t n = slots_for(length_[first]); n != 0; --n) {
      free_[page().tx_free_count++] = static_cast<uint16_t>(slot);
      slot = tx_next_[slot];
    }
    length_[first] = 0;
  }
  // A sender without room: the handle is not writable until the worker says so.
  void put_ballast() {
    const std::vector<uint8_t> bytes(page().ballast);
    ::send(handle, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    store_seq_cst(page().full, 1);
  }

  // -- receiving
  [[nodiscard]] uint32_t waiting() {
    return load_seq_cst(shared_->completion_produced.value) -
           load_relaxed(shared_->completion_consumed.value);
  }
  // The next message or notification, taken.
  std::optional<Received> receive() {
    if (waiting() == 0) return {};
    const uint32_t at = load_relaxed(shared_->completion_consumed.value);
    Received out;
    out.head = completions_[at & completion_mask_];
    const bool text = out.head.kind == TLR_LOST || out.head.kind == TLR_REMOTE_ERROR;
    if (tlr_is_message(out.head.kind) != 0 || (text && out.head.length != 0)) {
      uint32_t slot = out.head.slot;
      for (uint32_t left = out.head.length; left != 0;) {
        const uint32_t n = std::min(left, slot_size_);
        out.bytes.append(reinterpret_cast<char*>(rx_data_) + size_t{slot} * slot_size_, n);
        left -= n;
        slot = rx_next_[slot];
      }
      give_back(out.head.slot);
    }
    store_seq_cst(shared_->completion_consumed.value,
                  at + (tlr_has_more(out.head.kind) != 0 ? 2 : 1));
    kick();
    return out;
  }
  // As who died between the two: taken, and the slots never given back.
  void take_without_giving_back() {
    store_seq_cst(shared_->completion_consumed.value,
                  load_seq_cst(shared_->completion_produced.value));
    kick();
  }
  void give_back(uint32_t slot) {
    const uint32_t at = load_relaxed(shared_->return_produced.value);
    returns_[at & return_mask_] = slot;
    store_seq_cst(shared_->return_produced.value, at + 1);
  }
  // Who has taken the last message takes the tokens back. Returns how many.
  uint32_t take_tokens() {
    const uint32_t n = __atomic_exchange_n(&page().tokens, 0, __ATOMIC_SEQ_CST);
    std::vector<uint8_t> bytes(n + 1);
    if (n == 0) return 0;
    EXPECT_EQ(::recv(handle, bytes.data(), n, MSG_DONTWAIT), static_cast<ssize_t>(n));
    return n;
  }
  // All messages that are there, one behind the other.
  std::string read_all() {
    std::string out;
    while (auto message = receive()) out += message->bytes;
    take_tokens();
    return out;
  }

  // What the kernel says of the handle.
  [[nodiscard]] std::string mask() const {
    struct pollfd at = {handle, POLLIN | POLLOUT | POLLRDHUP, 0};
    poll(&at, 1, 0);
    std::string out;
    if ((at.revents & POLLIN) != 0) out += "IN ";
    if ((at.revents & POLLOUT) != 0) out += "OUT ";
    if ((at.revents & POLLRDHUP) != 0) out += "RDHUP ";
    if ((at.revents & POLLHUP) != 0) out += "HUP ";
    if ((at.revents & POLLERR) != 0) out += "ERR ";
    if (out.empty()) return "none";
    out.pop_back();
    return out;
  }
  void hang_up() {
    close(handle);
    handle = -1;
  }
  void set_first_slot(uint32_t slot, uint32_t length) { length_[slot] = length; }

  int handle;

 private:
  Holder(uint8_t* memory, const tls_layout& layout, const tlr_geometry& geometry, int handle_fd,
         uint32_t index, KickMemory& kicks)
      : RingEnd(memory + layout.channel, geometry),
        handle(handle_fd),
        memory_(memory),
        layout_(layout),
        index_(index),
        kicks_(kicks),
        free_(reinterpret_cast<uint16_t*>(memory + layout.tx_free)),
        done_(reinterpret_cast<uint16_t*>(memory + layout.tx_done)),
        length_(reinterpret_cast<uint32_t*>(memory + layout.tx_length)) {}
  static uint8_t* map(int fd, size_t size) {
    void* const base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_NE(base, MAP_FAILED);
    return static_cast<uint8_t*>(base);
  }
  static uint8_t* map(sockets::SocketEnd& end) {
    return map(end.memory_fd(), end.page().segment_size);
  }
  // As of the socket's association, which a limit does not name.
  tlr_submission named(const tlr_submission& what) {
    tlr_submission out = what;
    if (out.op == TLR_OP_LIMIT) return out;
    out.assoc_index = page().assoc_index;
    out.assoc_generation = page().assoc_generation;
    return out;
  }
  uint32_t write(std::string_view text) {
    const uint32_t first = free_[--page().tx_free_count];
    uint32_t slot = first;
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(text.size() - at, slot_size_);
      std::memcpy(tx_data(slot), text.data() + at, n);
      at += n;
      if (at == text.size()) break;
      const uint32_t next = free_[--page().tx_free_count];
      tx_next_[slot] = next;
      slot = next;
    }
    return first;
  }

  uint8_t* memory_;
  tls_layout layout_;
  uint32_t index_;
  KickMemory& kicks_;
  uint16_t* free_;
  uint16_t* done_;
  uint32_t* length_;
};

}  // namespace trunkline::test
