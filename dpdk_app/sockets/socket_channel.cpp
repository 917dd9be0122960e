// SPDX-License-Identifier: BSD-3-Clause
// What sockets add to the rings; see socket_channel.h.
#include "sockets/socket_channel.h"

namespace trunkline::sockets {
namespace {

// Events that may wait: as many messages as the largest window has room for, blocks of 512 bytes
// each, the ends of all sends, and some notifications.
uint32_t nodes_of(const tlr_geometry& geometry) {
  const uint64_t blocks = uint64_t{geometry.rx_slots} * geometry.slot_size / 512;
  return static_cast<uint32_t>(2 * blocks + geometry.tx_slots + 64);
}

}  // namespace

SocketChannel::SocketChannel(uint8_t* memory, const tlr_geometry& geometry)
    : ChannelCore(memory + tls_layout_of(&geometry).channel, geometry, nodes_of(geometry),
                  uint64_t{geometry.rx_slots} * geometry.slot_size),
      page_(*reinterpret_cast<tls_page*>(memory)),
      tx_done_(reinterpret_cast<uint16_t*>(memory + tls_layout_of(&geometry).tx_done)),
      done_mask_(tls_layout_of(&geometry).tx_done_size - 1) {}

uint32_t SocketChannel::take_back(Piece* head) {
  for (const Piece* piece = head; piece != nullptr; piece = piece->next) tx_bytes_ -= piece->length;
  const uint32_t slot = slot_of(head);
  unclaim(head);
  return slot;
}

bool SocketChannel::publish() {
  if (done_published_ != done_produced_) {
    done_published_ = done_produced_;
    store_seq_cst(page_.tx_done_produced, done_published_);
  }
  if (completion_published_ == completion_produced_) return false;
  completion_published_ = completion_produced_;
  store_seq_cst(shared_->completion_produced.value, completion_published_);
  return true;
}

// A reader takes an entry and gives its slots back in whatever order.
bool SocketChannel::has_unread_messages() {
  bool waits = false;
  each_waiting([&](const Event& event) { waits = waits || event.kind == EventKind::kMessage; });
  if (waits) return true;
  refresh_consumed();
  for (uint32_t at = completion_consumed_; at != completion_produced_; ++at) {
    const auto entry = copy_once<tlr_completion>(&completions_[at & completion_mask_]);
    if (tlr_is_message(entry.kind) != 0) return true;
    if (tlr_has_more(entry.kind) != 0 && at + 1 != completion_produced_) ++at;
  }
  return false;
}

}  // namespace trunkline::sockets
