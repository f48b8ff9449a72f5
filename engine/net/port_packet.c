/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/port_impl.h"

#define VLAN_LEN    4
#define MACS_END    (PORT_VNET_LEN + 2 * ETH_ALEN) /* where a VLAN tag goes */
#define QUEUE_BYTES (4 * 1024 * 1024)

static int set_int(int fd, int option, int value)
{
    return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value));
}

static int configure(int fd, int ifindex)
{
    struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
    struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_ifindex = ifindex};
    int queue = QUEUE_BYTES;

    addr.sll_protocol = htons(ETH_P_ALL);
    if (set_int(fd, PACKET_VNET_HDR, 1) < 0 || set_int(fd, PACKET_AUXDATA, 1) < 0 ||
        set_int(fd, PACKET_IGNORE_OUTGOING, 1) < 0)
        return -1;
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
        return -1;
    /* The default holds three GSO frames. Without the right to ask for more it has to do. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue));
    return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static int packet_open(const char *name, struct err *err)
{
    if (port_ifname_final(name, err) < 0)
        return -1;
    unsigned ifindex = if_nametoindex(name);
    if (ifindex == 0)
        return err_errno(err, "see 'ip link' for what there is", "no interface '%s'", name);

    /* Protocol 0 receives nothing, so no frame of another interface slips in before the bind. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && configure(fd, (int)ifindex) == 0)
        return fd;

    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return err_errno(err, saved == EPERM ? "run with CAP_NET_RAW" : "",
                     "cannot open interface '%s'", name);
}

/** The tag that the kernel took out of the frame, if any. */
static const struct tpacket_auxdata *stripped_tag(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(c);
        return aux->tp_status & TP_STATUS_VLAN_VALID ? aux : NULL;
    }
    return NULL;
}

static void shift_offsets(uint8_t *frame)
{
    struct virtio_net_hdr vnet;

    memcpy(&vnet, frame, sizeof(vnet));
    if (vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        vnet.csum_start = (uint16_t)(vnet.csum_start + VLAN_LEN);
    if (vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        vnet.hdr_len = (uint16_t)(vnet.hdr_len + VLAN_LEN);
    memcpy(frame, &vnet, sizeof(vnet));
}

/** Puts the tag back in its place; there is room for it behind the frame. */
static ssize_t restore_tag(uint8_t *frame, ssize_t len, const struct tpacket_auxdata *aux)
{
    bool named = aux->tp_status & TP_STATUS_VLAN_TPID_VALID;
    uint16_t tpid = named ? aux->tp_vlan_tpid : ETHERTYPE_VLAN;
    uint16_t tag[2] = {htons(tpid), htons(aux->tp_vlan_tci)};

    if (len < MACS_END)
        return PORT_READ_SKIP;
    memmove(frame + MACS_END + VLAN_LEN, frame + MACS_END, (size_t)len - MACS_END);
    memcpy(frame + MACS_END, tag, VLAN_LEN);
    shift_offsets(frame);
    return len + VLAN_LEN;
}

/** ENETDOWN is told once, both for an interface that was set down and for one that was removed. */
static ssize_t read_error(const struct port *port)
{
    struct sockaddr_ll addr = {0};
    socklen_t len = sizeof(addr);
    int error = errno;

    if (error == EINVAL) /* a frame whose offload the vnet header cannot express; it is consumed */
        return PORT_READ_SKIP;
    if (error == ENETDOWN && getsockname(port->fd, (struct sockaddr *)&addr, &len) == 0)
        error = addr.sll_ifindex > 0 ? EAGAIN : ENXIO;
    errno = error;
    return -1;
}

static ssize_t packet_read(struct port *port, void *buf, size_t cap)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct iovec iov = {buf, cap - VLAN_LEN};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(port->fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return read_error(port);
    if (msg.msg_flags & MSG_TRUNC)
        return PORT_READ_SKIP;
    const struct tpacket_auxdata *aux = stripped_tag(&msg);
    return aux ? restore_tag(buf, n, aux) : n;
}

static int packet_write(struct port *port, const void *frame, size_t len)
{
    return send(port->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

const struct port_ops port_packet_ops = {"packet", port_ifname_check, packet_open, packet_read,
                                         packet_write};
