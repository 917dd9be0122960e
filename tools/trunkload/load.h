// SPDX-License-Identifier: BSD-3-Clause
// The loop that moves the load. One thread, one lane. load.c opens, runs and ends; send.c sends;
// take.c takes what comes.
#ifndef TRUNKLOAD_LOAD_H
#define TRUNKLOAD_LOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "state.h"

uint64_t load_now_ns(void);
void load_break(Load* load, const char* what, const char* why);
// False: it could not begin, which was said.
bool load_open(Load* load);
// Until every association is over, or it broke.
void load_run(Load* load, volatile sig_atomic_t* interrupts);
void load_close(Load* load);

// -- send.c
void load_mark_ready(Load* load, Association* a);
// Sends what may be sent; ends what is done, where that is this side's part.
void load_pump(Load* load, Association* a, uint64_t now);
// This side has sent and received all that there is to be.
bool load_is_done(const Load* load, const Association* a);
void load_answer(Load* load, Association* a, const tl_event* event);
void load_flush_answers(Load* load);
void load_drop_pending(Association* a);
// So many messages are to come in all.
void load_set_end(Association* a, uint64_t messages);
// How many messages this one sends in all; 0: not known yet.
uint64_t load_total_of(const Load* load, const Association* a);

// -- take.c
void load_handle(Load* load, const tl_event* event, uint64_t now);

#endif
