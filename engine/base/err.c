/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/text.h"

/* Built aside first: callers may quote `e`'s own text in the new one. */
static void fill(struct err *e, const char *hint, const char *reason, const char *fmt, va_list args)
    __attribute__((format(printf, 4, 0)));

static void fill(struct err *e, const char *hint, const char *reason, const char *fmt, va_list args)
{
    struct err made = {0};

    vsnprintf(made.text, sizeof(made.text), fmt, args);
    if (reason) {
        size_t len = strlen(made.text);
        snprintf(made.text + len, sizeof(made.text) - len, ": %s", reason);
    }
    snprintf(made.hint, sizeof(made.hint), "%s", hint ? hint : "");
    text_clean(made.text);
    text_clean(made.hint);
    *e = made;
}

int err_set(struct err *e, const char *hint, const char *fmt, ...)
{
    int saved = errno;

    if (e) {
        va_list args;
        va_start(args, fmt);
        fill(e, hint, NULL, fmt, args);
        va_end(args);
    }
    errno = saved;
    return -1;
}

const char *err_line(struct err *e)
{
    if (e->hint[0])
        (void)err_set(e, "", "%s; %s", e->text, e->hint);
    return e->text;
}

int err_errno(struct err *e, const char *hint, const char *fmt, ...)
{
    int saved = errno;

    if (e) {
        va_list args;
        va_start(args, fmt);
        fill(e, hint, strerror(saved), fmt, args);
        va_end(args);
    }
    errno = saved;
    return -1;
}
