// SPDX-License-Identifier: BSD-3-Clause
// For tests that look at one message at a time: a kSendAcknowledged becomes one event for each of
// its messages, with context and payload as a kSendFailed has them; others stay as they are.
#pragma once

#include <utility>

#include "trunkline/stack/stack.h"

namespace trunkline::test {

template <typename Visit>
void each_end(Event& event, Visit&& visit) {
  if (event.kind != EventKind::kSendAcknowledged) return visit(event);
  for (SentMessage* sent = event.sent; sent != nullptr; sent = sent->next_sent) {
    Event one;
    one.kind = event.kind;
    one.assoc = event.assoc;
    one.endpoint = event.endpoint;
    one.user = event.user;
    one.context = sent->context;
    one.stream = sent->stream;
    one.ppid = sent->ppid;
    one.payload = std::move(sent->payload);
    visit(one);
  }
}

}  // namespace trunkline::test
