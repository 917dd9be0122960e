// SPDX-License-Identifier: BSD-3-Clause
// What an association may send now, its messages, answers, and its end.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "load.h"
#include "payload.h"

void load_mark_ready(Load* load, Association* a) {
  if (!a->ready) {
    a->ready = true;
    load->ready[load->ready_count++] = (uint32_t)(a - load->associations);
  }
}

// How many messages association `index` sends when the whole run sends `all`, in turn.
static uint64_t share_of(const Load* load, uint32_t index, uint64_t all) {
  const uint64_t n = load->options.associations;
  return all / n + (index < all % n ? 1 : 0);
}

uint64_t load_total_of(const Load* load, const Association* a) {
  return share_of(load, (uint32_t)(a - load->associations), load->options.count);
}

static bool has_sent_all(const Load* load, const Association* a) {
  return load->stopped || (load->options.count != 0 && a->next >= load_total_of(load, a));
}

// How far the closed loop lets it go.
static uint64_t window_end(const Load* load, const Association* a, uint64_t now) {
  const Options* o = &load->options;
  if (o->window == 0 || (a->end_at != kNoEnd && o->traffic == kTrafficBoth)) {
    return UINT64_MAX;  // a peer that has sent its last opens no window any more
  }
  uint64_t window = o->window;
  if (now < load->measure_ns) {
    window = window * (now - load->begun_ns) / o->ramp_ns;
    window = window == 0 ? 1 : window;
  }
  return (o->traffic == kTrafficOneWay ? a->acked : a->seen) + window;
}

// The number that the next message must stay below.
static uint64_t send_end(const Load* load, const Association* a, uint64_t now) {
  const Options* o = &load->options;
  const uint32_t index = (uint32_t)(a - load->associations);
  if (!load->begun || load->stopped || !options_sends(o)) {
    return 0;
  }
  uint64_t end = o->rate > 0 ? share_of(load, index, load->due) : window_end(load, a, now);
  if (o->count != 0) {
    const uint64_t all = share_of(load, index, o->count);
    end = end < all ? end : all;
  }
  return end;
}

static uint64_t size_key(const Load* load, const Association* a) {
  return sizes_scatter(load->options.seed + (uint64_t)(a - load->associations));
}

// Where --fault spoils what leaves: in the first association.
static const Fault* fault_of(const Load* load, const Association* a) {
  static const Fault kNone;
  return a == load->associations ? &load->options.fault : &kNone;
}

static void write_checked(const Load* load, const Association* a, uint64_t number, uint64_t due,
                          uint8_t* out, uint32_t size) {
  const Options* o = &load->options;
  const uint64_t all = load_total_of(load, a);
  const uint64_t stream = number % o->streams;
  const CheckHeader header = {
      .assoc = (uint32_t)(a - load->associations) | (o->listen ? kCheckFromListener : 0),
      .sequence = (uint32_t)(number / o->streams),
      .total = all == 0 ? 0 : (uint32_t)((all - stream + o->streams - 1) / o->streams),
      .stream = (uint16_t)stream,
      .in_ramp = due < load->measure_ns,
      .due_ns = due};
  check_write(out, size, &header, o->seed);
  if (fault_corrupts(fault_of(load, a), number, o->streams, all)) {
    out[size - 1] ^= 0x10;
  }
}

// Writes message `number` where there is room for it. Returns its size; 0: there is not enough.
static uint32_t write_message(const Load* load, const Association* a, uint64_t key, uint64_t number,
                              uint64_t due, uint8_t* out, uint32_t room) {
  const Options* o = &load->options;
  if (o->verify) {
    number = fault_swapped(fault_of(load, a), number, o->streams, load_total_of(load, a));
  }
  const uint32_t size = sizes_pick(&o->sizes, key, number);
  if (size > room) {
    return 0;
  }
  if (o->verify) {
    write_checked(load, a, number, due, out, size);
  } else {
    payload_write(out, size, due < load->measure_ns ? kPayloadRamp : kPayloadMessage, due, number);
  }
  return size;
}

