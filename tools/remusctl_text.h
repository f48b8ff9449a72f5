/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSCTL_TEXT_H
#define REMUS_REMUSCTL_TEXT_H

#include <jansson.h>
#include <stddef.h>

#include "engine/base/compiler.h"

/**
 * Values of status objects as short texts. The daemon's answer is not trusted to be complete: a
 * value that is absent or of another type shows as "-".
 */
#define TEXT_MAX 320
struct text {
    char s[TEXT_MAX];
};

/** Replaces what could command a terminal, in place. */
void text_clean(char *s);

struct text text_of(const char *fmt, ...) PRINTF_LIKE(1, 2);
struct text text_str(const json_t *object, const char *key);
struct text text_num(const json_t *object, const char *key, int decimals);
struct text text_bytes(const json_t *object, const char *key); /* "1.5 GiB" */
struct text text_ms(const json_t *object, const char *key);    /* "12 ms", "3.4 s", "2 h 5 min" */
/** Microseconds of a {"last", "p50", "p99", "max"} object as milliseconds: "0.31". */
struct text text_us_as_ms(const json_t *stats, const char *key);

/** Aligned columns; notes are lines that belong to the row before them and are not aligned. */
struct table;
struct table *table_new(size_t columns);
void table_row(struct table *t, const struct text *cells);
void table_note(struct table *t, const struct text *note);
/** Prints everything to stdout and frees the table. */
void table_print(struct table *t);

#endif
