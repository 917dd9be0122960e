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
        unsent{payload.head()},
        unsent_size(static_cast<uint32_t>(payload.size())),
        unordered(request.unordered),
        sack_immediately(request.sack_immediately) {}

  TxMessage* next = nullptr;  // behind it in its stream's line; these two are SendQueue's, and of
  TxMessage* turn = nullptr;  // a stream's oldest message the scheduler's
  SendStream* queue = nullptr;
  PayloadCursor unsent;      // where the next fragment begins
  uint32_t unsent_size = 0;  // bytes from there to the end
  uint32_t parts = 1;        // chunks of it that are outstanding, and one if some of it is unsent
  union {
    Mid mid = Mid();    // its number in its stream; before its first byte is sent,
    uint32_t accepted;  // its place in the order of send(), over all streams
  };
  bool unordered = false;
  bool sack_immediately = false;
  bool started = false;

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
    kGapAcked,    // the peer has it for now, and may renege
    kRetransmit,  // thought lost, waits to be sent again
  };

  TxMessage* message = nullptr;
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
  TimePoint sent_at;

  // In `misses` of a chunk that waits to be sent again: as a probe; or as what fast retransmit has
  // sent before.
  static constexpr uint8_t kLossProbe = 7;
  static constexpr uint8_t kLostAgain = 6;
  [[nodiscard]] bool is_loss_probe() const { return misses == kLossProbe; }
  [[nodiscard]] bool is_lost_again() const { return misses == kLostAgain; }
};
static_assert(sizeof(TxChunk) == 40);

}  // namespace trunkline
