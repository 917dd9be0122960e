// SPDX-License-Identifier: BSD-3-Clause
// Who of a port's workers is told what of its neighbours. Of what contradicts a living neighbour
// one worker is the judge: where the frame came in, or else the first after it that knows the
// neighbour. All others keep what they have until its verdict. Pure; no DPDK in here.
#pragma once

#include "worker/hand_over.h"

namespace trunkline::worker {

// Calls `tell(worker, message)` for all but `from`, which has learnt it; the next one may judge.
template <typename Tell>
void tell_news(uint16_t from, uint16_t workers, uint16_t port,
               const net::NeighbourActions::Lesson& lesson, Tell&& tell) {
  HandOver message;
  message.kind = HandOverKind::kNeighbour;
  message.port = port;
  message.source = lesson.address;
  message.has_mac = lesson.mac.has_value();
  message.mac = lesson.mac.value_or(net::MacAddress{});
  message.news = lesson.news;
  for (uint16_t hop = 1; hop < workers; ++hop) {
    tell(static_cast<uint16_t>((from + hop) % workers), message);
    if (message.news.source == net::NewsSource::kFrame) {
      message.news.source = net::NewsSource::kTold;
    }
  }
}

// What was told to `at`, which has made this of it: if it was to judge and has no doubt, the next
// one may have.
template <typename Tell>
void pass_news_on(uint16_t at, uint16_t workers, const HandOver& news,
                  net::NeighbourTable::Learnt learnt, Tell&& tell) {
  if (learnt == net::NeighbourTable::Learnt::kDoubted) return;
  if (news.news.source != net::NewsSource::kFrame || !news.has_mac) return;
  HandOver message = news;
  if (++message.hand_overs >= workers - 1) return;  // all have seen it
  tell(static_cast<uint16_t>((at + 1) % workers), message);
}

}  // namespace trunkline::worker
