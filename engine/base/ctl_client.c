/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/mono.h"

#define READ_STEP 16384

int ctl_connect(const char *path, struct err *err)
{
    static const char hint[] = "is the daemon running, and may this user use its socket?";
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return err_errno(err, NULL, "cannot reach the daemon at %s", path);
    }
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, NULL, "cannot reach the daemon at %s", path);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        err_errno(err, hint, "cannot reach the daemon at %s", path);
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        data += sent;
        len -= (size_t)sent;
    }
    return 0;
}

int ctl_send(int fd, const json_t *request, struct err *err)
{
    char *text = json_dumps(request, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;

    int rc = -1;

    if (!text) {
        errno = EINVAL;
    } else if (len > CTL_LINE_MAX) {
        errno = EMSGSIZE;
    } else {
        text[len] = '\n'; /* in the place of the NUL */
        rc = send_all(fd, text, len + 1);
    }
    if (rc)
        err_errno(err, NULL, "cannot send the request");
    free(text);
    return rc;
}

void ctl_buf_free(struct ctl_buf *buf)
{
    free(buf->data);
    *buf = (struct ctl_buf){0};
}

static int make_room(struct ctl_buf *buf)
{
    if (buf->cap - buf->len >= READ_STEP)
        return 0;
    if (buf->len > CTL_REPLY_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    size_t cap = 2 * buf->cap + READ_STEP;
    char *data = realloc(buf->data, cap);
    if (!data)
        return -1;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

/* Readable before `deadline`? -1 with errno=ETIMEDOUT when not. */
static int wait_readable(int fd, bool forever, struct mono deadline)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = mono_sub(deadline, mono_now());
        int ms = left > 0 ? (int)((left + NS_PER_MS - 1) / NS_PER_MS) : 0;
        int rc = poll(&p, 1, forever ? -1 : ms);
        if (rc > 0)
            return 0;
        if (rc < 0 && errno != EINTR)
            return -1;
        if (rc == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

static json_t *parse_line(const char *line, size_t len, struct err *err)
{
    json_error_t why;

    json_t *reply = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    if (!reply) {
        errno = EBADMSG;
        err_set(err, "do daemon and tool have the same version?",
                "the daemon's reply is no JSON: %s", why.text);
    }
    return reply;
}

/* Takes the line of `len` bytes and its end off the buffer. */
static json_t *take_line(struct ctl_buf *buf, size_t len, struct err *err)
{
    json_t *reply = parse_line(buf->data, len, err);
    int saved = errno;

    buf->len -= len + 1;
    memmove(buf->data, buf->data + len + 1, buf->len);
    errno = saved;
    return reply;
}

/* What recv says, after waiting for it. */
static ssize_t read_more(int fd, struct ctl_buf *buf, bool forever, struct mono deadline)
{
    ssize_t got;

    if (make_room(buf) || wait_readable(fd, forever, deadline))
        return -1;
    do
        got = recv(fd, buf->data + buf->len, READ_STEP, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        buf->len += (size_t)got;
    return got;
}

json_t *ctl_read(int fd, struct ctl_buf *buf, int timeout_ms, struct err *err)
{
    struct mono deadline = mono_add(mono_now(), timeout_ms * NS_PER_MS);
    size_t searched = 0;
    ssize_t got;

    do {
        char *end = NULL;
        if (buf->len > searched)
            end = memchr(buf->data + searched, '\n', buf->len - searched);
        if (end)
            return take_line(buf, (size_t)(end - buf->data), err);
        searched = buf->len;
        got = read_more(fd, buf, timeout_ms < 0, deadline);
    } while (got > 0);
    if (got == 0) {
        errno = 0;
        err_set(err, "see the daemon's log", "the daemon closed the connection");
    } else {
        err_errno(err, NULL, "no reply from the daemon");
    }
    return NULL;
}
