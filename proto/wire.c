/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/wire.h"

/* ---- reading ---- */

const uint8_t *rcur_bytes(struct rcur *c, size_t n)
{
    if (c->bad || n > (size_t)(c->end - c->p)) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}

static uint64_t rcur_le(struct rcur *c, unsigned octets)
{
    const uint8_t *p = rcur_bytes(c, octets);
    uint64_t v = 0;

    for (unsigned i = octets; p && i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

uint8_t rcur_u8(struct rcur *c)
{
    return (uint8_t)rcur_le(c, 1);
}

uint16_t rcur_u16(struct rcur *c)
{
    return (uint16_t)rcur_le(c, 2);
}

uint32_t rcur_u32(struct rcur *c)
{
    return (uint32_t)rcur_le(c, 4);
}

uint64_t rcur_u64(struct rcur *c)
{
    return rcur_le(c, 8);
}

bool rcur_done(const struct rcur *c)
{
    return !c->bad && c->p == c->end;
}

/* ---- writing ---- */

static uint8_t *wcur_take(struct wcur *c, size_t n)
{
    if (c->bad || n > (size_t)(c->end - c->p)) {
        c->bad = true;
        return NULL;
    }
    uint8_t *p = c->p;
    c->p += n;
    return p;
}

static void wcur_le(struct wcur *c, uint64_t v, unsigned octets)
{
    if (octets < 8 && v >> (8 * octets) != 0)
        c->bad = true;
    uint8_t *p = wcur_take(c, octets);
    for (unsigned i = 0; p && i < octets; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

void wcur_u8(struct wcur *c, uint64_t v)
{
    wcur_le(c, v, 1);
}

void wcur_u16(struct wcur *c, uint64_t v)
{
    wcur_le(c, v, 2);
}

void wcur_u32(struct wcur *c, uint64_t v)
{
    wcur_le(c, v, 4);
}

void wcur_u64(struct wcur *c, uint64_t v)
{
    wcur_le(c, v, 8);
}

void wcur_bytes(struct wcur *c, const void *src, size_t n)
{
    uint8_t *p = wcur_take(c, n);

    if (p && n)
        memcpy(p, src, n);
}
