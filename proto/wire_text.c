/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/wire.h"

/** Octets of the UTF-8 sequence that `lead` begins, its smallest value in *ret_min; 0: none does.
 */
static size_t sequence_len(uint8_t lead, uint32_t *ret_min)
{
    if (lead < 0x80) {
        *ret_min = 0x20; /* no control characters */
        return lead == 0x7f ? 0 : 1;
    }
    if (lead >= 0xc0 && lead < 0xe0) {
        *ret_min = 0x80;
        return 2;
    }
    if (lead >= 0xe0 && lead < 0xf0) {
        *ret_min = 0x800;
        return 3;
    }
    *ret_min = 0x10000;
    return lead >= 0xf0 && lead < 0xf8 ? 4 : 0;
}

static bool text_valid(const uint8_t *p, size_t n)
{
    while (n > 0) {
        uint32_t min;
        size_t len = sequence_len(*p, &min);

        if (len == 0 || len > n)
            return false;
        uint32_t v = len == 1 ? *p : *p & (0x7fu >> len);
        for (size_t i = 1; i < len; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            v = v << 6 | (p[i] & 0x3f);
        }
        if (v < min || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
            return false;
        p += len;
        n -= len;
    }
    return true;
}

void rcur_text(struct rcur *c, char *dst, size_t max)
{
    size_t n = rcur_u16(c);
    const uint8_t *p = n == 0 || n > max ? NULL : rcur_bytes(c, n);

    if (!p || !text_valid(p, n)) {
        c->bad = true;
        n = 0;
    } else {
        memcpy(dst, p, n);
    }
    dst[n] = '\0';
}

void wcur_text(struct wcur *c, const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);

    if (n == 0 || n > max || !text_valid((const uint8_t *)text, n)) {
        c->bad = true;
        return;
    }
    wcur_u16(c, n);
    wcur_bytes(c, text, n);
}
