/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSCTL_ARGS_H
#define REMUS_REMUSCTL_ARGS_H

#include <argp.h>
#include <stdbool.h>

#include "engine/base/compiler.h"

/** Exit statuses, as documented in remusctl(8). */
enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,    /* the daemon refused, failed or talked nonsense */
    CTL_USAGE = 2,     /* nothing was asked of any daemon */
    CTL_NO_DAEMON = 3, /* not running, no rights, or gone before it answered */
    CTL_UNKNOWN_VM = 4,
    CTL_TIMEOUT = 5,
    CTL_UNPROTECTED = 6, /* `status VM`: known, but not protected or degraded */
};

/** The command line; strings point into argv. */
struct ctl_args {
    const char *socket; /* NULL: the default ones */
    bool backup, json;
    int timeout_ms; /* for one reply; -1: for ever */
    bool timeout_given;

    const char *vm, *file, *to, *hold, *suspend; /* NULL: not given */
    int epoch_ms;                                /* 0: not given */
    bool unsafe, wait, force, watch, follow;
};

struct ctl_command {
    const char *name, *args_doc, *doc;
    const struct argp_option *options;       /* NULL: only the global ones */
    int words_min, words_max;                /* how many arguments: a VM, then a FILE */
    int (*run)(const struct ctl_args *args); /* returns an enum ctl_exit */
};

enum ctl_option {
    OPT_SOCKET = 256,
    OPT_BACKUP,
    OPT_JSON,
    OPT_TIMEOUT,
    OPT_TO,
    OPT_EPOCH,
    OPT_HOLD,
    OPT_SUSPEND,
    OPT_UNSAFE,
    OPT_WAIT,
    OPT_FORCE,
    OPT_WATCH,
    OPT_FOLLOW,
};

/** The command chosen from `table` (ended by name=NULL). Exits with CTL_USAGE on a bad line. */
const struct ctl_command *ctl_args_parse(int argc, char **argv, const struct ctl_command *table,
                                         const char *doc, struct ctl_args *ret);

/** Prints "remusctl: ..." and the hint (may be NULL); returns CTL_USAGE. */
int ctl_usage_error(const char *hint, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
