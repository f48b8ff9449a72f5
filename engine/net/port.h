/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_PORT_H
#define REMUS_PORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * A place where Ethernet frames enter and leave. Every read and write moves one frame with the
 * 10-byte virtio_net_hdr in front (struct virtio_net_hdr of linux/virtio_net.h, host byte order),
 * so partial checksums and GSO frames up to 64 KB pass unharmed. All descriptors are non-blocking.
 *
 *   tap:NAME       a TAP interface (IFF_TAP|IFF_NO_PI|IFF_VNET_HDR), created when missing, set up
 *   packet:NAME    an AF_PACKET socket with PACKET_VNET_HDR on an existing interface, promiscuous,
 *                  own transmissions not read back. A removed interface is noticed by port_write,
 *                  not always by port_read: the kernel may tell a reader only that it is down
 *   switch:PATH    a SOCK_SEQPACKET connection to a remus-simswitch: no rights needed
 *   none           swallows and yields nothing (a VM without network)
 */
#define PORT_VNET_LEN  10
#define PORT_FRAME_MAX (PORT_VNET_LEN + 14 + 4 + 65535)

struct port;

/** NULL with `err` (bad form, no such interface, no rights). */
struct port *port_open(const char *spec, struct err *err) MUST_CHECK;

/**
 * Wraps a connected SEQPACKET, TAP or packet descriptor that is set up as port_open would, taking
 * it over. NULL with errno (ENOMEM; EINVAL: none of the three); it then stays the caller's.
 */
struct port *port_from_fd(int fd, const char *name) MUST_CHECK;
void port_close(struct port *port); /* NULL is allowed */

/** The form of `spec` is right; says nothing about whether it can be opened. */
int port_spec_check(const char *spec, struct err *err) MUST_CHECK;

int port_fd(const struct port *port); /* -1 for "none" */
const char *port_name(const struct port *port);

/**
 * One frame into buf[cap], cap >= PORT_FRAME_MAX. Its length, 0 when none is waiting, -1 with errno
 * (EPIPE: the other side is gone for good). A frame that does not fit is dropped and counted.
 */
ssize_t port_read(struct port *port, void *buf, size_t cap) MUST_CHECK;

/**
 * 0, or -1 with errno: EAGAIN when the other side is full (a network may drop; the caller counts),
 * ENETDOWN when the interface is not up, EMSGSIZE above its MTU, EPIPE when it is gone. EINVAL for
 * a frame shorter than a vnet header and an Ethernet header.
 */
int port_write(struct port *port, const void *frame, size_t len) MUST_CHECK;

/** port_write's `error` says that nothing gets out until something changes (EPIPE, ENETDOWN). */
static inline bool port_is_mute(int error)
{
    return error == EPIPE || error == ENETDOWN;
}

/** Frames that port_read threw away: too long, too short, or not expressible with a vnet header. */
uint64_t port_dropped(const struct port *port);

#endif