// Writes up to a burst of messages, numbers `a->next` to below `end`. Returns how many.
static uint32_t write_burst(const Load* load, const Association* a, uint64_t end, uint64_t now,
                            tl_message* out) {
  const Options* o = &load->options;
  const uint64_t index = (uint64_t)(a - load->associations);
  const uint64_t key = size_key(load, a);
  const uint16_t flags = o->unordered ? TL_SEND_UNORDERED : 0;
  uint32_t used = 0;
  uint32_t count = 0;
  uint64_t stream = a->next % o->streams;
  for (uint64_t number = a->next; number < end && count < kBurst; number++) {
    const uint64_t due =
        o->rate > 0 ? schedule_time(&load->schedule, index + number * o->associations) : now;
    uint8_t* const data = load->scratch + used;
    const uint32_t size = write_message(load, a, key, number, due, data, load->scratch_size - used);
    if (size == 0) {
      break;
    }
    out[count] = (tl_message){.data = data,
                              .length = size,
                              .stream = (uint16_t)stream,
                              .flags = flags,
                              .ppid = (uint32_t)o->ppid,
                              .context = number};
    if (load->marker != 0 && number % load->marker == 0) {
      out[count].flags |= TL_SEND_NOTIFY;
    }
    count++;
    used += size;
    stream = stream + 1 == o->streams ? 0 : stream + 1;
  }
  return count;
}

// --fault drop: the message counts as sent, and nobody gets it. Returns where the burst must end.
static uint64_t skip_dropped(Load* load, Association* a, uint64_t end) {
  const Fault* fault = fault_of(load, a);
  const uint64_t all = load_total_of(load, a);
  if (fault_drops(fault, a->next, load->options.streams, all)) {
    a->next++;
    load->counts.sent++;
  } else if (end > fault->at && a->next < fault->at &&
             fault_drops(fault, fault->at, load->options.streams, all)) {
    return fault->at;
  }
  return end;
}

static void count_sent(Load* load, Association* a, const tl_message* sent, uint32_t count,
                       uint64_t now) {
  a->next += count;
  load->counts.sent += count;
  for (uint32_t i = 0; i < count; i++) {
    load->counts.sent_bytes += sent[i].length;
  }
  if (now >= load->measure_ns) {
    load->measured.sent += count;
    load->measured.sent_last_ns = now;
  }
}

// What a send call said, where that is not how many. True: the association takes no more now.
static bool is_refused(Load* load, int result) {
  if (result < 0 && result != -EAGAIN && result != -ENOTCONN && result != -EPIPE) {
    load_break(load, "send", tl_last_error());  // of an ended association, its events tell
  }
  return result <= 0;
}

// False: the daemon has no room for it; TL_EVENT_WRITABLE will follow.
static bool send_messages(Load* load, Association* a, uint64_t now) {
  tl_message burst[kBurst];
  uint64_t end;
  while ((end = send_end(load, a, now)) > a->next) {
    if (load->options.fault.kind == kFaultDrop) {
      end = skip_dropped(load, a, end);
    }
    const uint32_t count = write_burst(load, a, end, now, burst);
    if (count == 0) {
      continue;  // the one that was dropped was the last
    }
    const int taken = tl_send_burst(load->lane, a->handle, burst, count);
    if (is_refused(load, taken)) {
      return false;
    }
    count_sent(load, a, burst, (uint32_t)taken, now);
    if ((uint32_t)taken < count) {
      return false;
    }
  }
  return true;
}

// ---------------------------------------------------------------- answers

static void keep_answer(Load* load, Association* a, const tl_message* message) {
  Pending* const pending = malloc(sizeof(Pending) + message->length);
  if (pending == NULL) {
    load_break(load, "memory", "there is not enough for the answers that wait");
    return;
  }
  pending->next = NULL;
  pending->message = *message;
  pending->message.data = pending->data;
  memcpy(pending->data, message->data, message->length);
  *(a->pending == NULL ? &a->pending : &a->pending_last->next) = pending;
  a->pending_last = pending;
}

static void count_answers(Load* load, const tl_message* sent, uint32_t count) {
  load->counts.sent += count;
  for (uint32_t i = 0; i < count; i++) {
    load->counts.sent_bytes += sent[i].length;
  }
}

void load_flush_answers(Load* load) {
  Association* const a = load->answer_to;
  const uint32_t count = load->answer_count;
  int taken = 0;
  if (count > 0 && a->pending == NULL) {
    taken = tl_send_burst(load->lane, a->handle, load->answers, count);
    taken = is_refused(load, taken) ? 0 : taken;
    count_answers(load, load->answers, (uint32_t)taken);
  }
  for (uint32_t i = (uint32_t)taken; i < count; i++) {
    keep_answer(load, a, &load->answers[i]);
  }
  load->answer_count = 0;
  load->answer_scratch = 0;
}

