/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSCTL_COMMANDS_H
#define REMUS_REMUSCTL_COMMANDS_H

#include "tools/remusctl_args.h"

/** What each command does; all return an enum ctl_exit. */
int cmd_protect(const struct ctl_args *args);
int cmd_unprotect(const struct ctl_args *args);
int cmd_list(const struct ctl_args *args);
int cmd_status(const struct ctl_args *args);
int cmd_events(const struct ctl_args *args);
int cmd_failover(const struct ctl_args *args);
int cmd_export(const struct ctl_args *args);
int cmd_forget(const struct ctl_args *args);
int cmd_version(const struct ctl_args *args);

#endif
