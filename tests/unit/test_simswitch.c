/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/net/port.h"
#include "tools/sim/simswitch.h"
#include "tools/sim/simswitch_fdb.h"

#define PORTS     3
#define FRAME_LEN (PORT_VNET_LEN + 60)

static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t mac[PORTS][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}};

struct lan {
    char dir[32], path[48];
    struct event_base *base;
    struct simswitch *sw;
    struct port *port[PORTS];
    FILE *log;
    char *text; /* of the log */
    size_t text_len;
};

/** Lets the switch do all it has to do at the moment. */
static void settle(struct lan *l)
{
    for (int i = 0; i < 10; i++)
        event_base_loop(l->base, EVLOOP_NONBLOCK);
}

static void plug(struct lan *l, int i)
{
    char spec[64];
    struct err err;

    snprintf(spec, sizeof(spec), "switch:%s", l->path);
    l->port[i] = port_open(spec, &err);
    assert_non_null(l->port[i]);
    settle(l);
}

static void unplug(struct lan *l, int i)
{
    port_close(l->port[i]);
    l->port[i] = NULL;
    settle(l);
}

static int lan_up(void **state)
{
    struct lan *l = calloc(1, sizeof(*l));
    struct err err;

    strcpy(l->dir, "/tmp/remus-switch-XXXXXX");
    assert_non_null(mkdtemp(l->dir));
    snprintf(l->path, sizeof(l->path), "%s/sw", l->dir);
    l->base = event_base_new();
    l->log = open_memstream(&l->text, &l->text_len);
    l->sw = simswitch_new(l->base, l->path, l->log, &err);
    assert_non_null(l->sw);
    for (int i = 0; i < PORTS; i++)
        plug(l, i);
    *state = l;
    return 0;
}

static int lan_down(void **state)
{
    struct lan *l = *state;

    for (int i = 0; i < PORTS; i++)
        port_close(l->port[i]);
    simswitch_free(l->sw);
    event_base_free(l->base);
    fclose(l->log);
    free(l->text);
    rmdir(l->dir);
    free(l);
    return 0;
}

static void send_frame(struct lan *l, int from, const uint8_t *dst, const uint8_t *src)
{
    uint8_t frame[FRAME_LEN] = {0};

    memcpy(frame + PORT_VNET_LEN, dst, 6);
    memcpy(frame + PORT_VNET_LEN + 6, src, 6);
    frame[PORT_VNET_LEN + 12] = 0x88;
    frame[PORT_VNET_LEN + 13] = 0xb5;
    assert_int_equal(port_write(l->port[from], frame, sizeof(frame)), 0);
    settle(l);
}

static int frames_at(struct lan *l, int i)
{
    static uint8_t buf[PORT_FRAME_MAX];
    int n = 0;

    while (l->port[i] && port_read(l->port[i], buf, sizeof(buf)) > 0)
        n++;
    return n;
}

static void expect_frames(struct lan *l, int at0, int at1, int at2)
{
    assert_int_equal(frames_at(l, 0), at0);
    assert_int_equal(frames_at(l, 1), at1);
    assert_int_equal(frames_at(l, 2), at2);
}

static void unknown_and_group_addresses_reach_all_others(void **state)
{
    struct lan *l = *state;

    send_frame(l, 0, mac[1], mac[0]);
    expect_frames(l, 0, 1, 1);
    send_frame(l, 1, everyone, mac[1]);
    expect_frames(l, 1, 0, 1);
    send_frame(l, 1, (const uint8_t[]){0x33, 0x33, 0, 0, 0, 1}, mac[1]);
    expect_frames(l, 1, 0, 1);
}

static void known_address_gets_it_alone(void **state)
{
    struct lan *l = *state;

    send_frame(l, 1, everyone, mac[1]);
    expect_frames(l, 1, 0, 1);
    send_frame(l, 0, mac[1], mac[0]);
    expect_frames(l, 0, 1, 0);
}

static void own_port_never_gets_it_back(void **state)
{
    struct lan *l = *state;

    send_frame(l, 0, everyone, mac[1]);
    send_frame(l, 0, everyone, mac[0]);
    expect_frames(l, 0, 2, 2);
    send_frame(l, 0, mac[1], mac[0]);
    expect_frames(l, 0, 0, 0);
}

/* What a failover looks like: the address speaks elsewhere all at once. */
static void moved_address_is_followed_at_its_first_frame(void **state)
{
    struct lan *l = *state;

    send_frame(l, 1, everyone, mac[1]);
    send_frame(l, 2, everyone, mac[1]);
    expect_frames(l, 2, 1, 1);
    send_frame(l, 0, mac[1], mac[0]);
    expect_frames(l, 0, 0, 1);
}

static void address_of_a_gone_port_is_unknown_again(void **state)
{
    struct lan *l = *state;

    send_frame(l, 1, everyone, mac[1]);
    (void)frames_at(l, 0);
    (void)frames_at(l, 2);
    unplug(l, 1);
    send_frame(l, 0, mac[1], mac[0]);
    expect_frames(l, 0, 0, 1);
    plug(l, 1);
    send_frame(l, 0, mac[1], mac[0]);
    expect_frames(l, 0, 1, 1);
}

