/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMCLIENT_WIRE_H
#define REMUS_SIMCLIENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The client's frames, built and taken apart; no I/O. All have a vnet header in front. ARP is RFC
 * 826, neighbour discovery RFC 4861 (4.3, 4.4), UDP RFC 768 over IPv4 and IPv6.
 */
#define WIRE_PAYLOAD_MAX 1400
#define WIRE_FRAME_MAX   1600

#define WIRE_TYPE_REFLECT 0x88b5 /* IEEE 802, local experimental 1 */

struct wire_host {
    uint8_t mac[6];
    uint8_t ip[16]; /* IPv4 in the first 4 */
};

/** Between us and the one host we talk to, in one family and one VLAN. */
struct wire_path {
    struct wire_host us, them; /* them.mac counts once they told it */
    bool v6;
    uint16_t vlan; /* 0: untagged */
};

/** Each builds a frame in buf[WIRE_FRAME_MAX] and returns its length. `len` <= WIRE_PAYLOAD_MAX. */
size_t wire_udp(uint8_t *buf, const struct wire_path *p, uint16_t sport, uint16_t dport,
                const void *payload, size_t len);
size_t wire_reflect(uint8_t *buf, const struct wire_path *p, const void *payload, size_t len);

/** ARP request or neighbour solicitation for their MAC. */
size_t wire_ask(uint8_t *buf, const struct wire_path *p);

/** ARP reply or neighbour advertisement of our MAC to `asker`. */
size_t wire_tell(uint8_t *buf, const struct wire_path *p, const struct wire_host *asker);

enum wire_kind {
    WIRE_OTHER, /* not for us, or nothing we know */
    WIRE_BAD,   /* for us, but its checksum is wrong */
    WIRE_ASKED, /* `host` wants our MAC */
    WIRE_TOLD,  /* `host` is them, with their MAC */
    WIRE_UDP,
    WIRE_REFLECTED,
};

struct wire_got {
    struct wire_host host;
    uint16_t sport, dport;
    const uint8_t *payload; /* inside of the frame */
    size_t len;
};

/** Hostile input: nothing beyond frame[len] is read. */
enum wire_kind wire_parse(const struct wire_path *p, const uint8_t *frame, size_t len,
                          struct wire_got *got);

#endif
