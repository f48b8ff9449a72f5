/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BACKUPD_IMPL_H
#define REMUS_BACKUPD_IMPL_H

#include "backupd/backupd.h"
#include "engine/base/supervisor.h"

/* What backupd.c (start, children, sessions) and backupd_command.c share. Nobody else includes it.
 */

struct backupd {
    const struct backupd_conf *conf;
    struct event_base *base;
    struct supervisor *sup;
    struct listener *listener;
    struct uuid *number; /* VM number -> its UUID; conf->max_vms entries */
    bool *taken;
};

/* The VM has no number any more: another one may have it. */
void backupd_free_number(struct backupd *d, const struct uuid *uuid);

/* The control socket's; `arg` is the struct backupd. */
void backupd_on_command(struct ctl_conn *conn, const char *cmd, json_t *request, void *arg);

#endif
