// SPDX-License-Identifier: BSD-3-Clause
// For tests that look at one message at a time: a kSendAcknowledged becomes one event for each of
// its messages, with context and payload as a kSendFailed has them; others stay as they are. What a
// visit leaves of a payload is dropped by each_end(), and put back by show_each_end().
#pragma once

#include <utility>

#include "trunkline/stack/stack.h"

namespace trunkline::test {

template <typename Visit, typename Then>
void each_end(Event& event, Visit&& visit, Then&& then) {
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
    then(*sent, one);
  }
}

template <typename Visit>
void each_end(Event& event, Visit&& visit) {
  each_end(event, visit, [](SentMessage&, Event&) {});
}

template <typename Visit>
void show_each_end(Event& event, Visit&& visit) {
  each_end(event, visit,
           [](SentMessage& sent, Event& one) { sent.payload = std::move(one.payload); });
}

}  // namespace trunkline::test
