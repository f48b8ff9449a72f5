/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMCLIENT_JUDGE_H
#define REMUS_SIMCLIENT_JUDGE_H

#include "tools/sim/history.h"
#include "tools/sim/simclient.h"

/**
 * Judges a run of the counter and adds to `report`: "ops" (increments sent), "answered",
 * "unanswered", "base" and "final" (the first and the last read, null: not answered), "latency_us"
 * of increments, and "violations" with what is in `unsteady` (borrowed) and what history_check
 * finds.
 */
enum client_status counter_judge(const struct history *h, bool exclusive, json_t *unsteady,
                                 json_t *report);

#endif
