/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vector [THREADS [avx]]: keeps values in all 16 vector registers, XMM, or YMM if asked to and the
 * CPU has them, for some milliseconds at a time, and looks whether they are still there. Nothing
 * else changes them: what is lost was lost by whoever stopped the CPU or put the guest elsewhere.
 * TCP port 12: bits=128|256 rounds=N errors=N
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/xen/guest/report.h"

enum { PORT = 12, REGISTERS = 16, MOST = 64, SPINS = 2000000 };

struct registers {
    uint64_t word[REGISTERS][4];
} __attribute__((aligned(32)));

static atomic_ulong rounds, errors;
static unsigned bits = 128;

/* It never comes to rest over these. */
/* clang-format off */
#define EACH(X, op, r)                                                                             \
    X(op, r, 0) X(op, r, 1) X(op, r, 2) X(op, r, 3) X(op, r, 4) X(op, r, 5) X(op, r, 6)            \
    X(op, r, 7) X(op, r, 8) X(op, r, 9) X(op, r, 10) X(op, r, 11) X(op, r, 12) X(op, r, 13)        \
    X(op, r, 14) X(op, r, 15)
#define LOAD(op, r, n)  op " " #n "*32(%0), %%" r #n "\n"
#define STORE(op, r, n) op " %%" r #n ", " #n "*32(%0)\n"
#define HOLD(op, r)     EACH(LOAD, op, r) "1: dec %1\njnz 1b\n" EACH(STORE, op, r)
#define CLOBBERS                                                                                   \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
    "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
/* clang-format on */

static void hold_xmm(struct registers *x, uint64_t spins)
{
    __asm__ volatile(HOLD("movdqa", "xmm") : "+r"(x), "+r"(spins) : : "memory", "cc", CLOBBERS);
}

__attribute__((target("avx"))) static void hold_ymm(struct registers *x, uint64_t spins)
{
    __asm__ volatile(HOLD("vmovdqa", "ymm") : "+r"(x), "+r"(spins) : : "memory", "cc", CLOBBERS);
}

static void *watch(void *seed)
{
    uint64_t x = (uintptr_t)seed * 0x9e3779b97f4a7c15u + 1;
    struct registers put, got;

    for (;;) {
        for (unsigned i = 0; i < REGISTERS * 4; i++)
            put.word[i / 4][i % 4] = x = x * 6364136223846793005u + 1442695040888963407u;
        got = put;
        if (bits == 256)
            hold_ymm(&got, SPINS);
        else
            hold_xmm(&got, SPINS);
        atomic_fetch_add(&rounds, 1);
        if (memcmp(&got, &put, sizeof(got)) != 0)
            atomic_fetch_add(&errors, 1);
    }
    return NULL;
}

static void report(FILE *out, void *unused)
{
    (void)unused;
    fprintf(out, "bits=%u rounds=%lu errors=%lu\n", bits, atomic_load(&rounds),
            atomic_load(&errors));
}

int main(int argc, char **argv)
{
    uintptr_t threads = argc > 1 ? strtoul(argv[1], NULL, 10) : 2;
    pthread_t thread;

    if (argc > 2 && strcmp(argv[2], "avx") == 0 && __builtin_cpu_supports("avx"))
        bits = 256;
    for (uintptr_t i = 0; i < threads && i < MOST; i++)
        if (pthread_create(&thread, NULL, watch, (void *)(i + 1)))
            return 1;
    serve_reports(PORT, report, NULL);
}
