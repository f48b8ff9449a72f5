/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Octets of the character at `p` by RFC 3629; 0: it is none. */
static size_t character(const unsigned char *p)
{
    static const struct {
        uint32_t least;
        unsigned char mask, lead;
    } form[] = {{0, 0x80, 0}, {0x80, 0xe0, 0xc0}, {0x800, 0xf0, 0xe0}, {0x10000, 0xf8, 0xf0}};

    for (size_t more = 0; more < 4; more++) {
        if ((p[0] & form[more].mask) != form[more].lead)
            continue;
        uint32_t value = p[0] & (unsigned char)~form[more].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (p[i] & 0x3f);
        }
        bool surrogate = value >= 0xd800 && value <= 0xdfff;
        return value < form[more].least || value > 0x10ffff || surrogate ? 0 : more + 1;
    }
    return 0;
}

void text_clean(char *text)
{
    unsigned char *p = (unsigned char *)text;

    while (*p) {
        size_t n = character(p);
        if (n == 0)
            *p = '?';
        else if (*p < 0x20 || *p == 0x7f)
            *p = ' ';
        p += n ? n : 1;
    }
}
