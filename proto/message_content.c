/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/message.h"

/* ---- PAGES ---- */

static bool coded_len_valid(uint8_t coding, uint16_t len)
{
    switch (coding) {
    case WIRE_PAGE_ZERO:
        return len == 0;
    case WIRE_PAGE_RAW:
        return len == WIRE_PAGE_SIZE;
    case WIRE_PAGE_LZ4:
        return len >= 1 && len < WIRE_PAGE_SIZE;
    case WIRE_PAGE_DELTA:
        return len >= WIRE_DELTA_MIN && len < WIRE_PAGE_SIZE;
    default:
        return false;
    }
}

static bool page_head_get(struct rcur *r, struct page_item *ret)
{
    ret->pfn = rcur_u64(r);
    ret->coding = rcur_u8(r);
    bool reserved = rcur_u8(r) != 0;
    ret->len = rcur_u16(r);
    return !r->bad && !reserved && ret->pfn < WIRE_PFN_MAX &&
           coded_len_valid(ret->coding, ret->len);
}

static bool page_heads_valid(const struct msg_pages *m)
{
    struct rcur r = {.p = m->head, .end = m->head + m->count * WIRE_PAGE_HEAD_LEN};
    uint32_t sum = 0;

    for (uint16_t i = 0; i < m->count; i++) {
        struct page_item item;
        if (!page_head_get(&r, &item))
            return false;
        sum += item.len;
    }
    return sum == m->data_len;
}

bool msg_pages_get(struct rcur *r, struct msg_pages *m)
{
    m->epoch = rcur_u64(r);
    m->count = rcur_u16(r);
    m->data_len = rcur_u32(r);
    if (r->bad || m->epoch == 0 || m->count == 0 || m->count > WIRE_PAGES_MAX)
        return false;
    m->head = rcur_bytes(r, m->count * WIRE_PAGE_HEAD_LEN);
    m->data = rcur_bytes(r, m->data_len);
    return rcur_done(r) && page_heads_valid(m);
}

bool msg_pages_next(const struct msg_pages *m, struct pages_iter *it, struct page_item *ret)
{
    if (it->index >= m->count)
        return false;
    const uint8_t *head = m->head + it->index * WIRE_PAGE_HEAD_LEN;
    struct rcur r = {.p = head, .end = head + WIRE_PAGE_HEAD_LEN};
    if (!page_head_get(&r, ret) || ret->len > m->data_len - it->offset)
        return false;
    ret->data = m->data + it->offset;
    it->offset += ret->len;
    it->index++;
    return true;
}

/* ---- STATE ---- */

static bool state_valid(const struct msg_state *m)
{
    return m->epoch >= 1 && m->total_len >= 1 && m->total_len <= WIRE_STATE_MAX && m->len >= 1 &&
           m->len <= WIRE_STATE_CHUNK && m->offset < m->total_len &&
           m->len <= m->total_len - m->offset;
}

bool msg_state_put(struct wcur *w, const struct msg_state *m)
{
    if (!state_valid(m))
        return false;
    wcur_u64(w, m->epoch);
    wcur_u32(w, m->total_len);
    wcur_u32(w, m->offset);
    wcur_bytes(w, m->data, m->len);
    return !w->bad;
}

bool msg_state_get(struct rcur *r, struct msg_state *m)
{
    m->epoch = rcur_u64(r);
    m->total_len = rcur_u32(r);
    m->offset = rcur_u32(r);
    size_t rest = (size_t)(r->end - r->p);
    if (r->bad || rest > WIRE_STATE_CHUNK)
        return false;
    m->len = (uint32_t)rest;
    m->data = rcur_bytes(r, rest);
    return rcur_done(r) && state_valid(m);
}

/* ---- FRAMES and FRAMES_IN ---- */

static const uint8_t *frame_get(struct rcur *r, uint32_t *ret_len)
{
    *ret_len = rcur_u32(r);
    if (*ret_len < WIRE_FRAME_MIN || *ret_len > WIRE_FRAME_MAX)
        return NULL;
    return rcur_bytes(r, *ret_len);
}

bool msg_frames_get(struct rcur *r, struct msg_frames *m)
{
    m->epoch = rcur_u64(r);
    m->count = rcur_u16(r);
    size_t rest = (size_t)(r->end - r->p);
    if (r->bad || m->count == 0 || rest > WIRE_PAYLOAD_MAX)
        return false;
    m->data = r->p;
    m->data_len = (uint32_t)rest;
    for (uint16_t i = 0; i < m->count; i++) {
        uint32_t len;
        if (!frame_get(r, &len))
            return false;
    }
    return rcur_done(r);
}

bool msg_frames_next(const struct msg_frames *m, struct frames_iter *it, const uint8_t **ret_frame,
                     uint32_t *ret_len)
{
    if (it->index >= m->count || it->offset > m->data_len)
        return false;
    struct rcur r = {.p = m->data + it->offset, .end = m->data + m->data_len};
    *ret_frame = frame_get(&r, ret_len);
    if (!*ret_frame)
        return false;
    it->offset = (uint32_t)(r.p - m->data);
    it->index++;
    return true;
}

/* ---- ADDRS ---- */

static bool addr_valid(const struct msg_addr *a)
{
    static const uint8_t zero[16];
    size_t used = a->family == 6 ? 16 : a->family;

    if (a->vlan > WIRE_VLAN_MAX || (a->family != 0 && a->family != 4 && a->family != 6))
        return false;
    return memcmp(a->ip + used, zero, sizeof(zero) - used) == 0;
}

static void addr_put(struct wcur *w, const struct msg_addr *a)
{
    wcur_u8(w, a->family);
    wcur_u8(w, 0);
    wcur_u16(w, a->vlan);
    wcur_bytes(w, a->mac, sizeof(a->mac));
    wcur_bytes(w, a->ip, sizeof(a->ip));
}

bool msg_addrs_put(struct wcur *w, const struct msg_addrs *m)
{
    if (m->epoch == 0 || m->count == 0 || m->count > WIRE_ADDRS_MAX)
        return false;
    wcur_u64(w, m->epoch);
    wcur_u16(w, m->count);
    for (uint16_t i = 0; i < m->count; i++) {
        if (!addr_valid(&m->addr[i]))
            return false;
        addr_put(w, &m->addr[i]);
    }
    return !w->bad;
}

static bool addr_get(struct rcur *r, struct msg_addr *a)
{
    a->family = rcur_u8(r);
    bool reserved = rcur_u8(r) != 0;
    a->vlan = rcur_u16(r);
    const uint8_t *mac = rcur_bytes(r, sizeof(a->mac));
    const uint8_t *ip = rcur_bytes(r, sizeof(a->ip));
    if (r->bad || reserved)
        return false;
    memcpy(a->mac, mac, sizeof(a->mac));
    memcpy(a->ip, ip, sizeof(a->ip));
    return addr_valid(a);
}

bool msg_addrs_get(struct rcur *r, struct msg_addrs *m)
{
    m->epoch = rcur_u64(r);
    m->count = rcur_u16(r);
    if (r->bad || m->epoch == 0 || m->count == 0 || m->count > WIRE_ADDRS_MAX)
        return false;
    for (uint16_t i = 0; i < m->count; i++)
        if (!addr_get(r, &m->addr[i]))
            return false;
    return rcur_done(r);
}
