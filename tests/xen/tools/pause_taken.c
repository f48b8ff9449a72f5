/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pause_taken DOMID: pauses the guest when its kernel has just taken a request to suspend, so that
 * it has yet to obey. Exits with 1 when none could be caught.
 */
#include "tests/xen/tools/suspend_channel.h"

/* Longer than from one epoch to the next, shorter than who asks waits for the guest. */
enum { QUIET_MS = 3000 };

/* Whether somebody writes there within `ms`. */
static bool written(struct xs_handle *xs, int ms)
{
    struct pollfd p = {.fd = xs_fileno(xs), .events = POLLIN};
    char **event = poll(&p, 1, ms) == 1 ? xs_check_watch(xs) : NULL;

    bool any = event != NULL;
    free(event);
    return any;
}

static bool is_asked(struct xs_handle *xs, const char *path)
{
    unsigned len;
    char *text = xs_read(xs, XBT_NULL, path, &len);
    bool asked = text && strcmp(text, "suspend") == 0;

    free(text);
    return asked;
}

/* The guest is paused: it has to obey yet. Who is done with it asks for the next suspend. */
static bool in_time(const struct channel *c, struct xs_handle *xs, const char *path)
{
    int64_t end = now_us() + QUIET_MS * INT64_C(1000);

    if (is_suspended(c))
        return false;
    while (now_us() < end) {
        if (written(xs, LOOK_MS) && is_asked(xs, path))
            return false;
    }
    return true;
}

static bool caught(const struct channel *c, struct xs_handle *xs, const char *path)
{
    if (!written(xs, LOOK_MS) || is_asked(xs, path))
        return false;
    if (xc_domain_pause(c->xch, c->domid))
        die(2, "pause");
    if (in_time(c, xs, path))
        return true;
    xc_domain_unpause(c->xch, c->domid);
    return false;
}

int main(int argc, char **argv)
{
    int64_t end = now_us() + 3 * LIMIT_MS * INT64_C(1000);
    struct xs_handle *xs = xs_open(0);
    struct channel c;
    char path[80];

    if (argc != 2 || !xs)
        die(2, "usage: pause_taken DOMID");
    channel_init(&c, argv[1], true);
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", c.domid);
    if (!xs_watch(xs, path, "request"))
        die(2, "watch");
    written(xs, LOOK_MS); /* the first event only says that the watch is there */
    while (!caught(&c, xs, path)) {
        if (now_us() > end)
            die(1, "no request was caught");
    }
    return 0;
}
