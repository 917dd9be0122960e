// SPDX-License-Identifier: BSD-3-Clause
// What clients ask for by one operation of an association: its end, and its options.
#include "appring/bridge.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace trunkline::appring {

// SHUTDOWN and ABORT.
void Bridge::handle_end(TimePoint now, Channel& channel, const tlr_submission& submission) {
  std::array<uint8_t, TLR_MIN_SLOT_SIZE> reason{};
  size_t reason_length = 0;
  uint8_t status = TLR_STATUS_OK;
  if (submission.slot != TLR_NO_SLOT) {
    status = claim(channel, submission);
    if (status == TLR_STATUS_OK) {
      const Piece* const piece = channel.piece(submission.slot);
      reason_length = std::min<size_t>(piece->length, reason.size());
      std::memcpy(reason.data(), piece->data, reason_length);
      channel.unclaim(channel.piece(submission.slot));
    }
  }
  Assoc* const assoc = find(channel, submission);
  if (status != TLR_STATUS_OK) {
    // counted by claim()
  } else if (assoc == nullptr) {
    status = refuse(RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
  } else {
    const Status verdict =
        submission.op == TLR_OP_SHUTDOWN
            ? shard_.shutdown(now, assoc->id)
            : shard_.abort(now, assoc->id, std::span(reason).first(reason_length));
    if (verdict != Status::kOk) {
      status = refuse(RingCounter::k_refuse_operation, wire_status(verdict));
    }
  }
  end_operation(channel, submission.context, status);
}

void Bridge::handle_option(TimePoint now, Channel& channel, const tlr_submission& submission) {
  uint8_t status = claim(channel, submission);
  if (status == TLR_STATUS_OK) {
    Assoc* const assoc = find(channel, submission);
    const bool get = submission.op == TLR_OP_GET_OPTION;
    if (assoc == nullptr) {
      status = refuse(RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
    } else if (get && submission.option == TLR_OPTION_INFO) {
      status = get_info(now, channel, *assoc, submission);
    } else if (!get && (submission.option == TLR_OPTION_HEARTBEAT ||
                        submission.option == TLR_OPTION_PRIMARY)) {
      status = set_address(now, channel, *assoc, submission);
    } else if (submission.option == TLR_OPTION_TIMERS) {
      status = handle_timers(now, channel, *assoc, submission);
    } else {
      status = refuse(RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
    }
    channel.unclaim(channel.piece(submission.slot));
  }
  end_operation(channel, submission.context, status);
}

// Writes as much of the answer as the chain holds.
uint8_t Bridge::get_info(TimePoint now, Channel& channel, const Assoc& assoc,
                         const tlr_submission& submission) {
  AssocStatus assoc_status;
  if (!shard_.status(assoc.id, assoc_status)) {
    return refuse(RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
  }
  tlr_info_body body;
  fill_info(assoc_status, config_.worker, now, body);
  const auto* from = reinterpret_cast<const uint8_t*>(&body);
  size_t left = sizeof(body);
  for (const Piece* piece = channel.piece(submission.slot); piece != nullptr && left > 0;
       piece = piece->next) {
    const size_t n = std::min<size_t>(left, piece->length);
    std::memcpy(channel.tx_data(channel.slot_of(piece)), from, n);
    from += n;
    left -= n;
  }
  return TLR_STATUS_OK;
}

// The options that are an address of the peer.
uint8_t Bridge::set_address(TimePoint now, Channel& channel, const Assoc& assoc,
                            const tlr_submission& submission) {
  if (submission.length != sizeof(tlr_address)) {
    return refuse(RingCounter::k_refuse_bad_length, TLR_STATUS_BAD_DESCRIPTOR);
  }
  struct Padded {  // copy_once() wants a multiple of 8
    tlr_address address;
    uint32_t rest;
  };
  const auto body = copy_once<Padded>(channel.tx_data(submission.slot));
  const IpAddress address = address_from_wire(body.address);
  if (address.is_none()) {
    return refuse(RingCounter::k_refuse_bad_body, TLR_STATUS_INVALID_ADDRESS);
  }
  const Status verdict = submission.option == TLR_OPTION_PRIMARY
                             ? shard_.set_primary(now, assoc.id, address)
                             : shard_.request_heartbeat(now, assoc.id, address);
  if (verdict == Status::kOk) return TLR_STATUS_OK;
  return refuse(RingCounter::k_refuse_operation, wire_status(verdict));
}

}  // namespace trunkline::appring
