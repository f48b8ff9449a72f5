/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/uuid.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static bool dash_at(size_t pos)
{
    return pos == 8 || pos == 13 || pos == 18 || pos == 23;
}

/* isxdigit() follows the locale; this must not. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int uuid_parse(const char *text, struct uuid *ret)
{
    struct uuid u = {0};
    size_t digits = 0;

    if (strnlen(text, UUID_TEXT_LEN + 1) != UUID_TEXT_LEN)
        goto bad;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (dash_at(i)) {
            if (text[i] != '-')
                goto bad;
            continue;
        }
        int value = hex_value(text[i]);
        if (value < 0)
            goto bad;
        u.byte[digits / 2] = (uint8_t)(u.byte[digits / 2] << 4 | value);
        digits++;
    }
    *ret = u;
    return 0;
bad:
    errno = EINVAL;
    return -1;
}

void uuid_format(const struct uuid *u, char text[UUID_TEXT_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    size_t digits = 0;

    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (dash_at(i)) {
            text[i] = '-';
            continue;
        }
        text[i] = hex[u->byte[digits / 2] >> (digits % 2 ? 0 : 4) & 0xf];
        digits++;
    }
    text[UUID_TEXT_LEN] = '\0';
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}
