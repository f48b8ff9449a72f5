/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simswitch.h"

#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/net/port.h"
#include "engine/net/switch_sock.h"
#include "tools/sim/simswitch_fdb.h"
#include "tools/sim/simswitch_log.h"

#define BACKLOG 64
/* Frames taken from one port before the others get their turn. */
#define TURN 64
/* More than a port's socket holds of them, and yet an end. */
#define WAITING_MAX 16384

struct sw_port {
    LIST_ENTRY(sw_port) link;
    struct simswitch *sw;
    struct port *io;
    struct event *ev;
    uint32_t number;
    pid_t pid;
    uint64_t in_frames, in_bytes, out_frames, out_bytes, dropped;
};

struct simswitch {
    struct event_base *base;
    struct event *accept_ev;
    int fd;
    struct sockaddr_un addr;
    FILE *log;
    LIST_HEAD(, sw_port) ports;
    size_t nports;
    uint64_t accepted, refused;
    struct fdb fdb;
    uint8_t frame[PORT_FRAME_MAX];
};

static void port_gone(struct sw_port *p)
{
    struct simswitch *sw = p->sw;

    if (sw->log)
        simswitch_log_port(sw->log, p->number, "close", p->pid);
    fdb_forget_port(&sw->fdb, p->number);
    LIST_REMOVE(p, link);
    sw->nports--;
    event_free(p->ev);
    port_close(p->io);
    free(p);
}

static void deliver(struct sw_port *to, size_t len)
{
    /* A port that is gone is noticed when it is read; until then it loses frames like a full one.
     */
    if (port_write(to->io, to->sw->frame, len) < 0) {
        to->dropped++;
        return;
    }
    to->out_frames++;
    to->out_bytes += len;
}

static void forward(struct sw_port *from, size_t len)
{
    struct simswitch *sw = from->sw;
    const uint8_t *eth = sw->frame + PORT_VNET_LEN;

    if (sw->log)
        simswitch_log_frame(sw->log, from->number, sw->frame, len);
    from->in_frames++;
    from->in_bytes += len;
    fdb_learn(&sw->fdb, eth + ETH_ALEN, from->number);

    uint32_t where = fdb_find(&sw->fdb, eth);
    struct sw_port *to;
    LIST_FOREACH(to, &sw->ports, link)
    {
        if (to != from && (where == 0 || where == to->number))
            deliver(to, len);
    }
}

/* The port may be gone afterwards. */
static void take_frames(struct sw_port *p, int most)
{
    for (int i = 0; i < most; i++) {
        ssize_t len = port_read(p->io, p->sw->frame, sizeof(p->sw->frame));
        if (len == 0)
            return;
        if (len < 0) {
            port_gone(p);
            return;
        }
        forward(p, (size_t)len);
    }
}

static void on_frames(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    take_frames(arg, TURN);
}

/* What was sent before a port came goes before what that one sends, however late this switch is. */
static void catch_up(struct simswitch *sw)
{
    struct sw_port *next;

    for (struct sw_port *p = LIST_FIRST(&sw->ports); p; p = next) {
        next = LIST_NEXT(p, link);
        take_frames(p, WAITING_MAX);
    }
}

static pid_t pid_of(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.pid : 0;
}

/** Makes `fd` a port, taking it over. -1 with errno; it then stays the caller's. */
static int add_port(struct simswitch *sw, int fd)
{
    struct sw_port *p = calloc(1, sizeof(*p));
    if (!p)
        return -1;

    p->sw = sw;
    p->pid = pid_of(fd);
    p->number = (uint32_t)++sw->accepted;
    p->ev = event_new(sw->base, fd, EV_READ | EV_PERSIST, on_frames, p);
    if (!p->ev || event_add(p->ev, NULL) < 0)
        goto fail;
    p->io = port_from_fd(fd, "switch port");
    if (!p->io)
        goto fail;
    LIST_INSERT_HEAD(&sw->ports, p, link);
    sw->nports++;
    if (sw->log)
        simswitch_log_port(sw->log, p->number, "open", p->pid);
    return 0;
fail:
    if (p->ev)
        event_free(p->ev);
    free(p);
    return -1;
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
    struct simswitch *sw = arg;
    (void)what;

    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    catch_up(sw);
    switch_sock_tune(fd);
    if (sw->nports < SIMSWITCH_PORTS_MAX && add_port(sw, fd) == 0)
        return;
    sw->refused++;
    log_warnx("no room for another port: %zu in use", sw->nports);
    close(fd);
}

