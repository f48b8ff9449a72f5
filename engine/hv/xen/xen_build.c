/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/xen_build.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/base/mono.h"
#include "engine/hv/xen/format/xen_stream.h"
#include "engine/hv/xen/xen_keeper.h"

#define START_MS  30000
#define FEED_MS   20000
#define FINISH_MS 120000 /* libxl gives a hotplug script 40 s */
#define LEAVE_MS  20000
#define POLL_MS   5

/* What libxl's process says on the stream's way back. */
static const char complete = '+';

struct plan {
    const char *config, *name;
};

/* In the process of its own. */
static int restore(libxl_ctx *ctx, int fd, void *arg)
{
    const struct plan *plan = arg;
    libxl_domain_config config;
    libxl_domain_restore_params params;
    uint32_t domid = 0;
    int rc;

    libxl_domain_config_init(&config);
    libxl_domain_restore_params_init(&params);
    params.stream_version = 2;
    params.checkpointed_stream = LIBXL_CHECKPOINTED_STREAM_REMUS;
    rc = libxl_domain_config_from_json(ctx, &config, plan->config);
    if (rc == 0) {
        free(config.c_info.name);
        config.c_info.name = strdup(plan->name);
        config.c_info.domid = 0; /* any */
        rc = libxl_domain_create_restore(ctx, &config, &domid, fd, -1, &params, NULL, NULL);
    }
    libxl_domain_restore_params_dispose(&params);
    libxl_domain_config_dispose(&config);
    if (rc == 0) {
        char hung_up;
        /* The guest is about to run and needs the CPU more than what is left to do here. */
        if (send(fd, &complete, 1, MSG_NOSIGNAL) != 1 || read(fd, &hung_up, 1) < 0)
            log_warn("nobody waits for the domain");
    }
    if (rc == 0 && xen_keeper_start(ctx, domid, plan->config))
        log_warn("nothing will be done when the VM shuts down");
    return rc ? 1 : 0;
}

/* All of it, while the other side lives and reads. */
static int feed(struct xen_build *b, const uint8_t *data, size_t len)
{
    struct pollfd room = {.fd = b->feed, .events = POLLOUT};

    while (len) {
        ssize_t n = send(b->feed, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return -1;
        } else if (poll(&room, 1, FEED_MS) == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    return 0;
}

static int feed_buf(struct xen_build *b, struct xen_buf *buf)
{
    int rc = -1;

    if (buf->failed)
        errno = ENOMEM;
    else
        rc = feed(b, buf->data, buf->len);
    int saved = errno;
    xen_buf_free(buf);
    errno = saved;
    return rc;
}

static int feed_start(struct xen_build *b, const struct xen_desc *desc)
{
    struct xen_buf buf;

    xen_buf_init(&buf);
    xen_stream_start(&buf, desc->xen_major, desc->xen_minor);
    xen_rec_put(&buf, XEN_REC_CPUID_POLICY, desc->cpuid, desc->cpuid_len);
    xen_rec_put(&buf, XEN_REC_MSR_POLICY, desc->msr, desc->msr_len);
    xen_stream_static_end(&buf);
    xen_stream_fence(&buf);
    return feed_buf(b, &buf);
}

/* The reader is through with all that was written: the domain is made and knows its CPU. */
static int await_fence(struct xen_build *b, struct err *err)
{
    struct mono end = mono_add(mono_now(), START_MS * NS_PER_MS);
    int unread = 1;

    while (unread > 0) {
        if (xen_job_ended(&b->job, POLL_MS)) {
            errno = EIO;
            return err_set(err, "libxl's reason is in the log", "libxl does not build the replica");
        }
        if (ioctl(b->feed, SIOCOUTQ, &unread) < 0)
            return err_errno(err, "", "replica's stream");
        if (mono_before(end, mono_now())) {
            errno = ETIMEDOUT;
            return err_errno(err, "", "libxl builds the replica");
        }
    }
    return 0;
}

static int start(struct xen_build *b, const struct xen_hv *x, const struct xen_desc *desc,
                 const struct uuid *uuid, struct err *err)
{
    char name[HV_NAME_MAX];
    struct plan plan = {.config = desc->config, .name = name};
    xc_domaininfo_t info;
    int pair[2];

    xen_replica_name(uuid, name);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return err_errno(err, "", "replica's stream");
    b->feed = pair[0];
    int rc = xen_job_start(&b->job, x, restore, pair[1], &plan), saved = errno;
    close(pair[1]);
    errno = saved;
    if (rc || feed_start(b, desc))
        return err_errno(err, "", "cannot start libxl");
    if (await_fence(b, err))
        return -1;
    if (xen_dom_by_uuid(x, uuid, XEN_ANY, &info))
        return err_errno(err, "", "the replica's domain");
    b->domid = info.domain;
    return 0;
}

int xen_build_start(struct xen_build *b, const struct xen_hv *x, const struct xen_desc *desc,
                    const struct uuid *uuid, struct err *err)
{
    *b = (struct xen_build){.job.pidfd = -1, .feed = -1};
    if (start(b, x, desc, uuid, err) == 0)
        return 0;
    int saved = errno;
    xen_build_leave(b);
    errno = saved;
    return -1;
}

bool xen_build_alive(const struct xen_build *b)
{
    return b->job.pid > 0 && !xen_job_ended(&b->job, 0);
}

/* Its word, or its end without one. */
static int await_complete(struct xen_build *b, struct err *err)
{
    struct pollfd word = {.fd = b->feed, .events = POLLIN};
    char said;

    if (poll(&word, 1, FINISH_MS) != 1) {
        errno = ETIMEDOUT;
        return err_errno(err, "", "libxl finishes the domain");
    }
    if (recv(b->feed, &said, 1, MSG_DONTWAIT) == 1 && said == complete)
        return 0;
    errno = EIO;
    return err_set(err, "libxl's reason is in the log", "libxl did not finish the domain");
}

int xen_build_finish(struct xen_build *b, const uint8_t *state, size_t len, struct err *err)
{
    struct xen_buf buf;

    if (b->feed < 0) {
        errno = ESRCH;
        return err_set(err, "", "the replica was lost in an activation that failed");
    }
    xen_buf_init(&buf);
    xen_buf_put(&buf, state, len);
    xen_stream_checkpoint(&buf);
    xen_stream_end(&buf);
    if (feed_buf(b, &buf)) {
        (void)err_errno(err, "", "libxl does not take the state");
    } else if (await_complete(b, err) == 0) {
        return 0;
    }
    int saved = errno;
    xen_build_leave(b);
    errno = saved;
    return -1;
}

void xen_build_leave(struct xen_build *b)
{
    if (b->feed >= 0)
        close(b->feed);
    b->feed = -1;
    if (b->job.pid <= 0)
        return;
    xen_job_ended(&b->job, LEAVE_MS);
    xen_job_finish(&b->job);
}
