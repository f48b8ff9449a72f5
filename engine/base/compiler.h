/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_COMPILER_H
#define REMUS_COMPILER_H

/** The result says whether data or a promise was kept: dropping it is a bug. */
#define MUST_CHECK __attribute__((warn_unused_result))

/** Let the compiler check a printf-like function's arguments. */
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
