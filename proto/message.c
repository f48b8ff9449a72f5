/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/message.h"

/* Records that open a session, frame an epoch and keep time; those that carry content are in
 * message_content.c, those that end a session in message_end.c. */

static bool hello_valid(const struct msg_hello *m)
{
    static const uint8_t nil[sizeof(m->uuid)];

    return m->version_min >= 1 && m->version_min <= m->version_max &&
           memcmp(m->uuid, nil, sizeof(nil)) != 0 && m->pages >= 1 && m->pages <= WIRE_PFN_MAX &&
           m->epoch_ms >= 1 && m->epoch_ms <= WIRE_EPOCH_MAX_MS && m->hold <= WIRE_HOLD_NONE &&
           m->desc_len <= WIRE_DESC_MAX;
}

bool msg_hello_put(struct wcur *w, const struct msg_hello *m)
{
    if (!hello_valid(m))
        return false;
    wcur_u16(w, m->version_min);
    wcur_u16(w, m->version_max);
    wcur_u32(w, m->features);
    wcur_bytes(w, m->uuid, sizeof(m->uuid));
    wcur_u64(w, m->pages);
    wcur_u32(w, m->epoch_ms);
    wcur_u8(w, m->hold);
    wcur_text(w, m->name, WIRE_NAME_MAX);
    wcur_text(w, m->backend, WIRE_NAME_MAX);
    wcur_u32(w, m->desc_len);
    wcur_bytes(w, m->desc, m->desc_len);
    return !w->bad;
}

bool msg_hello_get(struct rcur *r, struct msg_hello *m)
{
    m->version_min = rcur_u16(r);
    m->version_max = rcur_u16(r);
    m->features = rcur_u32(r);
    const uint8_t *uuid = rcur_bytes(r, sizeof(m->uuid));
    m->pages = rcur_u64(r);
    m->epoch_ms = rcur_u32(r);
    m->hold = rcur_u8(r);
    rcur_text(r, m->name, WIRE_NAME_MAX);
    rcur_text(r, m->backend, WIRE_NAME_MAX);
    m->desc_len = rcur_u32(r);
    m->desc = rcur_bytes(r, m->desc_len);
    if (r->bad)
        return false;
    memcpy(m->uuid, uuid, sizeof(m->uuid));
    /* A later version may have appended fields. */
    if (m->version_max > WIRE_VERSION_MAX)
        r->p = r->end;
    return rcur_done(r) && hello_valid(m);
}

static bool welcome_valid(const struct msg_welcome *m)
{
    return m->version >= 1 && m->lease_ms >= 1 && m->lease_ms <= WIRE_LEASE_MAX_MS &&
           m->staging_pages >= 1;
}

bool msg_welcome_put(struct wcur *w, const struct msg_welcome *m)
{
    if (!welcome_valid(m))
        return false;
    wcur_u16(w, m->version);
    wcur_u32(w, m->features);
    wcur_u32(w, m->lease_ms);
    wcur_u64(w, m->staging_pages);
    return !w->bad;
}

bool msg_welcome_get(struct rcur *r, struct msg_welcome *m)
{
    m->version = rcur_u16(r);
    m->features = rcur_u32(r);
    m->lease_ms = rcur_u32(r);
    m->staging_pages = rcur_u64(r);
    return rcur_done(r) && welcome_valid(m);
}

static bool epoch_begin_valid(const struct msg_epoch_begin *m)
{
    return m->epoch >= 1 && (m->flags & ~WIRE_EPOCH_FULL) == 0;
}

bool msg_epoch_begin_put(struct wcur *w, const struct msg_epoch_begin *m)
{
    if (!epoch_begin_valid(m))
        return false;
    wcur_u64(w, m->epoch);
    wcur_u32(w, m->flags);
    wcur_u64(w, m->sent_ns);
    return !w->bad;
}

bool msg_epoch_begin_get(struct rcur *r, struct msg_epoch_begin *m)
{
    m->epoch = rcur_u64(r);
    m->flags = rcur_u32(r);
    m->sent_ns = rcur_u64(r);
    return rcur_done(r) && epoch_begin_valid(m);
}

bool msg_epoch_end_put(struct wcur *w, const struct msg_epoch_end *m)
{
    if (m->epoch == 0)
        return false;
    wcur_u64(w, m->epoch);
    wcur_u64(w, m->pages);
    wcur_u64(w, m->frames);
    wcur_bytes(w, m->digest, sizeof(m->digest));
    wcur_bytes(w, m->image_digest, sizeof(m->image_digest));
    wcur_u64(w, m->sent_ns);
    return !w->bad;
}

bool msg_epoch_end_get(struct rcur *r, struct msg_epoch_end *m)
{
    m->epoch = rcur_u64(r);
    m->pages = rcur_u64(r);
    m->frames = rcur_u64(r);
    const uint8_t *digest = rcur_bytes(r, sizeof(m->digest));
    const uint8_t *image_digest = rcur_bytes(r, sizeof(m->image_digest));
    m->sent_ns = rcur_u64(r);
    if (!rcur_done(r) || m->epoch == 0)
        return false;
    memcpy(m->digest, digest, sizeof(m->digest));
    memcpy(m->image_digest, image_digest, sizeof(m->image_digest));
    return true;
}

bool msg_beat_put(struct wcur *w, const struct msg_beat *m)
{
    wcur_u64(w, m->sent_ns);
    return !w->bad;
}

bool msg_beat_get(struct rcur *r, struct msg_beat *m)
{
    m->sent_ns = rcur_u64(r);
    return rcur_done(r);
}

bool msg_ack_put(struct wcur *w, const struct msg_ack *m)
{
    if (m->lease_ms > WIRE_LEASE_MAX_MS)
        return false;
    wcur_u64(w, m->epoch);
    wcur_u64(w, m->sent_ns);
    wcur_u32(w, m->lease_ms);
    return !w->bad;
}

bool msg_ack_get(struct rcur *r, struct msg_ack *m)
{
    m->epoch = rcur_u64(r);
    m->sent_ns = rcur_u64(r);
    m->lease_ms = rcur_u32(r);
    return rcur_done(r) && m->lease_ms <= WIRE_LEASE_MAX_MS;
}
