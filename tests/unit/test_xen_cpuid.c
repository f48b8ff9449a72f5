/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/hv/xen/format/xen_cpuid.h"
#include "engine/hv/xen/format/xen_rec.h"

#define NO_SUBLEAF   XEN_CPUID_NO_SUBLEAF_ID
#define MSR          UINT32_MAX /* no leaf */
#define ARCH_CAPS    0x10a
#define BIT(n)       (1u << (n))
#define COPIES_OF_1D 0x0183f3ffu

/** The words of features that Xen has, in its order, and bits that do not count. */
static const struct word {
    uint32_t leaf, subleaf;
    char reg;
    uint32_t ignored;
} words[] = {
    {0x1, NO_SUBLEAF, 'd', BIT(9) | BIT(28)},
    {0x1, NO_SUBLEAF, 'c', BIT(27) | BIT(31)},
    {0x80000001, NO_SUBLEAF, 'd', COPIES_OF_1D},
    {0x80000001, NO_SUBLEAF, 'c', BIT(1)},
    {0xd, 1, 'a', 0},
    {0x7, 0, 'b', BIT(6) | BIT(13)},
    {0x7, 0, 'c', BIT(4)},
    {0x80000007, NO_SUBLEAF, 'd', 0},
    {0x80000008, NO_SUBLEAF, 'b', BIT(20)},
    {0x7, 0, 'd', BIT(10)},
    {0x7, 1, 'a', 0},
    {0x80000021, NO_SUBLEAF, 'a', BIT(1) | BIT(5)},
    {0x7, 1, 'b', 0},
    {0x7, 2, 'd', 0},
    {0x7, 1, 'c', 0},
    {0x7, 1, 'd', 0},
    {MSR, 0, 'l', BIT(2) | BIT(17) | BIT(19) | BIT(28)},
    {MSR, 0, 'h', 0},
    {0x80000021, NO_SUBLEAF, 'c', 0},
};
#define WORDS ARRAY_LEN(words)

/** A CPU, by these words. */
struct cpu {
    uint32_t word[WORDS];
};

static struct cpu cpu_of(uint32_t all)
{
    struct cpu c;

    for (size_t i = 0; i < WORDS; i++)
        c.word[i] = all;
    return c;
}

/* Leaf by leaf, or register by register: either is found. */
static void put_leaf(struct xen_buf *b, const struct cpu *c, size_t i)
{
    uint32_t reg[4] = {0};

    for (size_t k = i; k < WORDS; k++) {
        if (words[k].leaf == words[i].leaf && words[k].subleaf == words[i].subleaf)
            reg[words[k].reg - 'a'] = c->word[k];
    }
    xen_buf_u32(b, words[i].leaf);
    xen_buf_u32(b, words[i].subleaf);
    for (int k = 0; k < 4; k++)
        xen_buf_u32(b, reg[k]);
}

static bool begins_leaf(size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (words[k].leaf == words[i].leaf && words[k].subleaf == words[i].subleaf)
            return false;
    }
    return words[i].leaf != MSR;
}

static void put_msr(struct xen_buf *b, uint32_t index, uint64_t value)
{
    xen_buf_u32(b, index);
    xen_buf_u32(b, 0);
    xen_buf_u64(b, value);
}

struct packed {
    struct xen_buf cpuid, msr;
    struct xen_cpu as;
};

static void pack(const struct cpu *c, struct packed *p)
{
    uint64_t caps = 0;

    *p = (struct packed){0};
    for (size_t i = 0; i < WORDS; i++) {
        if (begins_leaf(i))
            put_leaf(&p->cpuid, c, i);
        else if (words[i].leaf == MSR)
            caps |= (uint64_t)c->word[i] << (words[i].reg == 'h' ? 32 : 0);
    }
    put_msr(&p->msr, 0xce, 1u << 31);
    put_msr(&p->msr, ARCH_CAPS, caps);
    assert_false(p->cpuid.failed || p->msr.failed);
    p->as = (struct xen_cpu){p->cpuid.data, p->msr.data, p->cpuid.len, p->msr.len};
}

static int fits(const struct cpu *guest, const struct cpu *host, struct err *err)
{
    struct packed g, h;

    pack(guest, &g);
    pack(host, &h);
    errno = 0;
    int rc = xen_cpuid_fits(&g.as, &h.as, err);
    int saved = errno;
    xen_buf_free(&g.cpuid);
    xen_buf_free(&g.msr);
    xen_buf_free(&h.cpuid);
    xen_buf_free(&h.msr);
    errno = saved;
    return rc;
}

static void what_both_can_fits(void **state)
{
    static const uint32_t pattern[] = {0, UINT32_MAX, 0x55555555, 0xaaaaaaaa};
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pattern); i++) {
        struct cpu guest = cpu_of(pattern[i]), best = cpu_of(UINT32_MAX);
        assert_int_equal(fits(&guest, &guest, &err), 0);
        assert_int_equal(fits(&guest, &best, &err), 0);
    }
}

static void name_of(const struct word *w, uint32_t lost, char *text, size_t size)
{
    if (w->leaf == MSR)
        snprintf(text, size, "MSR 0x10a, bits %#" PRIx64,
                 (uint64_t)lost << (w->reg == 'h' ? 32 : 0));
    else
        snprintf(text, size, "CPUID %#x.%u, e%cx, bits %#x", w->leaf,
                 w->subleaf == NO_SUBLEAF ? 0 : w->subleaf, w->reg, lost);
}

/* The guest was told all, or only this; the host has all but this. */
static void lose(size_t i, uint32_t lost)
{
    struct cpu all = cpu_of(UINT32_MAX), only = cpu_of(0), host = all;
    const struct cpu *const guests[] = {&all, &only};
    char name[64];
    struct err err;

    only.word[i] = lost;
    host.word[i] &= ~lost;
    name_of(&words[i], lost, name, sizeof(name));
    for (size_t k = 0; k < ARRAY_LEN(guests); k++) {
        int rc = fits(guests[k], &host, &err), error = errno;
        if (rc != (words[i].ignored & lost ? 0 : -1))
            fail_msg("%s: %d", name, rc);
        if (rc == 0)
            continue;
        assert_int_equal(error, EINVAL);
        assert_non_null(strstr(err.hint, "cpuid="));
        if (!strstr(err.text, name))
            fail_msg("%s: %s", name, err.text);
    }
}

static void every_bit_of_every_word_counts_but_those_that_are_ignored(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORDS; i++) {
        for (unsigned bit = 0; bit < 32; bit++)
            lose(i, BIT(bit));
    }
}

static void what_the_host_does_not_list_is_missing_whole(void **state)
{
    struct cpu all = cpu_of(UINT32_MAX);
    struct packed guest;
    struct err err;
    (void)state;

    pack(&all, &guest);
    struct xen_cpu host = guest.as;
    host.cpuid_len = XEN_CPUID_LEAF;
    assert_int_equal(xen_cpuid_fits(&guest.as, &host, &err), -1);
    assert_non_null(strstr(err.text, "CPUID 0x80000001.0"));
    host = guest.as;
    host.msr_len = XEN_MSR_ENTRY;
    assert_int_equal(xen_cpuid_fits(&guest.as, &host, &err), -1);
    assert_non_null(strstr(err.text, "MSR 0x10a"));
    assert_int_equal(xen_cpuid_fits(&host, &guest.as, &err), 0);
    xen_buf_free(&guest.cpuid);
    xen_buf_free(&guest.msr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_both_can_fits),
        cmocka_unit_test(every_bit_of_every_word_counts_but_those_that_are_ignored),
        cmocka_unit_test(what_the_host_does_not_list_is_missing_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
