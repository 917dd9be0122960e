// SPDX-License-Identifier: BSD-3-Clause
// The daemon's end of a socket's channel. To the rings of appring/channel_core.h it adds the ring
// by which the ends of sends come back (tx_done of socket_abi.h), and how much may lie unread,
// which changes while the socket lives. Made by the sockets thread; used by the worker that has the
// socket's association.
#pragma once

#include <cstdint>

#include "appring/channel_core.h"
#include "trunkline/socket_abi.h"

namespace trunkline::sockets {

class SocketChannel final : public appring::ChannelCore {
 public:
  // `memory` is the socket's: page, tables, channel.
  SocketChannel(uint8_t* memory, const tlr_geometry& geometry);
  // What waits may own slots of this channel.
  ~SocketChannel() { drop_rest(); }

  void set_receive_buffer(uint64_t bytes) { receive_buffer_ = bytes; }
  [[nodiscard]] uint32_t tx_slots() const { return tx_slots_; }
  [[nodiscard]] uint64_t largest_message() const { return uint64_t{tx_slots_} * slot_size_; }
  // Bytes of claimed payload.
  [[nodiscard]] uint64_t tx_bytes() const { return tx_bytes_; }

  // -- the ends of sends
  [[nodiscard]] Claim claim(const tlr_submission& submission) {
    const Claim verdict = ChannelCore::claim(submission);
    if (verdict == Claim::kOk) tx_bytes_ += submission.length;
    return verdict;
  }
  // The chain is the holders' again, who hear of it; returns its first slot.
  uint32_t give_back(Piece* head) {
    const uint32_t slot = take_back(head);
    tx_done_[done_produced_++ & done_mask_] = static_cast<uint16_t>(slot);
    return slot;
  }
  // Likewise, but they hear of it by a completion, or not at all.
  uint32_t take_back(Piece* head);
  void release(Piece* head) noexcept override { give_back(head); }

  // Nobody will be told of it any more.
  void forget_waiting() {
    while (!backlog_empty()) backlog_pop();
  }

  // Makes what was written visible. True: there are completions among it.
  bool publish();
  [[nodiscard]] uint32_t completions_published() const { return completion_published_; }
  // Anything that readers have not taken.
  [[nodiscard]] bool has_unread() {
    refresh_consumed();
    return completion_consumed_ != completion_published_;
  }
  // What the ring says, to any thread: readers have taken all of it.
  [[nodiscard]] bool looks_read() const {
    return load_acquire(shared_->completion_consumed.value) ==
           load_acquire(shared_->completion_produced.value);
  }
  // Likewise: the worker has taken, and answered, all that was submitted; anything ever was.
  [[nodiscard]] bool looks_taken() const {
    return load_acquire(shared_->submission_consumed.value) ==
           load_acquire(shared_->submission_produced.value);
  }
  [[nodiscard]] bool looks_used() const {
    return load_acquire(shared_->submission_produced.value) != 0;
  }
  // Messages that nobody has read, or not all of them.
  [[nodiscard]] bool has_unread_messages();

 private:
  tls_page& page_;
  uint16_t* tx_done_;
  uint32_t done_mask_;
  uint32_t done_produced_ = 0;
  uint32_t done_published_ = 0;
  uint64_t tx_bytes_ = 0;
};

}  // namespace trunkline::sockets
