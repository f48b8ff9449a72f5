/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/mono.h"
#include "engine/hv/xen/xen_impl.h"

#define DESTROY_MS 60000 /* libxl waits for devices to be unplugged */
#define GONE_MS    30000
#define FREED_MS   5000 /* then its memory is still held by somebody's mapping */
#define POLL_US    20000

/*
 * libxl starts children, waits for them and owns SIGCHLD meanwhile: that suits no process with an
 * event loop of its own. Nothing of this process's handles is used after the fork.
 */
static _Noreturn void run(const struct xen_hv *x, xen_job_fn fn, int fd, void *arg)
{
    const int kept = STDERR_FILENO + 1;
    libxl_ctx *ctx = NULL;
    sigset_t none;

    prctl(PR_SET_NAME, "remus-libxl");
    setsid(); /* a signal to the daemon's group is not for this one */
    for (int sig = 1; sig < SIGRTMIN; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    libxl_postfork_child_noexec(x->ctx);
    if (fd >= 0 && (dup2(fd, kept) != kept || fcntl(kept, F_SETFD, FD_CLOEXEC) < 0))
        _exit(126);
    close_range(fd >= 0 ? (unsigned)kept + 1 : (unsigned)kept, ~0u, 0);

    xentoollog_logger *log =
        (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!log || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, log))
        _exit(126);
    int status = fn(ctx, fd >= 0 ? kept : -1, arg);
    libxl_ctx_free(ctx);
    _exit(status);
}

int xen_job_start(struct xen_job *job, const struct xen_hv *x, xen_job_fn fn, int fd, void *arg)
{
    job->pid = fork();
    if (job->pid < 0)
        return -1;
    if (job->pid == 0)
        run(x, fn, fd, arg);
    job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
    if (job->pidfd >= 0)
        return 0;
    int saved = errno;
    xen_job_finish(job);
    errno = saved;
    return -1;
}

bool xen_job_ended(const struct xen_job *job, int timeout_ms)
{
    struct pollfd end = {.fd = job->pidfd, .events = POLLIN};

    return poll(&end, 1, timeout_ms) == 1;
}

int xen_job_finish(struct xen_job *job)
{
    int status = 0;

    if (job->pidfd < 0 || !xen_job_ended(job, 0))
        kill(job->pid, SIGKILL);
    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (job->pidfd >= 0)
        close(job->pidfd);
    *job = (struct xen_job){.pidfd = -1};
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int destroy_job(libxl_ctx *ctx, int fd, void *arg)
{
    (void)fd;
    return libxl_domain_destroy(ctx, *(uint32_t *)arg, NULL) ? 1 : 0;
}

/* Its memory can be used again. */
static bool is_freed(const struct xen_hv *x, uint32_t domid)
{
    xc_domaininfo_t info;

    return xc_domain_getinfolist(x->xch, domid, 1, &info) != 1 || info.domain != domid;
}

int xen_dom_destroy(const struct xen_hv *x, uint32_t domid, const struct uuid *uuid,
                    struct err *err)
{
    xc_domaininfo_t info;
    struct xen_job job;

    if (xen_dom_info(x, domid, uuid, &info))
        return errno == ESRCH ? 0 : err_errno(err, "", "domain %u", domid);
    if (xen_job_start(&job, x, destroy_job, -1, &domid))
        return err_errno(err, "", "cannot destroy domain %u", domid);
    xen_job_ended(&job, DESTROY_MS);
    xen_job_finish(&job);
    /* Somebody else may have been about it too: what counts is that it is gone. */
    struct mono start = mono_now();
    while (xen_dom_info(x, domid, uuid, &info) == 0 || errno != ESRCH) {
        if (mono_sub(mono_now(), start) > GONE_MS * NS_PER_MS) {
            errno = EIO;
            return err_set(err, "see xl destroy", "domain %u is still there", domid);
        }
        usleep(POLL_US);
    }
    start = mono_now();
    while (!is_freed(x, domid) && mono_sub(mono_now(), start) < FREED_MS * NS_PER_MS)
        usleep(POLL_US);
    return 0;
}
