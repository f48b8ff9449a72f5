/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_LOOPBACK_H
#define REMUS_BENCH_LOOPBACK_H

#include <stddef.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/** 1e6 octets a second that TCP carries from this process to another on this machine. -1 with err.
 */
int loopback_rate(size_t octets, double *ret, struct err *err) MUST_CHECK;

#endif
