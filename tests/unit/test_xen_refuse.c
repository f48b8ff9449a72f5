/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include "tests/unit/fake_xen_memory_util.h"

/* Which domains of Xen are refused, and why. */

#define PVH (XEN_DOMINF_running | XEN_DOMINF_hvm_guest | XEN_DOMINF_hap)
#define LOG "/libxl/7/remus/dirty-log"

static struct xen_hv x;

/* A PVH guest that can be protected. */
static int boot(void **state)
{
    (void)state;
    fake_start();
    fake_memory_start();
    fake_ram(0, 700, true);
    x = (struct xen_hv){.xs = xs_open(0)};
    fake_write_own("memory/static-max", "131072");
    fake_write_own("memory/target", "131072");
    fake_write_own("control/feature-suspend", "1");
    fake_write("/libxl/7/device/vif/0/backend", "/backend/vif/0");
    return 0;
}

static int halt(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

static const char *why_not_of(xc_domaininfo_t info)
{
    static char why[ERR_TEXT_MAX];

    info.domain = FAKE_DOMID;
    xen_refuse(&x, &info, why);
    return why;
}

static const char *why_not(uint32_t flags)
{
    return why_not_of(
        (xc_domaininfo_t){.flags = flags, .arch_config.emulation_flags = XEN_X86_EMU_LAPIC});
}

static void expect_refused(uint32_t flags, const char *words)
{
    assert_non_null(strstr(why_not(flags), words));
}

static void set_log(unsigned op)
{
    assert_int_equal(xc_shadow_control(NULL, FAKE_DOMID, op, NULL, 0), 0);
}

/* An agent that was killed leaves the log on, signed, with its canary. */
static void leave_log(uint64_t canary)
{
    set_log(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    fake_dirty(canary);
    assert_int_equal(xen_log_sign(&x, FAKE_DOMID, canary), 0);
}

static void pvh_guest_is_not_refused(void **state)
{
    (void)state;
    assert_string_equal(why_not(PVH), "");
}

static void other_types_are_refused(void **state)
{
    const xc_domaininfo_t hvm = {.flags = PVH, .arch_config.emulation_flags = XEN_X86_EMU_ALL};

    (void)state;
    expect_refused(XEN_DOMINF_running, "PV guest");
    assert_non_null(strstr(why_not_of(hvm), "HVM guest"));
    expect_refused(XEN_DOMINF_running | XEN_DOMINF_hvm_guest, "hardware-assisted paging");
}

static void guest_that_cannot_be_stopped_now_is_refused(void **state)
{
    const uint32_t off = SHUTDOWN_poweroff << XEN_DOMINF_shutdownshift;

    (void)state;
    expect_refused(PVH | XEN_DOMINF_paused, "paused");
    expect_refused(PVH | XEN_DOMINF_shutdown | off, "shut down");
    fake_write_own("control/feature-suspend", NULL);
    expect_refused(PVH, "does not offer to suspend");
    fake_write_own("device/suspend/event-channel", "9");
    assert_string_equal(why_not(PVH), "");
}

static void balloon_room_is_refused(void **state)
{
    (void)state;
    fake_write_own("memory/static-max", "262144");
    expect_refused(PVH, "maxmem");
    fake_write_own("memory/static-max", NULL);
    expect_refused(PVH, "memory sizes");
}

static void second_interface_is_refused(void **state)
{
    (void)state;
    fake_write("/libxl/7/device/vif/1/backend", "/backend/vif/1");
    expect_refused(PVH, "several network interfaces");
}

static void log_of_another_tool_is_refused(void **state)
{
    (void)state;
    set_log(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    expect_refused(PVH, "another tool has its dirty log on");
    set_log(XEN_DOMCTL_SHADOW_OP_OFF);
    assert_string_equal(why_not(PVH), "");
}

static void what_another_tool_finds_dirty_stays_so(void **state)
{
    (void)state;
    set_log(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    fake_dirty(300);
    (void)why_not(PVH);
    assert_true(fake_memory.logging);
    assert_true(fake_memory.log[300 / 64] >> 300 % 64 & 1);
}

static void suspended_by_another_tool_is_refused(void **state)
{
    const uint32_t suspended =
        PVH | XEN_DOMINF_shutdown | SHUTDOWN_suspend << XEN_DOMINF_shutdownshift;

    (void)state;
    expect_refused(suspended, "another tool has suspended it");
    leave_log(3); /* no other tool: an agent that was killed */
    assert_string_equal(why_not(suspended), "");
}

static void log_of_a_killed_agent_is_not_refused(void **state)
{
    (void)state;
    leave_log(130);
    assert_string_equal(why_not(PVH), "");
}

static void log_taken_over_from_a_killed_agent_is_refused(void **state)
{
    (void)state;
    leave_log(3);
    set_log(XEN_DOMCTL_SHADOW_OP_OFF);
    set_log(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    fake_dirty(2);
    fake_dirty(4);
    expect_refused(PVH, "another tool has its dirty log on");
}

static void signature_that_is_none_is_not_ours(void **state)
{
    (void)state;
    leave_log(0);
    fake_write(LOG, "2000000");
    expect_refused(PVH, "another tool has its dirty log on");
}

#define REFUSE(f) cmocka_unit_test_setup_teardown(f, boot, halt)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REFUSE(pvh_guest_is_not_refused),
        REFUSE(other_types_are_refused),
        REFUSE(guest_that_cannot_be_stopped_now_is_refused),
        REFUSE(balloon_room_is_refused),
        REFUSE(second_interface_is_refused),
        REFUSE(log_of_another_tool_is_refused),
        REFUSE(what_another_tool_finds_dirty_stays_so),
        REFUSE(suspended_by_another_tool_is_refused),
        REFUSE(log_of_a_killed_agent_is_not_refused),
        REFUSE(log_taken_over_from_a_killed_agent_is_refused),
        REFUSE(signature_that_is_none_is_not_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
