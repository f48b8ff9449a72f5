/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_XEN_H
#define REMUS_BENCH_XEN_H

#include "engine/base/err.h"

/**
 * Becomes the program that measures on the laboratory's Xen hosts (bench/xen), in the source tree
 * $REMUS_SOURCE or else in the directory above that of this program. argv[-1] may be overwritten
 * and argv[0] is: what follows are its arguments. Returns only when that fails, with err.
 */
void bench_xen(char **argv, struct err *err);

#endif
