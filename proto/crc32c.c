/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/crc32c.h"

#include <string.h>

#include "proto/wire.h"

#define POLY_REFLECTED 0x82f63b78u

/** table[k][v]: what octet v does to the register when k more octets follow it. */
static uint32_t table[8][256];

static void table_make(void)
{
    for (uint32_t v = 0; v < 256; v++) {
        uint32_t reg = v;
        for (int bit = 0; bit < 8; bit++)
            reg = reg >> 1 ^ (reg & 1 ? POLY_REFLECTED : 0);
        table[0][v] = reg;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t v = 0; v < 256; v++)
            table[k][v] = table[k - 1][v] >> 8 ^ table[0][table[k - 1][v] & 0xff];
}

uint32_t crc32c_portable(uint32_t reg, const uint8_t *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t lo =
            reg ^ (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        reg = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^ table[5][lo >> 16 & 0xff] ^
              table[4][lo >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
              table[0][p[7]];
    }
    while (len-- > 0)
        reg = reg >> 8 ^ table[0][(reg ^ *p++) & 0xff];
    return reg;
}

#if defined(__x86_64__)

#include <nmmintrin.h>

/** The instruction takes three cycles but starts every cycle: three lanes keep it busy. */
#define LANE 1024u

/** shift[k][v]: the register v << 8k after LANE zero octets; linear, so four look-ups shift any. */
static uint32_t shift[4][256];

__attribute__((target("sse4.2"))) static uint64_t step(uint64_t reg, const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return _mm_crc32_u64(reg, v);
}

__attribute__((target("sse4.2"))) static void shift_make(void)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        uint64_t reg = 1u << bit;
        for (unsigned i = 0; i < LANE / 8; i++)
            reg = _mm_crc32_u64(reg, 0);
        uint32_t *t = shift[bit / 8];
        for (uint32_t v = 0; v < 256; v++)
            if (v >> (bit % 8) & 1)
                t[v] ^= (uint32_t)reg;
    }
}

static uint32_t shifted(uint64_t reg)
{
    return shift[0][reg & 0xff] ^ shift[1][reg >> 8 & 0xff] ^ shift[2][reg >> 16 & 0xff] ^
           shift[3][reg >> 24 & 0xff];
}

__attribute__((target("sse4.2"))) uint32_t crc32c_hw(uint32_t reg, const uint8_t *p, size_t len)
{
    uint64_t a = reg;

    for (; len >= 3 * LANE; len -= 3 * LANE, p += 3 * LANE) {
        uint64_t b = 0, c = 0;
        for (unsigned i = 0; i < LANE; i += 8) {
            a = step(a, p + i);
            b = step(b, p + LANE + i);
            c = step(c, p + 2 * LANE + i);
        }
        a = shifted(shifted(a) ^ b) ^ c;
    }
    for (; len >= 8; len -= 8, p += 8)
        a = step(a, p);
    while (len-- > 0)
        a = _mm_crc32_u8((uint32_t)a, *p++);
    return (uint32_t)a;
}

bool crc32c_hw_usable(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2");
}

#else

bool crc32c_hw_usable(void)
{
    return false;
}

uint32_t crc32c_hw(uint32_t reg, const uint8_t *p, size_t len)
{
    return crc32c_portable(reg, p, len);
}

static void shift_make(void)
{
}

#endif

static uint32_t (*crc32c)(uint32_t reg, const uint8_t *p, size_t len) = crc32c_portable;

/** Before main, so that no call has to ask whether the tables are there. */
__attribute__((constructor)) static void crc32c_choose(void)
{
    table_make();
    if (!crc32c_hw_usable())
        return;
    shift_make();
    crc32c = crc32c_hw;
}

uint32_t wire_crc32c(uint32_t crc, const void *buf, size_t len)
{
    return ~crc32c(~crc, buf, len);
}
