/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_PORT_IMPL_H
#define REMUS_PORT_IMPL_H

#include "engine/net/port.h"

/** A kind of port. For the files in engine/net only; everybody else uses port.h. */
struct port_ops {
    const char *scheme; /* what stands before the ':' in a spec */

    /** `rest` is what follows the ':'. 0 or -1 with `err`. */
    int (*check)(const char *rest, struct err *err);

    /** A non-blocking, close-on-exec descriptor, or -1 with `err`. */
    int (*open)(const char *rest, struct err *err);

    /** Length, PORT_READ_SKIP for a frame that was consumed but is no good, -1 with errno. */
    ssize_t (*read)(struct port *port, void *buf, size_t cap);

    /** Whole frame or nothing: 0, or -1 with errno. */
    int (*write)(struct port *port, const void *frame, size_t len);
};

#define PORT_READ_SKIP (-2)

struct port {
    const struct port_ops *ops;
    int fd;
    uint64_t dropped;
    char *name;
};

extern const struct port_ops port_tap_ops;
extern const struct port_ops port_packet_ops;
extern const struct port_ops port_switch_ops;
extern const struct port_ops port_none_ops;

/** A name the kernel accepts for an interface; "%d" for a number to be filled in is allowed. */
int port_ifname_check(const char *name, struct err *err) MUST_CHECK;

/** As above, and no number is left to fill in: the kernel would choose one by itself. */
int port_ifname_final(const char *name, struct err *err) MUST_CHECK;

#endif
