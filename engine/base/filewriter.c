/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/filewriter.h"

#include <errno.h>
#include <event2/buffer.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/filewriter_impl.h"

#define LOW_WATER (2u << 20)

struct filewriter {
    const struct filewriter_ops *ops;
    void *arg;
    int fd;
    struct event *read_ev, *write_ev;
    struct evbuffer *out;
    bool all_put;
    struct filewriter_report report;
    size_t report_len;
};

static void end(struct filewriter *w)
{
    struct err err;

    event_del(w->read_ev);
    event_del(w->write_ev);
    if (w->report_len == sizeof(w->report)) {
        w->ops->end(w->report.done ? NULL : &w->report.err, w->arg);
        return;
    }
    (void)err_set(&err, "see the kernel's log", "the process that writes the file died");
    w->ops->end(&err, w->arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct filewriter *w = arg;
    char *at = (char *)&w->report + w->report_len;

    (void)what;
    ssize_t n = recv(fd, at, sizeof(w->report) - w->report_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        w->report_len += (size_t)n;
    if (n <= 0 || w->report_len == sizeof(w->report))
        end(w);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct filewriter *w = arg;

    (void)what;
    if (evbuffer_get_length(w->out) && evbuffer_write(w->out, fd) < 0 && errno != EAGAIN) {
        event_del(w->write_ev); /* the other side has ended, and its report says why */
        return;
    }
    if (!w->all_put && evbuffer_get_length(w->out) < LOW_WATER)
        w->ops->room(w->arg); /* may free w: nothing follows */
    else if (w->all_put && evbuffer_get_length(w->out) == 0)
        event_del(w->write_ev);
}

static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2};

/* Twice forked: nobody has to wait for it, and so giving a file up never waits. */
static _Noreturn void become_writer(int fd, const char *path, bool replace, const sigset_t *mask)
{
    const int kept = STDERR_FILENO + 1;

    if (fork() != 0)
        _exit(0);
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
        signal(handled[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (dup2(fd, kept) != kept || close_range((unsigned)kept + 1, ~0u, 0))
        _exit(1);
    filewriter_proc(kept, path, replace);
}

/* A handler of the parent's event loop must not run in the child: it would wake the parent. */
static int fork_writer(int fd, const char *path, bool replace)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid = fork();
    if (pid == 0)
        become_writer(fd, path, replace, &before);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    errno = saved;
    return pid < 0 ? -1 : 0;
}

static int start(struct filewriter *w, struct event_base *base, const char *path, bool replace)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -1;
    w->fd = pair[0];
    int rc = fork_writer(pair[1], path, replace), saved = errno;
    close(pair[1]);
    errno = saved;
    if (rc || evutil_make_socket_nonblocking(w->fd))
        return -1;
    w->out = evbuffer_new();
    w->read_ev = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
    w->write_ev = event_new(base, w->fd, EV_WRITE | EV_PERSIST, on_writable, w);
    if (w->out && w->read_ev && w->write_ev && event_add(w->read_ev, NULL) == 0 &&
        event_add(w->write_ev, NULL) == 0)
        return 0;
    errno = ENOMEM;
    return -1;
}

struct filewriter *filewriter_new(struct event_base *base, const char *path, bool replace,
                                  const struct filewriter_ops *ops, void *arg, struct err *err)
{
    struct filewriter *w = calloc(1, sizeof(*w));

    signal(SIGPIPE, SIG_IGN);
    if (w) {
        *w = (struct filewriter){.ops = ops, .arg = arg, .fd = -1};
        if (start(w, base, path, replace) == 0)
            return w;
    }
    (void)err_errno(err, NULL, "cannot start a process to write %s", path);
    int saved = errno;
    filewriter_free(w);
    errno = saved;
    return NULL;
}

static void free_data(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    free(arg);
}

int filewriter_put(struct filewriter *w, void *data, size_t len)
{
    uint32_t head = (uint32_t)len;

    if (evbuffer_add(w->out, &head, sizeof(head)) == 0 &&
        evbuffer_add_reference(w->out, data, len, free_data, data) == 0)
        return 0;
    free(data);
    errno = ENOMEM;
    return -1;
}

size_t filewriter_queued(const struct filewriter *w)
{
    return evbuffer_get_length(w->out);
}

int filewriter_finish(struct filewriter *w)
{
    uint32_t head = FILEWRITER_END;

    w->all_put = true;
    if (evbuffer_add(w->out, &head, sizeof(head)) == 0)
        return 0;
    errno = ENOMEM;
    return -1;
}

void filewriter_free(struct filewriter *w)
{
    if (!w)
        return;
    if (w->read_ev)
        event_free(w->read_ev);
    if (w->write_ev)
        event_free(w->write_ev);
    if (w->out)
        evbuffer_free(w->out);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}
