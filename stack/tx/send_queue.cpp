// SPDX-License-Identifier: BSD-3-Clause
// Lines of streams, and when a stream takes turns with the others.
#include "tx/send_queue.h"

#include <type_traits>
#include <utility>

namespace trunkline {
void SendQueue::release(SendStream& stream) {
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    take_turns(scheduler, stream, take_first(stream));
    choose(scheduler);
  });
}

TxMessage* SendQueue::pop_any() {
  TxMessage* const message = front_;
  if (message == nullptr) return nullptr;
  bytes_ -= message->unsent_size;
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    if (!message->started) scheduler.sent();
    leave(scheduler, *message->queue, take_next(*message->queue));
  });
  return message;
}

}  // namespace trunkline
