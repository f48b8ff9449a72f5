/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_MESSAGE_H
#define REMUS_MESSAGE_H

#include "proto/wire.h"

/**
 * The payload of each record as a struct. put: encodes, false when a field is out of the protocol's
 * range or the cursor is short. get: decodes and validates every field, false otherwise; pointers
 * point into the input. Nothing is allocated.
 */

struct msg_hello {
    uint16_t version_min, version_max;
    uint32_t features;
    uint8_t uuid[16];
    char name[WIRE_NAME_MAX + 1];
    uint64_t pages;    /* highest page frame + 1 */
    uint32_t epoch_ms; /* asked epoch length */
    uint8_t hold;      /* enum wire_hold */
    uint32_t desc_len; /* VM description for the hypervisor backend */
    const uint8_t *desc;
    char backend[WIRE_NAME_MAX + 1]; /* hypervisor backend that the description is for */
};

struct msg_welcome {
    uint16_t version;
    uint32_t features;
    uint32_t lease_ms;      /* what the first EPOCH_END is taken to grant */
    uint64_t staging_pages; /* most pages an epoch without FULL may have */
};

struct msg_epoch_begin {
    uint64_t epoch;
    uint32_t flags;
    uint64_t sent_ns; /* primary's monotonic clock; echoed, never interpreted by the backup */
};

/** PAGES: epoch u64, count u16, data_len u32, count page headers, then their data back to back. */
struct msg_pages {
    uint64_t epoch;
    uint16_t count;
    const uint8_t *head; /* count * WIRE_PAGE_HEAD_LEN octets */
    const uint8_t *data;
    uint32_t data_len;
};
#define WIRE_PAGES_FIXED   14u
#define WIRE_PAGE_HEAD_LEN 12u /* pfn u64 | coding u8 | 0 u8 | length u16 (raw: 4096) */

struct page_item {
    uint64_t pfn;
    uint8_t coding;
    uint16_t len;
    const uint8_t *data;
};

/** State of one epoch, in order; total_len is equal in every chunk of an epoch. */
struct msg_state {
    uint64_t epoch;
    uint32_t total_len, offset, len;
    const uint8_t *data;
};

/** FRAMES and FRAMES_IN (epoch 0 there): count u16, each frame u32 length and its octets. */
struct msg_frames {
    uint64_t epoch;
    uint16_t count;
    uint32_t data_len;
    const uint8_t *data;
};

struct msg_addr {
    uint8_t family; /* 4, 6, or 0: a MAC alone */
    uint8_t mac[6];
    uint16_t vlan;
    uint8_t ip[16];
};

struct msg_addrs {
    uint64_t epoch;
    uint16_t count;
    struct msg_addr addr[WIRE_ADDRS_MAX];
};

struct msg_epoch_end {
    uint64_t epoch;
    uint64_t pages;           /* page items in the epoch */
    uint64_t frames;          /* frames in the epoch */
    uint8_t digest[16];       /* of the decoded content: proto/digest.h */
    uint8_t image_digest[16]; /* of the whole image at the stop; all zero: not computed */
    uint64_t sent_ns;
};

struct msg_beat {
    uint64_t sent_ns;
};

/** ACK: epoch sealed. BEAT_ACK: epoch is the last sealed one (0: none). */
struct msg_ack {
    uint64_t epoch;
    uint64_t sent_ns;  /* echo of EPOCH_END's or BEAT's */
    uint32_t lease_ms; /* granted, counted by the primary from sent_ns */
};

struct msg_handover {
    uint64_t epoch; /* the sealed epoch to activate */
    uint8_t reason; /* enum wire_handover */
};

struct msg_handover_ack {
    uint64_t epoch;
    uint64_t generation; /* the generation under which the VM now runs at the backup */
};

struct msg_reject {
    uint16_t code;       /* enum wire_reject */
    uint64_t generation; /* highest generation known to the sender */
    char text[WIRE_TEXT_MAX + 1];
};

struct msg_bye {
    uint16_t reason;              /* enum wire_bye */
    char text[WIRE_TEXT_MAX + 1]; /* may not be empty */
};

bool msg_hello_put(struct wcur *w, const struct msg_hello *m) WIRE_MUST_CHECK;
bool msg_hello_get(struct rcur *r, struct msg_hello *m) WIRE_MUST_CHECK;
bool msg_welcome_put(struct wcur *w, const struct msg_welcome *m) WIRE_MUST_CHECK;
bool msg_welcome_get(struct rcur *r, struct msg_welcome *m) WIRE_MUST_CHECK;
bool msg_epoch_begin_put(struct wcur *w, const struct msg_epoch_begin *m) WIRE_MUST_CHECK;
bool msg_epoch_begin_get(struct rcur *r, struct msg_epoch_begin *m) WIRE_MUST_CHECK;
bool msg_pages_get(struct rcur *r, struct msg_pages *m) WIRE_MUST_CHECK;
bool msg_state_put(struct wcur *w, const struct msg_state *m) WIRE_MUST_CHECK;
bool msg_state_get(struct rcur *r, struct msg_state *m) WIRE_MUST_CHECK;
bool msg_frames_get(struct rcur *r, struct msg_frames *m) WIRE_MUST_CHECK;
bool msg_addrs_put(struct wcur *w, const struct msg_addrs *m) WIRE_MUST_CHECK;
bool msg_addrs_get(struct rcur *r, struct msg_addrs *m) WIRE_MUST_CHECK;
bool msg_epoch_end_put(struct wcur *w, const struct msg_epoch_end *m) WIRE_MUST_CHECK;
bool msg_epoch_end_get(struct rcur *r, struct msg_epoch_end *m) WIRE_MUST_CHECK;
bool msg_beat_put(struct wcur *w, const struct msg_beat *m) WIRE_MUST_CHECK;
bool msg_beat_get(struct rcur *r, struct msg_beat *m) WIRE_MUST_CHECK;
bool msg_ack_put(struct wcur *w, const struct msg_ack *m) WIRE_MUST_CHECK;
bool msg_ack_get(struct rcur *r, struct msg_ack *m) WIRE_MUST_CHECK;
bool msg_handover_put(struct wcur *w, const struct msg_handover *m) WIRE_MUST_CHECK;
bool msg_handover_get(struct rcur *r, struct msg_handover *m) WIRE_MUST_CHECK;
bool msg_handover_ack_put(struct wcur *w, const struct msg_handover_ack *m) WIRE_MUST_CHECK;
bool msg_handover_ack_get(struct rcur *r, struct msg_handover_ack *m) WIRE_MUST_CHECK;
bool msg_reject_put(struct wcur *w, const struct msg_reject *m) WIRE_MUST_CHECK;
bool msg_reject_get(struct rcur *r, struct msg_reject *m) WIRE_MUST_CHECK;
bool msg_bye_put(struct wcur *w, const struct msg_bye *m) WIRE_MUST_CHECK;
bool msg_bye_get(struct rcur *r, struct msg_bye *m) WIRE_MUST_CHECK;

/** Next page or frame of a validated message; false at the end. Start with zeroed iterators. */
struct pages_iter {
    uint16_t index;
    uint32_t offset;
};
bool msg_pages_next(const struct msg_pages *m, struct pages_iter *it, struct page_item *ret);

struct frames_iter {
    uint16_t index;
    uint32_t offset;
};
bool msg_frames_next(const struct msg_frames *m, struct frames_iter *it, const uint8_t **ret_frame,
                     uint32_t *ret_len);

#endif
