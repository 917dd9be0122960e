// SPDX-License-Identifier: BSD-3-Clause
// Loss by time, of an association whose profile says `rack` (RFC 8985 section 6): what a SACK says
// of round trips and reordering, what is late when it comes and when the reordering timer fires,
// and recoveries that are undone. The timer is the sender's, so that T3 is put off by nothing.
#include <algorithm>

#include "assoc/context.h"
#include "wire/sack_chunk.h"

namespace trunkline {

void Association::take_sack_by_time(ShardContext& ctx, TimePoint now, const wire::SackChunk& sack,
                                    SackOutcome& outcome) {
  Deliveries deliveries;
  outcome.deliveries = &deliveries;
  sender_.acknowledge(sender_context(ctx), sack, outcome);
  outcome.deliveries = nullptr;
  bool taken_back = false;
  for (Path* path : paths()) {
    const Deliveries::PerPath& said = deliveries.paths[path->index];
    Rack& rack = *path->rack();
    // Step 1: without a round trip there would be no window.
    const auto& rtt_from = outcome.paths[path->index].rtt_from;
    if (!rack.measured() && rtt_from) rack.on_sample(now - *rtt_from);
    // Step 3: it came after what had been sent later.
    if (said.first.any && rack.knows() &&
        rack.is_before_newest(now, said.first.at, said.first.tsn)) {
      rack.see_reordering();
    }
    if (said.last.any) rack.on_delivered(now, said.last.at, said.last.tsn);
    if (said.again.any) {
      rack.on_delivered_again(now, said.again.at, said.again.tsn, said.again.by_recovery);
    }
    taken_back = taken_back || outcome.paths[path->index].reneged;
  }
  judge_duplicates(ctx, sack);
  // A SACK that was overtaken takes back what the next one acknowledges anew.
  if (!taken_back) find_late(now, outcome);
}

// With the last gap what was delivered means nothing any more.
void Association::forget_deliveries() {
  if (!sender_.is_plain() || sender_.any_again()) return;
  for (Path* path : paths()) path->rack()->forget();
}

// Of each path, what is late now (step 5), and when something else will be.
void Association::find_late(TimePoint now, SackOutcome& outcome) {
  const bool sure = sender_.in_recovery() || sender_.reports_enough();
  LateLimits limits;
  bool any = false;
  for (const Path* path : paths()) {
    if (!path->rack()->knows()) continue;
    limits[path->index] = {.any = true,
                           .newest_tsn = path->rack()->newest_tsn(),
                           .newest_us = path->rack()->newest_us(now),
                           .patience = path->rack()->patience(sure, path->rto.srtt())};
    any = true;
  }
  if (any) sender_.find_late(now, limits, outcome);
}

void Association::on_reordering_time(ShardContext& ctx, TimePoint now) {
  if (!sends_data()) return;
  SackOutcome outcome;
  find_late(now, outcome);
  if (!outcome.lost) return;
  close_loss_probes(outcome);
  apply_outcome(ctx, now, outcome);
  sender_.take_window();
  abandon_lost(ctx, now);
}

// What came twice had not been lost, if the recovery has sent it: not before what was acknowledged
// when it began. Whose answer a probe is says judge_loss_probes(). Where two paths are in recovery,
// nobody knows which of them it was.
void Association::judge_duplicates(ShardContext& ctx, const wire::SackChunk& sack) {
  if (sack.dup_count() == 0) return;
  Path* recovered = nullptr;
  for (Path* path : paths()) {
    if (!path->congestion.may_undo()) continue;
    if (recovered != nullptr) return;
    recovered = path;
  }
  if (recovered == nullptr) return;
  for (size_t i = 0; i < sack.dup_count(); ++i) {
    count_steps();
    const Tsn tsn = sack.dup(i);
    if (!tsn.after(recovered->detail()->recovery_from) || !tsn.before(sender_.next_tsn()) ||
        is_loss_probe(tsn))
      continue;
    recovered->rack()->on_spurious();
    if (!recovered->rack()->on_came_twice() || sender_.has_again()) continue;
    recovered->congestion.undo();
    sender_.end_recovery();
    ctx.counters.add(Counter::k_recoveries_undone);
    return;
  }
}

bool Association::is_loss_probe(Tsn tsn) const {
  const auto tsn16 = static_cast<uint16_t>(tsn.value);
  return std::any_of(paths().begin(), paths().end(), [&](const Path* path) {
    return path->loss_probe_open && path->loss_probe == tsn16;
  });
}

void Association::begin_recovery(Path& path) {
  if (profile_->loss_recovery != LossRecovery::kRack) return path.congestion.on_fast_retransmit();
  for (Path* each : paths()) each->detail()->recovery_from = sender_.cum_ack();
  path.congestion.on_doubtful_retransmit();
  path.rack()->begin_recovery();
}

void Association::count_sent_again(Path& path, uint16_t chunks) {
  path.count_sent_again(chunks);
  if (path.rack() != nullptr) path.rack()->on_sent_again(chunks);
}

// It was measured on what was sent after the recovery: what came twice has been told.
void Association::on_sample_by_time(Path& path, Duration rtt) {
  path.rack()->on_sample(rtt);
  if (!sender_.in_recovery()) path.congestion.forget();
}

void Association::end_recovery_by_time() {
  for (Path* path : paths()) {
    if (path->rack() != nullptr) path->rack()->on_recovery_end();
  }
}

}  // namespace trunkline
