/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "engine/net/port_impl.h"

static int none_check(const char *rest, struct err *err)
{
    if (*rest == '\0')
        return 0;
    errno = EINVAL;
    return err_set(err, "write just 'none'", "port 'none' takes no name");
}

static int none_open(const char *rest, struct err *err)
{
    (void)rest;
    (void)err;
    return -1;
}

static ssize_t none_read(struct port *port, void *buf, size_t cap)
{
    (void)port;
    (void)buf;
    (void)cap;
    errno = EAGAIN;
    return -1;
}

static int none_write(struct port *port, const void *frame, size_t len)
{
    (void)port;
    (void)frame;
    (void)len;
    return 0;
}

const struct port_ops port_none_ops = {"none", none_check, none_open, none_read, none_write};
