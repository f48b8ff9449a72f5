/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define CONTEXT_MAX    64

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static const char *log_prog = "remus";
static enum log_level log_least = LOG_LEVEL_INFO;
static char log_ctx[CONTEXT_MAX];

void log_init(const char *prog, enum log_level level)
{
    log_prog = prog;
    log_least = level;
}

void log_context(const char *context)
{
    snprintf(log_ctx, sizeof(log_ctx), "%s", context ? context : "");
}

/* What snprintf really put into a buffer that had `room` bytes. */
static size_t printed(int rc, size_t room)
{
    if (rc < 0)
        return 0;
    return (size_t)rc < room ? (size_t)rc : room - 1;
}

/* Text may come from a guest or a peer: it must not be able to forge a line of its own. */
static void blank_controls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
}

static void log_line(enum log_level level, bool with_errno, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

static void log_line(enum log_level level, bool with_errno, const char *fmt, va_list args)
{
    char line[LINE_MAX_BYTES];
    size_t room = sizeof(line) - 1; /* the newline's place */
    int saved = errno;
    bool ctx = log_ctx[0] != '\0';

    if (level > log_least)
        return;
    size_t len = printed(snprintf(line, room, "%s%s%s%s: %s: ", log_prog, ctx ? "[" : "", log_ctx,
                                  ctx ? "]" : "", level_names[level]),
                         room);
    len += printed(vsnprintf(line + len, room - len, fmt, args), room - len);
    if (with_errno)
        len += printed(snprintf(line + len, room - len, ": %s", strerror(saved)), room - len);
    blank_controls(line, len);
    line[len++] = '\n';
    /* Nowhere is left to report a failure to. */
    ssize_t wrote = write(STDERR_FILENO, line, len);
    (void)wrote;
    errno = saved;
}

#define LOG_FUNCTION(name, level, with_errno)                                                      \
    void name(const char *fmt, ...)                                                                \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, fmt);                                                                       \
        log_line(level, with_errno, fmt, args);                                                    \
        va_end(args);                                                                              \
    }

LOG_FUNCTION(log_err, LOG_LEVEL_ERROR, true)
LOG_FUNCTION(log_errx, LOG_LEVEL_ERROR, false)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN, true)
LOG_FUNCTION(log_warnx, LOG_LEVEL_WARN, false)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, false)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, false)
