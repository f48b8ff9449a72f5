/* SPDX-License-Identifier: GPL-2.0-or-later */
/* busy: keeps a host's CPU from being idle, behind everything else, with the guest's loop (gap.c).
 */
#include <sched.h>
#include <stdio.h>
#include <x86intrin.h>

enum { BETWEEN_READS = 64 };

int main(void)
{
    struct sched_param none = {0};

    if (sched_setscheduler(0, SCHED_IDLE, &none)) {
        perror("busy");
        return 1;
    }
    for (;;) {
        for (unsigned i = 0; i < BETWEEN_READS; i++)
            __asm__ volatile("");
        __rdtsc();
    }
}
