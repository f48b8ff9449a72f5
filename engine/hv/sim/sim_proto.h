/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIM_PROTO_H
#define REMUS_SIM_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "engine/base/compiler.h"
#include "engine/base/conf.h"
#include "engine/base/uuid.h"

/**
 * How the sim backend and a remus-simvm process talk: a SOCK_SEQPACKET Unix socket DIR/UUID.sock
 * (DIR/UUID.replica.sock before activation), one request or reply per packet, all on one host and
 * one build, so integers are in host order. A request gets exactly one reply with its id, one
 * with id 0 none; notices have id 0 and come at any time. Neither end trusts the other's lengths.
 */
#define SIM_PAGE_SIZE   4096u
#define SIM_NAME_MAX    64
#define SIM_NET_MAX     256
#define SIM_PAYLOAD_MAX 65536
#define SIM_FDS_MAX     2

#define SIM_SUFFIX         ".sock"
#define SIM_REPLICA_SUFFIX ".replica.sock"

enum sim_op {
    SIM_INFO = 1, /* reply: struct sim_info */
    SIM_ATTACH,   /* reply: struct sim_info and two descriptors: memory, dirty log */
    SIM_LOG_ON,   /* every page counts as dirty; EBUSY when another connection logs */
    SIM_LOG_OFF,
    SIM_STOP, /* replied to when stopped; EBUSY when another connection stopped it */
    SIM_RESUME,
    SIM_END,       /* log off; when stopped it stays so after this connection is closed */
    SIM_GET_STATE, /* reply: vCPU state; EBUSY while running */
    SIM_SET_STATE, /* replica only; payload: vCPU state. EINVAL: not a state of this VM */
    SIM_NIC_TAKE,  /* with one SEQPACKET descriptor that becomes the network interface */
    SIM_NIC_GIVE,  /* the interface goes back to its configured port */
    SIM_DESCRIBE,  /* reply: JSON object, one member per key of sim_vm_keys */
    SIM_ACTIVATE,  /* replica with state; payload: port spec, empty: as configured */
    SIM_CHECK,     /* reply: JSON result of the pattern check */
    SIM_STATS,     /* reply: JSON counters */
    SIM_SHUTDOWN,  /* power off; every connection gets SIM_NOTE_SHUTDOWN before EOF */
    SIM_DESTROY,   /* exit at once, without notice */
    SIM_NOTE_SHUTDOWN,
    SIM_NOTE_READY, /* replica to its creator: accepts requests, or rc and text say why not */
};

struct sim_msg {
    uint32_t id;
    uint32_t op;  /* enum sim_op */
    int32_t rc;   /* replies: 0 or an errno value, the payload is then a text */
    uint32_t len; /* of the payload that follows */
};

struct sim_info {
    struct uuid uuid;
    char name[SIM_NAME_MAX];
    char net[SIM_NET_MAX]; /* port spec that SIM_NIC_GIVE goes back to */
    uint64_t pages;
    int32_t pid;
    uint32_t vcpus;
    uint8_t mac[6];
    uint8_t running, replica, logging, zero[7];
};

/**
 * Head of the dirty log's memfd; the bitmap (layout of engine/base/bitmap.h) begins at
 * SIM_LOG_OFFSET. The guest writes a page first and then sets its bit; who fetches exchanges words
 * with zero first and then copies pages.
 */
#define SIM_LOG_OFFSET SIM_PAGE_SIZE
struct sim_shared {
    uint64_t pages;
    uint32_t attention; /* set before a request is sent: ends the guest's time slice early */
    uint32_t logging;
};

/** Configuration of one VM: remus-simvm's options and the content of a description. */
enum sim_order { SIM_ORDER_SEQ, SIM_ORDER_RANDOM, SIM_ORDER_HOT };
enum sim_content { SIM_CONTENT_ZERO, SIM_CONTENT_SPARSE, SIM_CONTENT_TEXT, SIM_CONTENT_RANDOM };

struct sim_vm_conf {
    char uuid[CONF_STR_MAX];
    char name[CONF_STR_MAX];
    int64_t mem_mb;
    char net[CONF_STR_MAX];
    char mac[CONF_STR_MAX];
    char ip[CONF_STR_MAX];
    char ip6[CONF_STR_MAX];
    int64_t pattern_mb; /* -1: a quarter of memory */
    int64_t pattern_rate;
    int64_t dirty_rate;
    int64_t dirty_span_mb;
    int order;   /* enum sim_order */
    int content; /* enum sim_content */
    int64_t seed;
};
extern const struct conf_key sim_vm_keys[];

/** The description of `conf` as a JSON text, malloc'ed; NULL with errno=ENOMEM. */
char *sim_desc_format(const struct sim_vm_conf *conf);

/**
 * Turns a description from anywhere into options "--KEY=VALUE" (a malloc'ed, NULL-ended array to be
 * freed by sim_desc_free) that conf_parse has found good. NULL with `err`.
 */
char **sim_desc_options(const void *desc, size_t len, struct sim_vm_conf *ret, struct err *err);
void sim_desc_free(char **options); /* NULL is allowed */

/** Address of DIR's socket `file`, through `dirfd` so that DIR's length does not matter. */
void sim_address(struct sockaddr_un *ret, int dirfd, const char *file);

/** "UUID" + suffix. */
void sim_socket_name(char *buf, size_t cap, const struct uuid *uuid, const char *suffix);

/**
 * Connected non-blocking descriptor, or -1 with errno: ENOENT or ECONNREFUSED (stale file) when
 * nobody listens.
 */
int sim_connect(int dirfd, const char *file) MUST_CHECK;

/** Sends one packet with up to SIM_FDS_MAX descriptors (they stay the caller's). Never blocks. */
int sim_send(int fd, const struct sim_msg *msg, const void *payload, const int *fds,
             size_t nfds) MUST_CHECK;

/**
 * Receives one packet without blocking: 1, 0 at EOF, -1 with errno (EAGAIN: none there, EPROTO: not
 * a packet of this protocol). `payload` has SIM_PAYLOAD_MAX bytes. fds[0..*nfds) are the caller's
 * to close.
 */
int sim_recv(int fd, struct sim_msg *msg, void *payload, int fds[SIM_FDS_MAX],
             size_t *nfds) MUST_CHECK;

#endif
