/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/ctl_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/file.h"

static void refuse(int fd)
{
    static const char text[] = "{\"ok\":false,\"code\":\"busy\",\"error\":\"too many control "
                               "connections\",\"hint\":\"try again later\"}\n";

    /* A courtesy to whoever reads it: nothing depends on it. */
    ssize_t sent = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    close(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
                      int addr_len, void *arg)
{
    struct ctl_server *server = arg;

    (void)listener;
    (void)addr;
    (void)addr_len;
    accept_pause_over(&server->pause);
    if (server->count >= CTL_CONN_MAX)
        refuse(fd);
    else
        ctl_conn_new(server, fd);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct ctl_server *server = arg;

    (void)listener;
    accept_pause_begin(&server->pause);
}

/* 0: nobody is there, and the path is free for us now. */
static int clear_stale(const struct sockaddr_un *addr, struct err *err)
{
    struct stat st;

    if (lstat(addr->sun_path, &st)) {
        if (errno == ENOENT)
            return 0;
        return err_errno(err, NULL, "cannot use %s", addr->sun_path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return err_set(err, "set control_socket to another path", "%s exists and is not a socket",
                       addr->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, NULL, "cannot check %s", addr->sun_path);
    int rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
    int why = errno;
    close(fd);
    if (rc == 0 || why != ECONNREFUSED) {
        errno = rc == 0 || why == EAGAIN ? EADDRINUSE : why;
        return err_errno(err, "stop the other daemon, or set control_socket to another path",
                         "cannot listen at %s", addr->sun_path);
    }
    if (unlink(addr->sun_path) && errno != ENOENT)
        return err_errno(err, NULL, "cannot remove %s", addr->sun_path);
    return 0;
}

/* The mode must be right from the first moment on, which only the umask can do. */
static int bind_private(int fd, const struct sockaddr_un *addr)
{
    mode_t before = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

    umask(before);
    return rc;
}

static int listen_at(const char *path, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return err_errno(err, "set control_socket to a shorter path", "cannot listen at %s", path);
    }
    memcpy(addr.sun_path, path, strlen(path));
    if (file_mkdirs_above(path, 0700))
        return err_errno(err, NULL, "cannot create the directory of %s", path);
    if (clear_stale(&addr, err))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, NULL, "cannot listen at %s", path);
    if (bind_private(fd, &addr) == 0 && listen(fd, CTL_CONN_MAX) == 0)
        return fd;
    err_errno(err, NULL, "cannot listen at %s", path);
    close(fd);
    return -1;
}

static int start(struct ctl_server *server, struct event_base *base, const char *path,
                 struct err *err)
{
    int fd = listen_at(path, err);
    if (fd < 0)
        return -1;
    server->path = strdup(path); /* from here on the file is ours to remove */
    server->listener = evconnlistener_new(base, on_accept, server,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!server->path || !server->listener ||
        accept_pause_init(&server->pause, base, server->listener, "control socket")) {
        if (!server->listener)
            close(fd);
        unlink(path);
        errno = ENOMEM;
        return err_errno(err, NULL, "cannot listen at %s", path);
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    return 0;
}

struct ctl_server *ctl_server_new(struct event_base *base, const char *path,
                                  ctl_request_cb on_request, void *arg, struct err *err)
{
    struct ctl_server *server = calloc(1, sizeof(*server));
    if (!server) {
        err_errno(err, NULL, "cannot listen at %s", path);
        return NULL;
    }
    TAILQ_INIT(&server->conns);
    server->base = base;
    server->on_request = on_request;
    server->arg = arg;
    if (start(server, base, path, err)) {
        int saved = errno;
        ctl_server_free(server);
        errno = saved;
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN); /* bufferevents write without MSG_NOSIGNAL */
    return server;
}

void ctl_server_free(struct ctl_server *server)
{
    struct ctl_conn *conn;

    if (!server)
        return;
    while ((conn = TAILQ_FIRST(&server->conns)))
        ctl_conn_close(conn);
    accept_pause_free(&server->pause);
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->path)
        unlink(server->path);
    free(server->path);
    free(server);
}
