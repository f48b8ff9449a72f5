/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_WIRE_H
#define REMUS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_MUST_CHECK __attribute__((warn_unused_result))

/**
 * Numbers of docs/protocol.md, and the cursors through which everything on the wire is read and
 * written. All integers little-endian.
 */
#define WIRE_MAGIC       0x31534d52u /* "RMS1" on the wire */
#define WIRE_VERSION_MIN 1
#define WIRE_VERSION_MAX 1
#define WIRE_PAGE_SIZE   4096u

/** Feature bits of HELLO and WELCOME: the session uses those that both set. */
#define WIRE_FEATURE_DELTA (1u << 0) /* XOR delta pages */
#define WIRE_FEATURE_LZ4   (1u << 1)
#define WIRE_FEATURES_ALL  (WIRE_FEATURE_DELTA | WIRE_FEATURE_LZ4)

/** Caps that hold whatever was negotiated. */
#define WIRE_PAYLOAD_MAX (1u << 20)             /* one record's payload */
#define WIRE_PAGES_MAX   128u                   /* pages in one PAGES record */
#define WIRE_FRAME_MAX   (10u + 14 + 4 + 65535) /* vnet header + frame */
#define WIRE_STATE_MAX   (1u << 20) /* total state of one epoch, over all STATE records */
#define WIRE_STATE_CHUNK (WIRE_PAYLOAD_MAX - 64)
#define WIRE_DESC_MAX    65536u
#define WIRE_NAME_MAX    63u
#define WIRE_TEXT_MAX    255u
#define WIRE_ADDRS_MAX   32u
#define WIRE_PFN_MAX     (1ull << 36) /* 256 TiB of guest memory */
#define WIRE_GENERATION_MAX                                                                        \
    (1ull << 62) /* fits every integer a record is kept in, with room above */
#define WIRE_LEASE_MAX_MS 60000u
#define WIRE_EPOCH_MAX_MS 60000u
#define WIRE_FRAME_MIN    (10u + 14) /* vnet header + Ethernet header */
#define WIRE_VLAN_MAX     4095u
#define WIRE_DELTA_MIN    3u /* one segment: skip, length, one octet */

/**
 * Record header, 32 octets:
 *   0 magic u32 | 4 type u16 | 6 flags u16 (0) | 8 length u32 (payload) | 12 crc32c u32 |
 *   16 generation u64 | 24 sequence u64 (0, 1, 2, ... per direction and connection)
 * crc32c covers the header with this field zero, then the payload. A payload is not padded.
 * Type bit 15 set: a receiver that does not know the type skips the record; clear: it must refuse.
 */
#define WIRE_HEADER_LEN    32u
#define WIRE_TYPE_OPTIONAL 0x8000u

enum wire_type {
    /* primary to backup */
    WIRE_HELLO = 1,
    WIRE_EPOCH_BEGIN = 2,
    WIRE_PAGES = 3,
    WIRE_STATE = 4,
    WIRE_FRAMES = 5, /* held output, in its epoch */
    WIRE_ADDRS = 6,
    WIRE_EPOCH_END = 7,
    WIRE_BEAT = 8,
    WIRE_HANDOVER = 9, /* the VM is stopped for good here: activate epoch N */
    /* backup to primary */
    WIRE_WELCOME = 65,
    WIRE_ACK = 66, /* epoch N sealed */
    WIRE_BEAT_ACK = 67,
    WIRE_FRAMES_IN = 68, /* frames for the guest, at once */
    WIRE_HANDOVER_ACK = 69,
    /* both */
    WIRE_REJECT = 70,   /* instead of WELCOME, or at any time: the session is over, and why */
    WIRE_BYE = 128,     /* announced end; never a death */
    WIRE_BYE_ACK = 129, /* the announcement is durable here */
};

enum wire_hold { WIRE_HOLD_BACKUP = 0, WIRE_HOLD_PRIMARY = 1, WIRE_HOLD_NONE = 2 };

/** EPOCH_BEGIN flags. */
#define WIRE_EPOCH_FULL                                                                            \
    (1u << 0) /* first epoch or resync: written in place as it arrives, not staged;                \
                a page may come more than once; the replica is unusable until sealed */

/** Page codings; the numbers are wire numbers and do not change. */
enum wire_coding {
    WIRE_PAGE_ZERO = 0,  /* no data */
    WIRE_PAGE_RAW = 1,   /* 4096 octets */
    WIRE_PAGE_LZ4 = 2,   /* LZ4 block that decodes to exactly 4096 octets */
    WIRE_PAGE_DELTA = 3, /* against the page the backup holds */
};

enum wire_reject {
    WIRE_REJECT_VERSION = 1,
    WIRE_REJECT_GENERATION = 2, /* an older or equal generation than one known here */
    WIRE_REJECT_FENCED = 3,     /* the VM was activated here: the sender's copy is stale */
    WIRE_REJECT_TOO_LARGE = 4,  /* replica or epoch over this backup's limits */
    WIRE_REJECT_BUSY = 5,       /* too many VMs, or protected by another primary */
    WIRE_REJECT_PROTOCOL = 6,   /* malformed, out of order, checksum or digest wrong */
    WIRE_REJECT_FAILED = 7,     /* local failure (no memory, no hypervisor): text says what */
    WIRE_REJECT_DENIED = 8,     /* this primary or VM is not allowed here */
};

enum wire_bye {
    WIRE_BYE_UNPROTECT = 1, /* the operator ended protection */
    WIRE_BYE_SHUTDOWN = 2,  /* the daemon stops; comes back later */
    WIRE_BYE_VM_OFF = 3,    /* the guest powered off */
    WIRE_BYE_FAILED = 4,    /* the sender cannot go on; text says why */
};

/** HANDOVER reasons. */
enum wire_handover { WIRE_HANDOVER_PLANNED = 1, WIRE_HANDOVER_CRASHED = 2 };

/* ---- bounds-checked cursors: a short buffer or a value out of range sets `bad` and sticks ---- */

struct rcur {
    const uint8_t *p, *end;
    bool bad;
};

struct wcur {
    uint8_t *p, *end;
    bool bad;
};

uint8_t rcur_u8(struct rcur *c); /* 0 once bad */
uint16_t rcur_u16(struct rcur *c);
uint32_t rcur_u32(struct rcur *c);
uint64_t rcur_u64(struct rcur *c);
/** `n` octets in place, or NULL once bad. */
const uint8_t *rcur_bytes(struct rcur *c, size_t n);
/**
 * u16 length and that many octets, 1..max, copied and terminated; dst has max + 1 octets. UTF-8
 * without control characters, so that it can go into logs, JSON and terminals as it is.
 */
void rcur_text(struct rcur *c, char *dst, size_t max);
/** Good and nothing left over. */
bool rcur_done(const struct rcur *c);

void wcur_u8(struct wcur *c, uint64_t v); /* v is range-checked before narrowing */
void wcur_u16(struct wcur *c, uint64_t v);
void wcur_u32(struct wcur *c, uint64_t v);
void wcur_u64(struct wcur *c, uint64_t v);
void wcur_bytes(struct wcur *c, const void *src, size_t n);
void wcur_text(struct wcur *c, const char *text, size_t max); /* same rule for `text` */

/** CRC32C (Castagnoli), continuing from `crc` (start with 0). Uses SSE4.2 where the CPU has it. */
uint32_t wire_crc32c(uint32_t crc, const void *buf, size_t len);

#endif
