/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/session_impl.h"

#include <assert.h>

#include "proto/page.h"

/* PAGES and FRAMES: coded in place, since they are nearly all that is sent. */

#define FRAMES_FIXED 10u /* epoch u64, count u16 */

/* ---- PAGES ---- */

static uint8_t *heads_of(const struct pages_writer *pw)
{
    return pw->start + WIRE_HEADER_LEN + WIRE_PAGES_FIXED;
}

bool session_pages_begin(struct session *s, struct pages_writer *pw, struct wcur *w, uint16_t cap)
{
    if (cap == 0 || cap > WIRE_PAGES_MAX || w->bad ||
        !session_may(s, session_rule(WIRE_PAGES), s->role))
        return false;
    if (!(s->epoch_flags & WIRE_EPOCH_FULL) && s->pages + cap > s->staging_pages)
        return session_breach(s, WIRE_REJECT_TOO_LARGE, "more pages than the backup stages");
    size_t need = WIRE_HEADER_LEN + WIRE_PAGES_FIXED + cap * (WIRE_PAGE_HEAD_LEN + WIRE_PAGE_SIZE);
    if ((size_t)(w->end - w->p) < need)
        return false;
    *pw = (struct pages_writer){.s = s, .start = w->p, .cap = cap};
    pw->head = heads_of(pw);
    pw->data = pw->head + cap * WIRE_PAGE_HEAD_LEN;
    return true;
}

int session_pages_add(struct pages_writer *pw, uint64_t pfn, const uint8_t *page,
                      const uint8_t *base)
{
    uint32_t len;

    assert(pfn < pw->s->pages_limit);
    if (pw->count == pw->cap)
        return PAGES_FULL;
    enum page_choice choice = page_encode(page, base, pw->s->features, pw->data, &len);
    if (choice == PAGE_UNCHANGED)
        return choice;
    struct wcur head = {.p = pw->head, .end = pw->head + WIRE_PAGE_HEAD_LEN};
    wcur_u64(&head, pfn);
    wcur_u8(&head, (uint64_t)choice);
    wcur_u8(&head, 0);
    wcur_u16(&head, len);
    pw->head = head.p;
    pw->data += len;
    pw->count++;
    return choice;
}

size_t session_pages_end(struct pages_writer *pw, struct wcur *w)
{
    struct session *s = pw->s;
    const uint8_t *data = heads_of(pw) + pw->cap * WIRE_PAGE_HEAD_LEN;
    size_t data_len = (size_t)(pw->data - data);

    if (pw->count == 0)
        return 0;
    if (pw->count < pw->cap) /* close the gap left by heads that were not needed */
        memmove(pw->head, data, data_len);
    struct wcur fixed = {.p = pw->start + WIRE_HEADER_LEN, .end = heads_of(pw)};
    wcur_u64(&fixed, s->epoch);
    wcur_u16(&fixed, pw->count);
    wcur_u32(&fixed, data_len);
    w->p = pw->head + data_len;
    size_t total = (size_t)(w->p - pw->start);
    session_seal_record(s, pw->start, WIRE_PAGES, (uint32_t)(total - WIRE_HEADER_LEN));
    s->pages += pw->count;
    return total;
}

/* ---- FRAMES and FRAMES_IN ---- */

bool session_frames_begin(struct session *s, struct frames_writer *fw, struct wcur *w,
                          enum wire_type type)
{
    const struct record_rule *rule = session_rule(type);
    size_t room = (size_t)(w->end - w->p);

    if ((type != WIRE_FRAMES && type != WIRE_FRAMES_IN) || w->bad ||
        !session_may(s, rule, s->role) || room < WIRE_HEADER_LEN + rule->min)
        return false;
    if (room > WIRE_HEADER_LEN + rule->max)
        room = WIRE_HEADER_LEN + rule->max;
    *fw = (struct frames_writer){.s = s, .start = w->p, .type = type};
    fw->data.p = w->p + WIRE_HEADER_LEN + FRAMES_FIXED;
    fw->data.end = w->p + room;
    return true;
}

bool session_frames_add(struct frames_writer *fw, const void *frame, size_t len)
{
    size_t room = (size_t)(fw->data.end - fw->data.p);

    if (len < WIRE_FRAME_MIN || len > WIRE_FRAME_MAX || room < 4 + len || fw->count == UINT16_MAX)
        return false;
    wcur_u32(&fw->data, len);
    wcur_bytes(&fw->data, frame, len);
    fw->count++;
    return true;
}

size_t session_frames_end(struct frames_writer *fw, struct wcur *w)
{
    struct session *s = fw->s;
    bool in_epoch = fw->type == WIRE_FRAMES;

    if (fw->count == 0)
        return 0;
    struct wcur fixed = {.p = fw->start + WIRE_HEADER_LEN, .end = fw->data.p};
    wcur_u64(&fixed, in_epoch ? s->epoch : 0);
    wcur_u16(&fixed, fw->count);
    w->p = fw->data.p;
    size_t total = (size_t)(w->p - fw->start);
    session_seal_record(s, fw->start, fw->type, (uint32_t)(total - WIRE_HEADER_LEN));
    if (in_epoch)
        s->frames += fw->count;
    return total;
}
