/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSCTL_PROGRESS_H
#define REMUS_REMUSCTL_PROGRESS_H

#include <stdbool.h>

#include "tools/remusctl_text.h"

/**
 * How long work comes along, on standard error. A terminal gets one line that is rewritten, a file
 * gets a line for every tenth of the way.
 */
struct progress {
    bool tty;
    int tenth;
    struct text shown;
};

void progress_begin(struct progress *p);
/** `done` of `total`; with a total of 0 each new line is shown. */
void progress_show(struct progress *p, struct text line, double done, double total);
/** Leaves the terminal's line empty. */
void progress_end(struct progress *p);

#endif