/** Removes a socket file that nobody listens on. EADDRINUSE when somebody does. */
static int clear_stale(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;

    int alive = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
    int error = errno;
    close(fd);
    if (alive) {
        errno = EADDRINUSE;
        return -1;
    }
    return error == ECONNREFUSED ? unlink(addr->sun_path) : 0;
}

static int start_listening(struct simswitch *sw, struct err *err)
{
    const char *path = sw->addr.sun_path;

    if (clear_stale(&sw->addr) < 0)
        return err_errno(err, "another switch may run there", "cannot listen on '%s'", path);
    sw->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sw->fd < 0)
        return err_errno(err, "", "cannot make a socket");
    if (bind(sw->fd, (const struct sockaddr *)&sw->addr, sizeof(sw->addr)) < 0 ||
        listen(sw->fd, BACKLOG) < 0) {
        int saved = errno;
        close(sw->fd);
        sw->fd = -1;
        errno = saved;
        return err_errno(err, "check the directory and its rights", "cannot listen on '%s'", path);
    }
    sw->accept_ev = event_new(sw->base, sw->fd, EV_READ | EV_PERSIST, on_connection, sw);
    if (sw->accept_ev && event_add(sw->accept_ev, NULL) == 0)
        return 0;
    return err_errno(err, "", "cannot watch '%s'", path);
}

struct simswitch *simswitch_new(struct event_base *base, const char *path, FILE *log,
                                struct err *err)
{
    struct simswitch *sw = calloc(1, sizeof(*sw));
    if (!sw) {
        err_errno(err, "", "cannot start the switch");
        return NULL;
    }
    sw->base = base;
    sw->fd = -1;
    sw->log = log;
    LIST_INIT(&sw->ports);
    if (switch_addr(path, &sw->addr, err) == 0 && start_listening(sw, err) == 0)
        return sw;
    simswitch_free(sw);
    return NULL;
}

void simswitch_free(struct simswitch *sw)
{
    if (!sw)
        return;
    while (!LIST_EMPTY(&sw->ports))
        port_gone(LIST_FIRST(&sw->ports));
    if (sw->accept_ev)
        event_free(sw->accept_ev);
    if (sw->fd >= 0) {
        close(sw->fd);
        unlink(sw->addr.sun_path);
    }
    free(sw);
}

static json_t *port_stats(const struct sw_port *p)
{
    return json_pack("{sI si sI sI sI sI sI sI}", "port", (json_int_t)p->number, "pid", (int)p->pid,
                     "in_frames", (json_int_t)p->in_frames, "in_bytes", (json_int_t)p->in_bytes,
                     "out_frames", (json_int_t)p->out_frames, "out_bytes", (json_int_t)p->out_bytes,
                     "dropped", (json_int_t)p->dropped, "bad", (json_int_t)port_dropped(p->io));
}

json_t *simswitch_stats(const struct simswitch *sw)
{
    json_t *ports = json_array();
    const struct sw_port *p;

    LIST_FOREACH(p, &sw->ports, link)
    {
        json_array_append_new(ports, port_stats(p));
    }
    return json_pack("{so sI sI sI}", "ports", ports, "stations", (json_int_t)sw->fdb.count,
                     "accepted", (json_int_t)sw->accepted, "refused", (json_int_t)sw->refused);
}
