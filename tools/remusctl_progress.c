/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/remusctl_progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void progress_begin(struct progress *p)
{
    *p = (struct progress){.tty = isatty(STDERR_FILENO) == 1, .tenth = -1};
}

void progress_show(struct progress *p, struct text line, double done, double total)
{
    int tenth = total > 0 && done >= 0 && done <= total ? (int)(10 * done / total) : -1;

    if (strcmp(line.s, p->shown.s) == 0 || (!p->tty && tenth >= 0 && tenth == p->tenth))
        return;
    fprintf(stderr, p->tty ? "\r\033[K%s" : "%s\n", line.s);
    p->tenth = tenth;
    p->shown = line;
}

void progress_end(struct progress *p)
{
    if (p->tty)
        fputs("\r\033[K", stderr);
}
