/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "tools/sim/simvm_machine.h"

struct conn *conn_add(struct machine *m, int fd)
{
    for (size_t i = 0; i < MACHINE_CONNS; i++) {
        if (m->conns[i].fd < 0) {
            m->conns[i].fd = fd;
            return &m->conns[i];
        }
    }
    log_warnx("more than %d connections: one refused", MACHINE_CONNS);
    close(fd);
    return NULL;
}

void conn_accept(struct machine *m)
{
    int fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        conn_add(m, fd);
}

void conn_close(struct machine *m, struct conn *c)
{
    close(c->fd);
    c->fd = -1;
    /* Its owner may have died between asking for attention and sending. */
    gmem_attention_clear(&m->mem);
    if (m->logger == c) {
        m->logger = NULL;
        gmem_log(&m->mem, false);
    }
    if (m->nic_owner == c)
        m->nic_owner = NULL;
    if (m->stopper == c) {
        log_info("connection that had stopped the VM was lost: resuming");
        machine_resume(m);
    }
    if (m->creator == c) {
        m->creator = NULL;
        m->quit |= m->replica;
    }
}

static int send_reply(struct conn *c, const struct sim_msg *request, int rc,
                      const struct reply *reply)
{
    const void *data = rc ? reply->err.text : reply->data;
    struct sim_msg msg = {.id = request->id, .op = request->op, .rc = rc};

    msg.len = (uint32_t)(rc ? strlen(reply->err.text) : reply->len);
    return sim_send(c->fd, &msg, data, reply->fds, rc ? 0 : reply->nfds);
}

/* One request. false: the connection is of no use any more. */
static bool handle(struct machine *m, struct conn *c, const struct sim_msg *msg, int fd)
{
    struct request rq = {c, msg->op, m->payload, msg->len, fd};
    struct reply reply = {0};

    int rc = machine_request(m, &rq, &reply);
    bool good = !msg->id || send_reply(c, msg, rc, &reply) == 0;
    free(reply.data);
    if (rq.fd >= 0)
        close(rq.fd);
    gmem_attention_clear(&m->mem);
    return good;
}

void conn_ready(struct machine *m, struct conn *c)
{
    struct sim_msg msg;
    int fds[SIM_FDS_MAX];
    size_t nfds;

    while (!m->quit) {
        int rc = sim_recv(c->fd, &msg, m->payload, fds, &nfds);
        while (nfds > 1)
            close(fds[--nfds]);
        if (rc < 0 && errno == EAGAIN)
            return;
        if (rc <= 0 && nfds)
            close(fds[0]);
        if (rc <= 0 || !handle(m, c, &msg, nfds ? fds[0] : -1)) {
            conn_close(m, c);
            return;
        }
    }
}

void conn_notify_shutdown(struct machine *m)
{
    struct sim_msg note = {.op = SIM_NOTE_SHUTDOWN};

    for (size_t i = 0; i < MACHINE_CONNS; i++) {
        if (m->conns[i].fd >= 0 && sim_send(m->conns[i].fd, &note, NULL, NULL, 0))
            log_warn("a connection was not told of the shutdown");
    }
}
