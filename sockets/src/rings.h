// SPDX-License-Identifier: BSD-3-Clause
// The holders' end of a socket's rings: TX slots, submissions, ends of sends, completions, returned
// slots. Everything that outlasts a call is in the socket's memory, since the next caller may be
// another process; so is what a caller's death in the middle needs to be put right. Knows nothing
// of descriptors and never waits. Who may call: the holder of the lock that a method is listed
// under.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "trunkline/ring_end.h"
#include "trunkline/socket_abi.h"

namespace trunkline::sctp {

// A message on its way out.
struct Outgoing {
  const iovec* parts = nullptr;
  size_t count = 0;
  uint32_t length = 0;  // of all parts
  uint16_t stream = 0;
  uint8_t flags = 0;  // enum tlr_send_flag
  uint32_t ppid = 0;  // host order
  uint32_t context = 0;
  uint8_t policy = 0;  // enum tlr_policy; 0: it is sent at any price
  uint32_t limit = 0;  // of the policy
};

// What lies in front of the completion ring.
struct Front {
  tlr_completion head;
  tlr_completion_more more;  // if tlr_has_more() says so
  uint32_t entries;
};

class Rings : public RingEnd {
 public:
  Rings(tls_page& page, uint8_t* memory, const tls_layout& layout)
      : RingEnd(memory + layout.channel, page.geometry),
        page_(page),
        tx_free_(reinterpret_cast<uint16_t*>(memory + layout.tx_free)),
        tx_length_(reinterpret_cast<uint32_t*>(memory + layout.tx_length)),
        tx_done_(reinterpret_cast<uint16_t*>(memory + layout.tx_done)),
        tx_done_mask_(layout.tx_done_size - 1) {}

  // -- send lock
  // Whether the message may go now: Linux takes one as long as there is any room in the send
  // buffer. Takes back what is done first.
  [[nodiscard]] bool room_for(const Outgoing& message);
  // Could ever hold a message of that length.
  [[nodiscard]] bool fits(uint32_t length) const { return slots_for(length) <= tx_slots_; }
  // Only after room_for(). The worker sees it at once, but must be kicked.
  void submit(const Outgoing& message, tlr_operation operation = TLR_OP_SEND);
  // Another operation, without bytes. False: the ring is full.
  [[nodiscard]] bool submit(tlr_operation operation);
  // After a holder has died with the lock.
  void repair_sending();
  // The slots of a message whose end is a completion (TLR_SEND_FAILED).
  void free_message(uint32_t head);

  // -- receive lock
  [[nodiscard]] bool front(Front& out) const;
  // Of what lies behind the front.
  [[nodiscard]] bool behind(const Front& front, Front& out) const;
  // The bytes [from, from + size) of the chain that begins at an RX slot, or a TX slot.
  void copy_rx(uint32_t slot, uint32_t from, uint8_t* to, uint32_t size) const;
  void copy_tx(uint32_t slot, uint32_t from, uint8_t* to, uint32_t size) const;
  // Takes the front away, and gives its RX slots back (TLR_NO_SLOT: it has none).
  void pop(const Front& front, uint32_t rx_slot);
  // Whether the worker should hear of what was taken: all of it, or a good part.
  [[nodiscard]] bool returns_are_news(bool empty);
  void repair_receiving();
  [[nodiscard]] uint32_t read_of_front() const { return load_relaxed(page_.rx_offset); }
  void set_read_of_front(uint32_t bytes) { store_relaxed(page_.rx_offset, bytes); }

  // -- any
  [[nodiscard]] uint32_t consumed() const {
    return load_relaxed(shared_->completion_consumed.value);
  }
  [[nodiscard]] uint32_t produced() const {
    return load_seq_cst(shared_->completion_produced.value);
  }
  [[nodiscard]] bool has_completion() const {
    return load_seq_cst(shared_->completion_produced.value) !=
           load_relaxed(shared_->completion_consumed.value);
  }

 private:
  [[nodiscard]] bool has_entries(uint32_t wanted) const;
  void take_back_ends();
  uint32_t push_chain(uint32_t head, uint32_t length, uint32_t top);
  void fill(uint32_t head, const Outgoing& message);
  void put(uint32_t at, const tlr_submission& entry) {
    submissions_[at & submission_mask_] = entry;
  }
  void finish_pop();
  [[nodiscard]] bool read_entry(uint32_t at, uint32_t produced, Front& out) const;

  tls_page& page_;
  uint16_t* tx_free_;
  uint32_t* tx_length_;
  uint16_t* tx_done_;
  uint32_t tx_done_mask_;
};

}  // namespace trunkline::sctp
