/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "proto/crc32c.h"
#include "proto/message.h"

/**
 * Input: the record's type as one octet, then its payload. What a codec accepts it must write again
 * as the same octets; pointers of the message must lie inside the payload.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[WIRE_PAYLOAD_MAX];

static void require(bool ok)
{
    if (!ok)
        abort();
}

static bool pages_put(struct wcur *w, const struct msg_pages *m)
{
    struct pages_iter it = {0};
    struct page_item item;
    uint32_t sum = 0;

    wcur_u64(w, m->epoch);
    wcur_u16(w, m->count);
    wcur_u32(w, m->data_len);
    while (msg_pages_next(m, &it, &item)) {
        wcur_u64(w, item.pfn);
        wcur_u8(w, item.coding);
        wcur_u8(w, 0);
        wcur_u16(w, item.len);
        require(item.data == m->data + sum);
        sum += item.len;
    }
    require(it.index == m->count && sum == m->data_len);
    wcur_bytes(w, m->data, m->data_len);
    return !w->bad;
}

static bool frames_put(struct wcur *w, const struct msg_frames *m)
{
    struct frames_iter it = {0};
    const uint8_t *frame;
    uint32_t len;

    wcur_u64(w, m->epoch);
    wcur_u16(w, m->count);
    while (msg_frames_next(m, &it, &frame, &len)) {
        wcur_u32(w, len);
        wcur_bytes(w, frame, len);
    }
    require(it.index == m->count && it.offset == m->data_len);
    return !w->bad;
}

#define AGAIN(get, put, type)                                                                      \
    do {                                                                                           \
        struct type m_;                                                                            \
        if (!get(&r, &m_))                                                                         \
            return false;                                                                          \
        require(put(w, &m_));                                                                      \
        return true;                                                                               \
    } while (0)

/** Reads a payload and, if it is good, writes it to `w`. */
static bool again(uint8_t type, const uint8_t *payload, size_t len, struct wcur *w)
{
    struct rcur r = {.p = payload, .end = payload + len};

    switch (type) {
    case WIRE_HELLO:
        AGAIN(msg_hello_get, msg_hello_put, msg_hello);
    case WIRE_WELCOME:
        AGAIN(msg_welcome_get, msg_welcome_put, msg_welcome);
    case WIRE_EPOCH_BEGIN:
        AGAIN(msg_epoch_begin_get, msg_epoch_begin_put, msg_epoch_begin);
    case WIRE_PAGES:
        AGAIN(msg_pages_get, pages_put, msg_pages);
    case WIRE_STATE:
        AGAIN(msg_state_get, msg_state_put, msg_state);
    case WIRE_FRAMES:
    case WIRE_FRAMES_IN:
        AGAIN(msg_frames_get, frames_put, msg_frames);
    case WIRE_ADDRS:
        AGAIN(msg_addrs_get, msg_addrs_put, msg_addrs);
    case WIRE_EPOCH_END:
        AGAIN(msg_epoch_end_get, msg_epoch_end_put, msg_epoch_end);
    case WIRE_BEAT:
        AGAIN(msg_beat_get, msg_beat_put, msg_beat);
    case WIRE_ACK:
    case WIRE_BEAT_ACK:
        AGAIN(msg_ack_get, msg_ack_put, msg_ack);
    case WIRE_HANDOVER:
        AGAIN(msg_handover_get, msg_handover_put, msg_handover);
    case WIRE_HANDOVER_ACK:
        AGAIN(msg_handover_ack_get, msg_handover_ack_put, msg_handover_ack);
    case WIRE_REJECT:
        AGAIN(msg_reject_get, msg_reject_put, msg_reject);
    case WIRE_BYE:
        AGAIN(msg_bye_get, msg_bye_put, msg_bye);
    default:
        return false;
    }
}

static void crc_ways_agree(const uint8_t *p, size_t len)
{
    if (crc32c_hw_usable())
        require(crc32c_hw(~0u, p, len) == crc32c_portable(~0u, p, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wcur w = {.p = out, .end = out + sizeof(out)};

    crc_ways_agree(data, size);
    if (size == 0 || size - 1 > WIRE_PAYLOAD_MAX)
        return 0;
    uint8_t type = data[0];
    const uint8_t *payload = data + 1;
    size_t len = size - 1;
    if (!again(type, payload, len, &w))
        return 0;
    size_t written = (size_t)(w.p - out);
    /* HELLO of a later version may go on behind what is known of it. */
    bool longer = type == WIRE_HELLO && (payload[2] | payload[3] << 8) > WIRE_VERSION_MAX;
    require(written == len || (longer && written < len));
    require(memcmp(out, payload, written) == 0);
    return 0;
}
