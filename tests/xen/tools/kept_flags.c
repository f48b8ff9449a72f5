/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kept_flags: whether CMPXCHG16B changes no flag but ZF. Prints RFLAGS as they should be and as
 * they are, but for ZF; exits with 1 when these differ.
 */
#include <inttypes.h>
#include <stdio.h>

#define ZF       UINT64_C(0x40)
#define RED_ZONE "128"

static _Alignas(16) uint64_t memory[2];

/** RFLAGS after an addition, and after a CMPXCHG16B where there is one. The jump ends what an
    emulator translates as one piece: within it the flags are not worked out. */
#define FLAGS_AFTER(instruction)                                                                   \
    uint64_t flags, sum = 0, low = 0, high = 0;                                                    \
    __asm__ volatile("lea -" RED_ZONE                                                              \
                     "(%%rsp), %%rsp; push $2; popfq; jmp 1f; 1: add %5, %1;" instruction          \
                     "pushfq; pop %0; lea " RED_ZONE "(%%rsp), %%rsp"                              \
                     : "=&r"(flags), "+r"(sum), "+a"(low), "+d"(high), "+m"(memory)                \
                     : "r"(UINT64_C(0x5744246)), "b"(UINT64_C(0)), "c"(UINT64_C(0))                \
                     : "cc");                                                                      \
    return flags & ~ZF

static uint64_t flags_without(void)
{
    FLAGS_AFTER("");
}

static uint64_t flags_with(void)
{
    FLAGS_AFTER("cmpxchg16b %4;");
}

int main(void)
{
    uint64_t right = flags_without(), flags = flags_with();

    printf("%#" PRIx64 " %#" PRIx64 "\n", right, flags);
    return right != flags;
}