static json_int_t stat_of(struct lan *l, size_t port_number, const char *name)
{
    json_t *stats = simswitch_stats(l->sw), *port;
    json_int_t value = -1;
    size_t i;

    json_array_foreach(json_object_get(stats, "ports"), i, port)
    {
        if (json_integer_value(json_object_get(port, "port")) == (json_int_t)port_number)
            value = json_integer_value(json_object_get(port, name));
    }
    json_decref(stats);
    return value;
}

static void port_that_does_not_read_loses_alone(void **state)
{
    struct lan *l = *state;
    const int total = 20000;
    int read = 0;

    for (int i = 0; i < total; i++) {
        send_frame(l, 0, everyone, mac[0]);
        read += frames_at(l, 2);
    }
    assert_int_equal(read, total);
    assert_true(stat_of(l, 2, "dropped") > 0);
    assert_int_equal(stat_of(l, 2, "dropped") + stat_of(l, 2, "out_frames"), total);
    assert_int_equal(stat_of(l, 3, "dropped"), 0);
    assert_int_equal(stat_of(l, 1, "in_frames"), total);
}

static void log_tells_port_and_sender_of_each_frame(void **state)
{
    struct lan *l = *state;
    json_t *line = NULL;

    send_frame(l, 1, everyone, mac[2]);
    fflush(l->log);
    for (char *at = l->text; at && *at; at = strchr(at, '\n') + 1) {
        json_decref(line);
        line = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(line);
    }
    assert_int_equal(json_integer_value(json_object_get(line, "port")), 2);
    assert_string_equal(json_string_value(json_object_get(line, "src")), "02:00:00:00:00:03");
    assert_string_equal(json_string_value(json_object_get(line, "dst")), "ff:ff:ff:ff:ff:ff");
    assert_int_equal(json_integer_value(json_object_get(line, "ethertype")), 0x88b5);
    assert_true(json_is_null(json_object_get(line, "vlan")));
    assert_int_equal(json_integer_value(json_object_get(line, "len")), 60);
    json_decref(line);
}

/* A switch that is late: a port has sent much and is gone, and its station speaks at another one.
 */
static void nobody_is_heard_after_a_port_that_came_later(void **state)
{
    struct lan *l = *state;
    static uint8_t frame[FRAME_LEN];
    char spec[64];
    struct err err;

    unplug(l, 1);
    memcpy(frame + PORT_VNET_LEN, everyone, 6);
    memcpy(frame + PORT_VNET_LEN + 6, mac[0], 6);
    for (int i = 0; i < 200; i++)
        assert_int_equal(port_write(l->port[0], frame, sizeof(frame)), 0);
    snprintf(spec, sizeof(spec), "switch:%s", l->path);
    l->port[1] = port_open(spec, &err);
    assert_non_null(l->port[1]);
    assert_int_equal(port_write(l->port[1], frame, sizeof(frame)), 0);
    settle(l);
    fflush(l->log);
    const char *later = strstr(l->text, "\"port\":4,\"src\"");
    assert_non_null(later);
    assert_null(strstr(later, "\"port\":1,\"src\""));
}

static void living_socket_is_not_taken_over(void **state)
{
    struct lan *l = *state;
    struct err err;

    assert_null(simswitch_new(l->base, l->path, NULL, &err));
    send_frame(l, 0, everyone, mac[0]);
    expect_frames(l, 0, 1, 1);
}

static void full_table_still_finds_what_it_knows(void **state)
{
    (void)state;
    struct fdb *f = calloc(1, sizeof(*f));

    for (uint32_t i = 1; i <= 2 * FDB_SLOTS; i++)
        fdb_learn(f, (const uint8_t[]){2, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
                  1 + i % 2);
    assert_int_equal(f->count, FDB_MAX);
    assert_int_equal(fdb_find(f, (const uint8_t[]){2, 0, 0, 0, 0, 7}), 2);
    fdb_forget_port(f, 2);
    assert_int_equal(fdb_find(f, (const uint8_t[]){2, 0, 0, 0, 0, 7}), 0);
    assert_int_equal(fdb_find(f, (const uint8_t[]){2, 0, 0, 0, 0, 8}), 1);
    assert_int_equal(f->count, FDB_MAX / 2);
    free(f);
}

#define LAN_TEST(f) cmocka_unit_test_setup_teardown(f, lan_up, lan_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAN_TEST(unknown_and_group_addresses_reach_all_others),
        LAN_TEST(known_address_gets_it_alone),
        LAN_TEST(own_port_never_gets_it_back),
        LAN_TEST(moved_address_is_followed_at_its_first_frame),
        LAN_TEST(address_of_a_gone_port_is_unknown_again),
        LAN_TEST(port_that_does_not_read_loses_alone),
        LAN_TEST(log_tells_port_and_sender_of_each_frame),
        LAN_TEST(nobody_is_heard_after_a_port_that_came_later),
        LAN_TEST(living_socket_is_not_taken_over),
        cmocka_unit_test(full_table_still_finds_what_it_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
