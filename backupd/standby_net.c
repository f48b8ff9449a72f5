/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/net/addrs.h"

#define FRAMES_PER_TURN 64
#define ETHER_LEN       14
#define ANNOUNCEMENTS   5 /* a switch that has just seen its link change may miss the first */
#define ANNOUNCE_MS     200

/** The port sees a whole segment: only what can be for the guest travels to the primary. */
static bool for_guest(const struct standby *s, const uint8_t *frame, size_t len)
{
    const struct msg_addrs *a = &s->store.sealed_addrs;

    if (len < PORT_VNET_LEN + ETHER_LEN)
        return false;
    const uint8_t *dst = frame + PORT_VNET_LEN;
    if ((dst[0] & 1) || a->count == 0)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        if (memcmp(a->addr[i].mac, dst, 6) == 0)
            return true;
    }
    return false;
}

static void port_lost(struct standby *s)
{
    child_degrade(&s->child, "network", "network port %s is gone: the guest hears nothing",
                  port_name(s->port));
    event_del(s->port_ev);
}

static size_t read_frames(struct standby *s, struct frames_writer *fw)
{
    static uint8_t buf[PORT_FRAME_MAX];
    size_t n = 0;

    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        ssize_t len = port_read(s->port, buf, sizeof(buf));
        if (len < 0)
            port_lost(s);
        if (len <= 0)
            break;
        if (!for_guest(s, buf, (size_t)len))
            continue;
        if (!session_frames_add(fw, buf, (size_t)len)) {
            s->in_dropped++;
            break;
        }
        n++;
    }
    return n;
}

static void drop_frames(struct standby *s)
{
    static uint8_t buf[PORT_FRAME_MAX];
    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        ssize_t len = port_read(s->port, buf, sizeof(buf));
        if (len < 0)
            port_lost(s);
        if (len <= 0)
            break;
        s->in_dropped++;
    }
}

static void on_port(evutil_socket_t fd, short what, void *arg)
{
    struct standby *s = arg;
    struct frames_writer fw;
    (void)fd;
    (void)what;

    /* Before the first seal the guest is on the primary's network; a full link drops, as networks
     * do. */
    if (!s->link || s->parting || s->store.sealed == 0 || link_full(s->link)) {
        drop_frames(s);
        return;
    }
    struct wcur *w = link_room(s->link, session_record_max());
    if (w && session_frames_begin(link_session(s->link), &fw, w, WIRE_FRAMES_IN)) {
        s->frames_in += read_frames(s, &fw);
        (void)session_frames_end(&fw, w);
    } else {
        drop_frames(s);
    }
    if (w)
        link_commit(s->link);
    link_flush(s->link);
}

static void name_port(struct standby *s)
{
    const char *net = s->conf->net, *number = strstr(net, "%d");
    if (number)
        snprintf(s->port_spec, sizeof(s->port_spec), "%.*s%d%s", (int)(number - net), net,
                 s->number, number + 2);
    else
        snprintf(s->port_spec, sizeof(s->port_spec), "%s", net);
}

int standby_net_open(struct standby *s, struct err *err)
{
    name_port(s);
    if (s->hold == WIRE_HOLD_NONE || s->port)
        return 0;
    s->port = port_open(s->port_spec, err);
    if (!s->port)
        return -1;
    if (port_fd(s->port) < 0 || s->hold != WIRE_HOLD_BACKUP)
        return 0;
    s->port_ev = event_new(s->child.base, port_fd(s->port), EV_READ | EV_PERSIST, on_port, s);
    if (s->port_ev && event_add(s->port_ev, NULL) == 0)
        return 0;
    standby_net_close(s);
    return err_set(err, "", "network port %s: no memory", s->port_spec);
}

void standby_net_close(struct standby *s)
{
    if (s->port_ev)
        event_free(s->port_ev);
    s->port_ev = NULL;
    if (s->announce_ev)
        event_free(s->announce_ev);
    s->announce_ev = NULL;
    port_close(s->port);
    s->port = NULL;
    s->mute = false;
    child_restore(&s->child, "network"); /* of the port that is closed now */
}

static void write_frame(struct standby *s, const void *frame, size_t len)
{
    if (s->port && port_write(s->port, frame, len) == 0) {
        s->frames_out++;
        if (s->mute)
            child_restore(&s->child, "network");
        s->mute = false;
        return;
    }
    s->out_dropped++;
    if (!s->port || !port_is_mute(errno))
        return;
    s->mute = true;
    child_degrade(&s->child, "network", "network port %s is %s: no frame of the guest leaves",
                  port_name(s->port), errno == EPIPE ? "gone" : "down");
}

void standby_net_release(struct standby *s, uint64_t sealed)
{
    size_t len;
    const void *frame;

    while ((frame = frameq_peek(&s->held, sealed, &len)) != NULL) {
        write_frame(s, frame, len);
        frameq_pop(&s->held);
    }
}

void standby_net_announce(struct standby *s)
{
    const struct msg_addrs *a = &s->store.sealed_addrs;
    uint8_t buf[ADDRS_ANNOUNCE_MAX];

    for (size_t i = 0; s->port && i < a->count; i++) {
        struct addr addr = {.family = a->addr[i].family, .vlan = a->addr[i].vlan};
        memcpy(addr.mac, a->addr[i].mac, sizeof(addr.mac));
        memcpy(addr.ip, a->addr[i].ip, sizeof(addr.ip));
        size_t len = addrs_announce(&addr, buf);
        write_frame(s, buf, len);
    }
}

static void again_later(struct standby *s)
{
    struct timeval tv = mono_span_tv(ANNOUNCE_MS * NS_PER_MS);

    if (s->announcements-- > 0)
        event_add(s->announce_ev, &tv);
}

static void on_announce(evutil_socket_t fd, short what, void *arg)
{
    struct standby *s = arg;
    (void)fd;
    (void)what;

    /* Without its session the guest may be back on the primary's network: not ours to speak for. */
    if (!s->link || s->parting || s->phase != STANDBY_READY)
        return;
    standby_net_announce(s);
    again_later(s);
}

void standby_net_arrive(struct standby *s)
{
    if (!s->announce_ev)
        s->announce_ev = event_new(s->child.base, -1, 0, on_announce, s);
    s->announcements = ANNOUNCEMENTS - 1;
    standby_net_announce(s);
    again_later(s);
}
