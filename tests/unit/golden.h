/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_GOLDEN_H
#define REMUS_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/**
 * Files whose octets are the protocol. Tests run in the root of the tree. REMUS_GOLDEN_UPDATE=1
 * writes them anew: only a new version of the protocol is a reason to.
 */
#define GOLDEN_DIR "tests/golden/"

static inline bool golden_update(void)
{
    return getenv("REMUS_GOLDEN_UPDATE") != NULL;
}

/** Octets read into buf[cap]; 0 when there is no such file or it is larger. */
static inline size_t golden_read(const char *path, uint8_t *buf, size_t cap)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    size_t n = fread(buf, 1, cap, f);
    bool whole = fgetc(f) == EOF;
    fclose(f);
    return whole ? n : 0;
}

static inline bool golden_write(const char *path, const uint8_t *buf, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    bool ok = fwrite(buf, 1, n, f) == n;
    return fclose(f) == 0 && ok;
}

#endif
