/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSCTL_STATUS_H
#define REMUS_REMUSCTL_STATUS_H

#include <jansson.h>
#include <stdbool.h>

#include "tools/remusctl_text.h"

/** All take status objects as in docs/control.md and write to stdout. */

/** One line per VM: what there is, in which state. */
void status_print_list(const json_t *vms);

/** One line per VM: how it does; reasons of a degraded state on lines of their own. */
void status_print_table(const json_t *vms);

/** Everything about one VM. */
void status_print_detail(const json_t *vm);

/** A sealed epoch would be resumed if the primary died now, and nothing is degraded. */
bool status_is_good(const json_t *vm);

/** One line about the first copy, or about the state when there is none under way. */
struct text status_progress(const json_t *vm);

#endif
