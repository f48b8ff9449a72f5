/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SWITCH_SOCK_H
#define REMUS_SWITCH_SOCK_H

#include <sys/un.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/** Both ends of a switch connection: the hub of tools/sim and the ports that plug into it. */

/** -1 with errno=EINVAL and `err` when `path` is empty or too long for a Unix socket. */
int switch_addr(const char *path, struct sockaddr_un *ret, struct err *err) MUST_CHECK;

/** Makes room for a burst of large frames in the socket, as far as the kernel lets us. */
void switch_sock_tune(int fd);

#endif
