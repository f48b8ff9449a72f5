/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "tools/sim/simvm_machine.h"

/* Every op_* returns 0, or -1 with errno and a text in reply->err. */

static int refuse(struct reply *reply, int error, const char *why)
{
    errno = error;
    return err_set(&reply->err, "", "%s", why);
}

static int give_data(struct reply *reply, const void *data, size_t len)
{
    reply->data = malloc(len);
    if (!reply->data)
        return refuse(reply, ENOMEM, "out of memory");
    memcpy(reply->data, data, len);
    reply->len = len;
    return 0;
}

/* `text` is malloc'ed and handed over. */
static int give_text(struct reply *reply, char *text)
{
    if (!text)
        return refuse(reply, ENOMEM, "out of memory");
    reply->data = text;
    reply->len = strlen(text);
    return 0;
}

static int op_info(struct machine *m, struct request *rq, struct reply *reply)
{
    struct sim_info info = {.uuid = m->opts->uuid,
                            .pages = m->mem.pages,
                            .pid = getpid(),
                            .vcpus = 1,
                            .running = m->running,
                            .replica = m->replica,
                            .logging = m->logger != NULL};

    (void)rq;
    memcpy(info.name, m->conf.name, strlen(m->conf.name));
    memcpy(info.net, m->conf.net, strlen(m->conf.net));
    memcpy(info.mac, m->guest.net.mac, sizeof(info.mac));
    return give_data(reply, &info, sizeof(info));
}

static int op_attach(struct machine *m, struct request *rq, struct reply *reply)
{
    reply->fds[0] = m->mem.mem_fd;
    reply->fds[1] = m->mem.log_fd;
    reply->nfds = 2;
    return op_info(m, rq, reply);
}

static int op_log_on(struct machine *m, struct request *rq, struct reply *reply)
{
    if (m->replica)
        return refuse(reply, EBUSY, "this is a replica that is being kept");
    if (m->logger && m->logger != rq->conn)
        return refuse(reply, EBUSY, "the VM's writes are logged by another connection");
    m->logger = rq->conn;
    gmem_log(&m->mem, true);
    return 0;
}

static int op_log_off(struct machine *m, struct request *rq, struct reply *reply)
{
    (void)reply;
    if (m->logger == rq->conn) {
        m->logger = NULL;
        gmem_log(&m->mem, false);
    }
    return 0;
}

static int op_stop(struct machine *m, struct request *rq, struct reply *reply)
{
    if (m->replica || (!m->running && m->stopper != rq->conn && m->stopper))
        return refuse(reply, EBUSY, "the VM is stopped by another connection");
    machine_stop(m, rq->conn);
    return 0;
}

static int op_resume(struct machine *m, struct request *rq, struct reply *reply)
{
    if (m->replica || (m->stopper && m->stopper != rq->conn))
        return refuse(reply, EBUSY, "the VM is stopped by another connection");
    machine_resume(m);
    return 0;
}

static int op_end(struct machine *m, struct request *rq, struct reply *reply)
{
    if (m->stopper == rq->conn)
        m->stopper = NULL;
    return op_log_off(m, rq, reply);
}

static int op_get_state(struct machine *m, struct request *rq, struct reply *reply)
{
    uint8_t state[VCPU_STATE_LEN];

    (void)rq;
    if (m->running)
        return refuse(reply, EBUSY, "the VM is running");
    vcpu_save(&m->guest.cpu, state);
    return give_data(reply, state, sizeof(state));
}

static int op_set_state(struct machine *m, struct request *rq, struct reply *reply)
{
    if (!m->replica)
        return refuse(reply, EINVAL, "only a replica takes a state");
    if (guest_load(&m->guest, rq->payload, rq->len, &reply->err))
        return -1;
    m->has_state = true;
    return 0;
}

static int op_nic_take(struct machine *m, struct request *rq, struct reply *reply)
{
    if (rq->fd < 0)
        return refuse(reply, EINVAL, "no descriptor came with the request");
    if (m->nic_owner && m->nic_owner != rq->conn)
        return refuse(reply, EBUSY, "another connection has the network interface");
    if (nic_take(m, rq->fd))
        return refuse(reply, errno, "network interface");
    rq->fd = -1;
    m->nic_owner = rq->conn;
    return 0;
}

static int op_nic_give(struct machine *m, struct request *rq, struct reply *reply)
{
    if (m->nic_owner && m->nic_owner != rq->conn)
        return refuse(reply, EBUSY, "another connection has the network interface");
    if (nic_open(m, m->conf.net, &reply->err))
        return -1;
    m->nic_owner = NULL;
    return 0;
}

static int op_describe(struct machine *m, struct request *rq, struct reply *reply)
{
    (void)rq;
    return give_text(reply, sim_desc_format(&m->conf));
}

static int op_activate(struct machine *m, struct request *rq, struct reply *reply)
{
    char spec[CONF_STR_MAX] = "";

    if (!m->replica || !m->has_state)
        return refuse(reply, EINVAL, "not a replica with a state");
    if (rq->len >= sizeof(spec))
        return refuse(reply, EINVAL, "port name too long");
    memcpy(spec, rq->payload, rq->len);
    if (!*spec)
        strcpy(spec, m->conf.net);
    if (nic_open(m, spec, &reply->err))
        return -1;
    if (machine_rename(m, &reply->err)) {
        nic_close(m);
        return -1;
    }
    strcpy(m->conf.net, spec);
    m->replica = false;
    m->creator = NULL;
    machine_resume(m);
    log_info("activated");
    return 0;
}

static int op_check(struct machine *m, struct request *rq, struct reply *reply)
{
    (void)rq;
    if (m->replica && !m->has_state)
        return refuse(reply, EINVAL, "a replica without a state cannot be checked");
    return give_text(reply, report_check(m));
}

static int op_stats(struct machine *m, struct request *rq, struct reply *reply)
{
    (void)rq;
    return give_text(reply, report_stats(m));
}

static int op_shutdown(struct machine *m, struct request *rq, struct reply *reply)
{
    (void)rq;
    (void)reply;
    m->quit = m->shutdown = true;
    return 0;
}

static int op_destroy(struct machine *m, struct request *rq, struct reply *reply)
{
    (void)rq;
    (void)reply;
    m->quit = true;
    return 0;
}

static int (*const handlers[])(struct machine *, struct request *, struct reply *) = {
    [SIM_INFO] = op_info,         [SIM_ATTACH] = op_attach,       [SIM_LOG_ON] = op_log_on,
    [SIM_LOG_OFF] = op_log_off,   [SIM_STOP] = op_stop,           [SIM_RESUME] = op_resume,
    [SIM_END] = op_end,           [SIM_GET_STATE] = op_get_state, [SIM_SET_STATE] = op_set_state,
    [SIM_NIC_TAKE] = op_nic_take, [SIM_NIC_GIVE] = op_nic_give,   [SIM_DESCRIBE] = op_describe,
    [SIM_ACTIVATE] = op_activate, [SIM_CHECK] = op_check,         [SIM_STATS] = op_stats,
    [SIM_SHUTDOWN] = op_shutdown, [SIM_DESTROY] = op_destroy,
};

int machine_request(struct machine *m, struct request *rq, struct reply *reply)
{
    if (rq->op >= ARRAY_LEN(handlers) || !handlers[rq->op]) {
        err_set(&reply->err, "", "unknown request %u", rq->op);
        return EOPNOTSUPP;
    }
    if (handlers[rq->op](m, rq, reply) == 0)
        return 0;
    return errno ? errno : EIO;
}
