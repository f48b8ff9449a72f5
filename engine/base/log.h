/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_LOG_H
#define REMUS_LOG_H

#include "engine/base/compiler.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/**
 * Lines go to stderr as "PROG[CONTEXT]: LEVEL: text"; systemd or the caller takes them from there.
 * One write(2) per line, so lines of several processes never mix. Every function keeps errno.
 * `prog` must outlive the process.
 */
void log_init(const char *prog, enum log_level level);

/** Adds "[CONTEXT]" (e.g. the VM's name) to every later line; copied, NULL removes it. */
void log_context(const char *context);

/** The `x` variants leave out ": strerror(errno)". */
void log_err(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_errx(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warnx(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
