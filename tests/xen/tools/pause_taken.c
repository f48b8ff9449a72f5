/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pause_taken DOMID: pauses the guest when its kernel has just taken a request to suspend, so that
 * it has yet to obey. Exits with 1 when none could be caught.
 */
#include "tests/xen/tools/suspend_channel.h"

/* Waits until somebody has written there; true: the node is empty now. */
static bool taken(struct xs_handle *xs, const char *path)
{
    struct pollfd p = {.fd = xs_fileno(xs), .events = POLLIN};
    char **event = NULL;
    unsigned len;

    if (poll(&p, 1, LOOK_MS) == 1)
        event = xs_check_watch(xs);
    if (!event)
        return false;
    free(event);
    char *text = xs_read(xs, XBT_NULL, path, &len);
    bool empty = text && !*text;
    free(text);
    return empty;
}

/* False: it was quicker, and runs on. */
static bool pause_in_time(const struct channel *c)
{
    if (xc_domain_pause(c->xch, c->domid))
        die(2, "pause");
    if (!is_suspended(c))
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
    taken(xs, path); /* the first event only says that the watch is there */
    while (!taken(xs, path) || !pause_in_time(&c)) {
        if (now_us() > end)
            die(1, "no request was caught");
    }
    return 0;
}
