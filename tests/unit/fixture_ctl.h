/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_FIXTURE_CTL_H
#define REMUS_FIXTURE_CTL_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/ctl.h"

/** A control server at a path of its own; its clients run its loop while they wait. */

static struct event_base *base;
static struct ctl_server *server;
static char dir[64], path[96];
static struct err err;
static struct ctl_buf buf;
static struct ctl_conn *held;
static int requests;

static inline void on_request(struct ctl_conn *conn, json_t *request, void *arg)
{
    const char *cmd = json_string_value(json_object_get(request, "cmd"));

    assert_ptr_equal(arg, &requests);
    requests++;
    if (strcmp(cmd, "echo") == 0) {
        ctl_reply(conn, json_pack("{s:b, s:O}", "ok", 1, "request", request));
    } else if (strcmp(cmd, "hold") == 0) {
        held = ctl_hold(conn);
    } else if (strcmp(cmd, "hold-and-answer") == 0) {
        ctl_reply_ok(ctl_hold(conn));
    } else if (strcmp(cmd, "follow") == 0) {
        ctl_reply_ok(conn);
        ctl_stream(conn);
    } else if (strcmp(cmd, "stream") == 0) {
        ctl_stream(conn);
    } else if (strcmp(cmd, "refuse") == 0) {
        struct err why;
        err_set(&why, "a hint", "a cause");
        ctl_reply_err(conn, "refused", &why);
    } else if (strcmp(cmd, "stop") == 0) {
        ctl_reply_ok(conn);
        ctl_server_free(server);
        server = NULL;
    } else if (strcmp(cmd, "huge") == 0) {
        char *text = malloc(CTL_REPLY_MAX + 1);
        memset(text, 'x', CTL_REPLY_MAX);
        text[CTL_REPLY_MAX] = '\0';
        ctl_reply(conn, json_pack("{s:b, s:s}", "ok", 1, "text", text));
        free(text);
    }
}

static inline int set_up(void **state)
{
    (void)state;
    requests = 0;
    held = NULL;
    snprintf(dir, sizeof(dir), "/tmp/test_ctl_XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/run/d.sock", dir);
    base = event_base_new();
    server = ctl_server_new(base, path, on_request, &requests, &err);
    return server ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    ctl_server_free(server);
    ctl_buf_free(&buf);
    event_base_free(base);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    return rmdir(dir);
}

static inline void turn(void)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static inline int dial(void)
{
    int fd = ctl_connect(path, &err);
    assert_true(fd >= 0);
    return fd;
}

static inline void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Runs the server until a line comes; NULL when it hung up. */
static inline json_t *get(int fd)
{
    for (;;) {
        turn();
        json_t *line = ctl_read(fd, &buf, 1, &err);
        if (line || errno != ETIMEDOUT)
            return line;
    }
}

static inline void expect_code(int fd, const char *code)
{
    json_t *reply = get(fd);
    assert_non_null(reply);
    assert_true(json_is_false(json_object_get(reply, "ok")));
    assert_string_equal(json_string_value(json_object_get(reply, "code")), code);
    assert_true(json_is_string(json_object_get(reply, "error")));
    assert_true(json_is_string(json_object_get(reply, "hint")));
    json_decref(reply);
}

static inline void expect_ok(int fd)
{
    json_t *reply = get(fd);
    assert_non_null(reply);
    assert_true(json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
}

static inline void expect_end(int fd)
{
    assert_null(get(fd));
    assert_true(errno == 0 || errno == ECONNRESET);
}

#endif
