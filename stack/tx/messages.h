// SPDX-License-Identifier: BSD-3-Clause
// What the sending side remembers of a message and of each DATA chunk cut from it. The payload
// stays where the application wrote it; these only point.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/limits.h"
#include "trunkline/stack/payload.h"
#include "trunkline/stack/stack.h"
#include "trunkline/stack/types.h"
#include "wire/data_chunk.h"

namespace trunkline {

struct SendStream;

// A place in a chain of pieces.
struct PayloadCursor {
  const Piece* piece = nullptr;
  uint32_t offset = 0;  // in the piece

  // Copies `size` bytes from here to `out` and moves on. The chain holds that many.
  void read(uint8_t* out, size_t size);

 private:
  void settle();
};

// A user message from send() until its last byte is acknowledged, and told.
struct TxMessage : SentMessage {
  TxMessage() = default;
  // Takes the payload over.
  TxMessage(const SendRequest& request, Payload& from)
      : SentMessage{.payload = std::move(from),
                    .context = request.context,
                    .ppid = request.ppid,
                    .stream = request.stream},
        unsent_piece(payload.head()),
        unsent_size(static_cast<uint32_t>(payload.size())),
        unordered(request.unordered),
        sack_immediately(request.sack_immediately) {}

  // Behind it, and before it, in its stream's line. These two are SendQueue's, and of a stream's
  // oldest message the scheduler's.
  TxMessage* next = nullptr;
  TxMessage* turn = nullptr;
  SendStream* queue = nullptr;
  const Piece* unsent_piece = nullptr;  // where the next fragment begins,
  uint32_t unsent_offset = 0;           // and where in that piece
  uint32_t unsent_size = 0;             // bytes from there to the end
  uint32_t parts = 1;  // chunks of it that are outstanding, and one if some of it is unsent
  union {
    Mid mid = Mid();    // its number in its stream; before its first byte is sent,
    uint32_t accepted;  // its place in the order of send(), over all streams
  };
  uint32_t limit_place = 0;  // of its MessageLimit in the shard's pool, counted from 1; 0: none
  bool unordered = false;
  bool sack_immediately = false;
  bool started : 1 = false;
  bool in_turn : 1 = false;  // the scheduler has it, or had it
  uint8_t turn_balance : 2 = 0;
  // So often each of its chunks may be sent again; kNoLimit: always.
  uint8_t most_again = kNoLimit;
  static constexpr uint8_t kNoLimit = 127;

  // The next `size` bytes, for a fragment.
  void read_unsent(uint8_t* out, uint32_t size) {
    PayloadCursor from{unsent_piece, unsent_offset};
    from.read(out, size);
    unsent_piece = from.piece;
    unsent_offset = from.offset;
  }
  // Of its only DATA chunk, beside B and E.
  [[nodiscard]] uint32_t chunk_flags() const {
    return (unordered ? wire::DataChunk::kUnorderedFlag : 0u) |
           (sack_immediately ? wire::DataChunk::kImmediateFlag : 0u);
  }
};
static_assert(sizeof(TxMessage) == 104);

// A DATA chunk from its first transmission until the cumulative TSN passes it. An association may
// have 65,535 of them: no byte is wasted.
struct TxChunk {
  enum class State : uint8_t {
    kInFlight,
    kGapAcked,           // the peer has it for now, and may renege
    kRetransmit,         // thought lost, waits to be sent again
    kAbandoned,          // not sent again: waits for the peer to pass it (RFC 3758)
    kAbandonedGapAcked,  // likewise, and the peer has it for now
  };

  union {
    TxMessage* message = nullptr;
    SendStream* queue;  // abandoned: of its message, which is gone; null: that was unordered
  };
  Tsn tsn;
  uint16_t size = 0;             // bytes of user data
  uint16_t packet = 0;           // of the IP packet that it was last sent in, up to its own end
  const Piece* piece = nullptr;  // where its payload begins
  uint32_t offset = 0;           // in the piece
  uint8_t path = 0;              // index of the path it was last sent on
  State state = State::kInFlight;
  uint8_t misses : 3 = 0;  // miss indications (7.2.4); or one of these below
  bool beginning : 1 = false;
  bool ending : 1 = false;
  bool retransmitted : 1 = false;       // ever: its round trip is ambiguous (6.3.1 C5)
  bool fast_retransmitted : 1 = false;  // not a second time (7.2.4 rule 5)
  bool many_paths : 1 = false;          // sent on more than one: who knows which one worked
  uint8_t again : 7 = 0;                // times that it was sent again; not above kMostCounted
  bool over_limit : 1 = false;  // kRetransmit: it must not be sent again, see TxMessage::most_again
  TimePoint sent_at;

  static constexpr uint8_t kMostCounted = TxMessage::kNoLimit - 1;
  [[nodiscard]] bool is_abandoned() const { return state >= State::kAbandoned; }
  [[nodiscard]] bool is_of(const TxMessage& one) const {
    return !is_abandoned() && message == &one;
  }
  // Without payload and packet: in their place is what a FORWARD TSN says of it.
  void abandon(const TxMessage& of) {
    state = is_gap_acked() ? State::kAbandonedGapAcked : State::kAbandoned;
    queue = of.unordered ? nullptr : of.queue;
    size = 0;
    packet = of.stream.value;
    piece = nullptr;
    offset = of.mid.value;
  }
  [[nodiscard]] StreamId abandoned_stream() const { return StreamId(packet); }
  [[nodiscard]] Ssn abandoned_ssn() const { return Ssn(static_cast<uint16_t>(offset)); }
  [[nodiscard]] bool is_gap_acked() const {
    return state == State::kGapAcked || state == State::kAbandonedGapAcked;
  }

  // In `misses` of a chunk that waits to be sent again: as a probe; or as what fast retransmit has
  // sent before.
  static constexpr uint8_t kLossProbe = 7;
  static constexpr uint8_t kLostAgain = 6;
  [[nodiscard]] bool is_loss_probe() const { return misses == kLossProbe; }
  [[nodiscard]] bool is_lost_again() const { return misses == kLostAgain; }
};
static_assert(sizeof(TxChunk) == 40);

}  // namespace trunkline
