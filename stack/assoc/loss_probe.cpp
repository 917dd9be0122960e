// SPDX-License-Identifier: BSD-3-Clause
// T3 of an association whose profile says `early` or `rack`: what is left of the RTO counts
// (RFC 7765), and before it a probe asks for a sign of life (RFC 8985 section 7). Both share the
// path's one timer.
#include <algorithm>

#include "assoc/context.h"
#include "wire/sack_chunk.h"

namespace trunkline {
namespace {

// Below that a peer is not late, but has its turn.
constexpr Duration kShortestWait = std::chrono::milliseconds(10);
// SACK.Delay of section 16: how long a peer may put off the SACK for one packet that does not ask
// for it.
constexpr Duration kPeersSackDelay = std::chrono::milliseconds(200);

Duration loss_probe_wait(const Path& path) {
  return std::max(2 * path.rto.srtt(), kShortestWait);
}

}  // namespace

// T3 has just been started for a whole RTO.
void Association::hasten_t3(TimePoint now, Path& path, bool hastened) {
  path.loss_probe_armed = path.loss_probe_new = false;
  const TxChunk* const earliest = sender_.earliest(path.index);
  if (earliest == nullptr) return;
  if (sender_.has_few()) {
    const TimePoint due = earliest->sent_at + path.rto.value();
    if (due > now) path.t3 = due;  // RFC 7765 section 4
  }
  if (!path.loss_probe_spent) arm_loss_probe(now, path, hastened);
}

// T3 is started with the first chunk that is outstanding, and anew when the earliest one is
// acknowledged; not with each that is sent.
void Association::arm_loss_probe(TimePoint now, Path& path, bool hastened) {
  if (!path.rto.measured() || !path.usable() || !sender_.may_probe_loss()) return;
  Duration wait = loss_probe_wait(path);
  if (!hastened && sender_.has_one_packet()) wait += kPeersSackDelay;
  if (now + wait + path.rto.srtt() >= path.t3) return;  // no answer would come before T3
  path.t3 = now + wait;
  path.loss_probe_armed = true;
}

// The probe puts nothing off: T3 is when it would have been, so that a dead path is left as soon.
void Association::on_loss_probe_due(ShardContext& ctx, TimePoint now, Path& path) {
  path.loss_probe_armed = false;
  path.loss_probe_spent = true;
  const TxChunk* const earliest = sender_.earliest(path.index);
  const bool thin = earliest != nullptr && sender_.has_few();
  const TimePoint started = thin ? earliest->sent_at : path.t3 - loss_probe_wait(path);
  path.t3 = std::max(started + path.rto.value(), now + path.rto.srtt());
  if (!path.usable() || !sender_.may_probe_loss()) return;
  const bool takes_new = &path == &paths_.data_path();
  switch (sender_.probe_loss(*profile_, path.index, takes_new, paths_.fragment_limit())) {
    case Sender::LossProbe::kNone:
      return;
    case Sender::LossProbe::kNew:
      path.loss_probe_new = true;
      break;
    case Sender::LossProbe::kAgain:
      break;
  }
  ctx.counters.add(Counter::k_loss_probes);
  mark_ready(ctx);
}

// Section 7.4.2: who is told that the chunk came twice knows that it was not lost. Who hears of
// something sent later, and was not told, takes it for lost: cwnd shrinks once, as it does where
// recovery begins.
void Association::judge_loss_probes(const wire::SackChunk& sack, SackOutcome& outcome) {
  close_loss_probes(outcome);
  for (Path* path : paths()) {
    if (!path->loss_probe_open) continue;
    for (size_t i = 0; i < sack.dup_count(); ++i) {
      count_steps();
      if (static_cast<uint16_t>(sack.dup(i).value) == path->loss_probe) {
        path->loss_probe_open = false;
      }
    }
    if (!path->loss_probe_open || !sender_.is_past(path->loss_probe)) continue;
    path->loss_probe_open = false;
    outcome.paths[path->index].shrinks = outcome.shrinks = true;
  }
}

// Where recovery is about to begin, cwnd shrinks for that.
void Association::close_loss_probes(const SackOutcome& outcome) {
  if (sender_.in_recovery()) return;
  for (Path* path : paths()) {
    if (outcome.paths[path->index].lost) path->loss_probe_open = false;
  }
}

}  // namespace trunkline
