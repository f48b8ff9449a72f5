/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_UUID_H
#define REMUS_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/compiler.h"

#define UUID_TEXT_LEN 36

struct uuid {
    uint8_t byte[16]; /* in the order of the text form, as Xen's domain handle has them */
};

/** 8-4-4-4-12 hex digits, either case; -1 with errno=EINVAL for anything else. */
int uuid_parse(const char *text, struct uuid *ret) MUST_CHECK;

/** Lower case, NUL-terminated. */
void uuid_format(const struct uuid *u, char text[UUID_TEXT_LEN + 1]);
bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
