/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include "engine/hv/xen/xen_hotplug.h"
#include "tests/unit/fake_xenstore_util.h"
#include "tests/unit/netns_util.h"

/* The interface of a guest of Xen, taken off its bridge and put back. */

#define BACKEND "/local/domain/0/backend/vif/7/0"

struct world {
    struct xen_hv x;
    struct xen_vif vif;
    struct err err;
    int tap;
};

static int attach(void **state)
{
    static struct world w;

    fake_start();
    fake_write("/libxl/7/device/vif/0/backend", BACKEND);
    fake_write(BACKEND "/mac", "00:16:3e:00:00:01");
    w = (struct world){.x.xs = xs_open(0), .tap = netns_interface("vif7.0")};
    *state = &w;
    return bridge_make("xenbr0", &w.err) || bridge_port_up("vif7.0", "xenbr0", &w.err) ||
           xen_vif_find(&w.x, FAKE_DOMID, &w.vif) != 1;
}

static int detach(void **state)
{
    struct world *w = *state;

    close(w->tap);
    fake_end();
    return 0;
}

static void take(struct world *w)
{
    int fd;

    if (xen_vif_take(&w->x, &w->vif, &fd, &w->err))
        fail_msg("%s", w->err.text);
    assert_true(netns_on_bridge("vif7.0", XEN_HOLD_BRIDGE));
    assert_string_equal(fake_find(BACKEND "/" XEN_KEY_BRIDGE)->value, "xenbr0");
    close(fd);
}

static void interface_comes_back_to_its_bridge(void **state)
{
    struct world *w = *state;

    take(w);
    take(w); /* by the next agent, after one that was killed */
    assert_int_equal(xen_vif_give(&w->x, &w->vif, &w->err), 0);
    assert_true(netns_on_bridge("vif7.0", "xenbr0"));
}

/* The guest is silent rather than anywhere. */
static void interface_stays_when_its_bridge_is_gone(void **state)
{
    struct world *w = *state;

    take(w);
    fake_write(BACKEND "/" XEN_KEY_BRIDGE, "nowhere");
    assert_int_equal(xen_vif_give(&w->x, &w->vif, &w->err), -1);
    assert_non_null(strstr(w->err.text, "nowhere"));
    assert_true(netns_on_bridge("vif7.0", XEN_HOLD_BRIDGE));
}

static void interface_of_another_name_is_found(void **state)
{
    struct world *w = *state;

    fake_write(BACKEND "/vifname", "guest0");
    assert_int_equal(xen_vif_find(&w->x, FAKE_DOMID, &w->vif), 1);
    assert_string_equal(w->vif.name, "guest0");
}

static void mac_is_a_stations_or_none(void **state)
{
    static const uint8_t own[6] = {0, 0x16, 0x3e, 0, 0, 1}, none[6];
    static const char *const bad[] = {"01:00:5e:00:00:01", "00:16:3e", "", NULL};
    struct world *w = *state;
    uint8_t mac[6];

    xen_vif_mac(&w->x, &w->vif, mac);
    assert_memory_equal(mac, own, 6);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fake_write(BACKEND "/mac", bad[i]);
        xen_vif_mac(&w->x, &w->vif, mac);
        assert_memory_equal(mac, none, 6);
    }
}

static void port_leads_to_a_bridge(void **state)
{
    struct world *w = *state;
    char bridge[IFNAMSIZ];

    assert_int_equal(xen_vif_lead("packet:xenbr0", bridge, &w->err), 0);
    assert_string_equal(bridge, "xenbr0");
    assert_int_equal(xen_vif_lead("packet:vif7.0", bridge, &w->err), 0);
    assert_string_equal(bridge, "xenbr0");
    assert_int_equal(xen_vif_lead("packet:lo", bridge, &w->err), -1);
    assert_int_equal(xen_vif_lead("none", bridge, &w->err), -1);
}

#define NET(f) cmocka_unit_test_setup_teardown(f, attach, detach)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET(interface_comes_back_to_its_bridge),
        NET(interface_stays_when_its_bridge_is_gone),
        NET(interface_of_another_name_is_found),
        NET(mac_is_a_stations_or_none),
        NET(port_leads_to_a_bridge),
    };

    if (!netns_alone()) {
        fprintf(stderr, "no right to have a network of its own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
