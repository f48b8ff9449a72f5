/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CTL_PARSE_H
#define REMUS_CTL_PARSE_H

#include <jansson.h>
#include <stddef.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

#define CTL_CMD_MAX 64

enum ctl_parsed {
    CTL_PARSED_MORE,     /* no whole line yet; *used is 0 */
    CTL_PARSED_REQUEST,  /* *request is a new reference to an object with a string "cmd" */
    CTL_PARSED_BAD,      /* a line that is none; `err` says why; the next line may be fine */
    CTL_PARSED_TOO_LONG, /* more than CTL_LINE_MAX bytes without a line's end: give up */
};

/**
 * Takes the first line off `len` bytes from a peer; *used is what to drop of them. Touches nothing
 * but its arguments.
 */
enum ctl_parsed ctl_parse(const char *data, size_t len, size_t *used, json_t **request,
                          struct err *err) MUST_CHECK;

#endif