// The answer's bytes: the request's, in one piece; or, as a protocol has them, its header and as
// many as the preset says.
static const void* answer_bytes(Load* load, Association* a, const tl_event* event, uint32_t* size) {
  const Options* o = &load->options;
  const bool same = o->preset == NULL || o->verify;
  *size = same ? event->length : sizes_pick(&o->sizes, size_key(load, a), a->seen);
  if (same && event->piece_count == 1) {
    return event->data;
  }
  if (load->answer_scratch + *size > load->scratch_size) {
    load_flush_answers(load);
  }
  uint8_t* const data = load->scratch + load->answer_scratch;
  load->answer_scratch += *size;
  if (same) {
    tl_event_copy(load->lane, event, data, *size);
    return data;
  }
  uint64_t due = 0;
  const PayloadKind kind = payload_read(event->data, event->data_length, &due);
  payload_write(data, *size, kind, due, a->seen);
  return data;
}

void load_answer(Load* load, Association* a, const tl_event* event) {
  if (load->answer_to != a || load->answer_count == kBurst) {
    load_flush_answers(load);
    load->answer_to = a;
  }
  uint32_t size = 0;
  const void* const data = answer_bytes(load, a, event, &size);
  load->answers[load->answer_count++] = (tl_message){.data = data,
                                                     .length = size,
                                                     .stream = event->stream,
                                                     .flags = event->flags,
                                                     .ppid = event->ppid};
}

// False: the daemon has no room for all of them.
static bool send_pending(Load* load, Association* a) {
  while (a->pending != NULL) {
    tl_message burst[kBurst];
    uint32_t count = 0;
    for (const Pending* p = a->pending; p != NULL && count < kBurst; p = p->next) {
      burst[count++] = p->message;
    }
    const int taken = tl_send_burst(load->lane, a->handle, burst, count);
    if (is_refused(load, taken)) {
      return false;
    }
    count_answers(load, burst, (uint32_t)taken);
    for (int i = 0; i < taken; i++) {
      Pending* const gone = a->pending;
      a->pending = gone->next;
      free(gone);
    }
  }
  return true;
}

void load_drop_pending(Association* a) {
  while (a->pending != NULL) {
    Pending* const gone = a->pending;
    a->pending = gone->next;
    free(gone);
  }
}

// ---------------------------------------------------------------- the end

void load_set_end(Association* a, uint64_t messages) {
  a->end_at = messages;
  if (a->ledger != NULL) {
    ledger_end(a->ledger, messages);
  }
}

// True: the peer has been told how many messages went before.
static bool send_end_mark(Load* load, Association* a) {
  if (!a->end_sent) {
    uint8_t data[16];
    payload_write_end(data, a->next);
    const tl_message message = {.data = data, .length = sizeof(data)};
    a->end_sent = tl_send_burst(load->lane, a->handle, &message, 1) == 1;
  }
  return a->end_sent;
}

static bool has_received_all(const Load* load, const Association* a) {
  if (load->options.verify) {
    return ledger_complete(a->ledger);
  }
  return a->end_at != kNoEnd && a->seen >= a->end_at;
}

bool load_is_done(const Load* load, const Association* a) {
  const Options* o = &load->options;
  switch (o->traffic) {
    case kTrafficOneWay:
      return options_sends(o) ? a->end_sent : has_received_all(load, a);
    case kTrafficBoth:
      return a->end_sent && has_received_all(load, a);
    case kTrafficEcho:
      return options_answers(o) ? a->pending == NULL
                                : has_sent_all(load, a) && has_received_all(load, a);
  }
  return false;
}

void load_pump(Load* load, Association* a, uint64_t now) {
  if (!a->up || a->over || a->closing || !send_pending(load, a)) {
    return;
  }
  if (!options_sends(&load->options) || !load->begun || !send_messages(load, a, now)) {
    return;
  }
  if (!has_sent_all(load, a)) {
    return;
  }
  if (load->options.traffic == kTrafficEcho) {
    load_set_end(a, a->next);
  } else if (!send_end_mark(load, a)) {
    return;
  }
  // Whoever sends ends it; where both do, the connecting side.
  const bool ends = load->options.traffic != kTrafficBoth || !load->options.listen;
  if (ends && load_is_done(load, a)) {
    a->closing = tl_shutdown(load->lane, a->handle) == 0;
    if (!a->closing) {
      load_mark_ready(load, a);  // no room for it now, and no event says when
    }
  }
}
