/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "engine/hv/xen/format/xen_cpuid.h"
#include "engine/hv/xen/format/xen_rec.h"

#define RDRAND  (1u << 30) /* leaf 1, ecx */
#define OSXSAVE (1u << 27)
#define AVX2    (1u << 5) /* leaf 7, ebx */

/** A CPU of three leaves. */
struct cpu {
    struct xen_buf b;
};

static void leaf(struct cpu *c, uint32_t number, uint32_t subleaf, uint32_t ebx, uint32_t ecx)
{
    const uint32_t word[] = {number, subleaf, 0, ebx, ecx, 0};

    for (size_t i = 0; i < ARRAY_LEN(word); i++)
        xen_buf_u32(&c->b, word[i]);
}

static struct cpu cpu(uint32_t ecx1, uint32_t ebx7)
{
    struct cpu c;

    xen_buf_init(&c.b);
    leaf(&c, 0, XEN_CPUID_NO_SUBLEAF_ID, 0x756e6547, 0x6c65746e);
    leaf(&c, 1, XEN_CPUID_NO_SUBLEAF_ID, 0, ecx1);
    leaf(&c, 7, 0, ebx7, 0);
    assert_false(c.b.failed);
    return c;
}

static int fits(struct cpu guest, struct cpu host, struct err *err)
{
    errno = 0;
    int rc = xen_cpuid_fits(guest.b.data, guest.b.len, host.b.data, host.b.len, err);
    xen_buf_free(&guest.b);
    xen_buf_free(&host.b);
    return rc;
}

static void equal_and_better_hosts_fit(void **state)
{
    struct err err;
    (void)state;

    assert_int_equal(fits(cpu(RDRAND, AVX2), cpu(RDRAND, AVX2), &err), 0);
    assert_int_equal(fits(cpu(0, 0), cpu(RDRAND, AVX2), &err), 0);
}

static void what_is_missing_is_named(void **state)
{
    struct err err;
    (void)state;

    assert_int_equal(fits(cpu(RDRAND, 0), cpu(0, AVX2), &err), -1);
    assert_int_equal(errno, EINVAL);
    assert_non_null(strstr(err.text, "CPUID 0x1.0, ecx, bits 0x40000000"));
    assert_non_null(strstr(err.hint, "cpuid="));
    assert_int_equal(fits(cpu(RDRAND, AVX2), cpu(RDRAND, 0), &err), -1);
    assert_non_null(strstr(err.text, "CPUID 0x7.0, ebx, bits 0x20"));
}

static void leaf_that_the_host_has_not_is_missing_whole(void **state)
{
    struct cpu host = {0};
    struct err err;
    (void)state;

    leaf(&host, 1, XEN_CPUID_NO_SUBLEAF_ID, 0, RDRAND);
    assert_int_equal(fits(cpu(RDRAND, AVX2), host, &err), -1);
    assert_non_null(strstr(err.text, "0x7.0"));
}

static void what_the_guest_sets_itself_is_not_compared(void **state)
{
    struct err err;
    (void)state;

    assert_int_equal(fits(cpu(OSXSAVE, 0), cpu(0, 0), &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_and_better_hosts_fit),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(leaf_that_the_host_has_not_is_missing_whole),
        cmocka_unit_test(what_the_guest_sets_itself_is_not_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
