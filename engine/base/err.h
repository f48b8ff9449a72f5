/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_ERR_H
#define REMUS_ERR_H

#include "engine/base/compiler.h"

#define ERR_TEXT_MAX 256

/**
 * What a user is told when something is refused: what failed and why in `text`, what to do in
 * `hint` (may be empty). Both are one line without a trailing newline.
 */
struct err {
    char text[ERR_TEXT_MAX];
    char hint[ERR_TEXT_MAX];
};

/**
 * Fills `e` (NULL is allowed) and returns -1, keeping errno. `hint` is copied as it is (NULL:
 * none); both may quote `e` itself. Control characters become blanks.
 */
int err_set(struct err *e, const char *hint, const char *fmt, ...) PRINTF_LIKE(3, 4);

/** What to do behind what failed, in `e->text`: for where a hint has no place of its own. */
const char *err_line(struct err *e);

/** As err_set, with ": strerror(errno)" added to the text. */
int err_errno(struct err *e, const char *hint, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
