/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_STREAM_BACKUP_H
#define REMUS_TESTS_STREAM_BACKUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/digest.h"
#include "proto/page.h"
#include "tests/unit/proto_samples.h"

/** A backup in memory, of a VM of VM_PAGES pages: verifies every epoch and answers every record. */

#define VM_PAGES   24u
#define STREAM_MAX (1u << 20)

struct vm {
    uint8_t page[VM_PAGES][WIRE_PAGE_SIZE];
};

static inline void image_digest(struct digest *d, const struct vm *vm, uint8_t ret[16])
{
    digest_image_reset(d);
    for (unsigned i = 0; i < VM_PAGES; i++)
        digest_image_page(d, vm->page[i]);
    digest_final(d, ret);
}

struct backup {
    struct session s;
    struct vm vm;
    struct digest *digest, *image;
    uint8_t *state;
    unsigned codings[4], records;
    uint8_t *out; /* all that it says */
    struct wcur w;
};

static inline void backup_init(struct backup *b)
{
    memset(b, 0, sizeof(*b));
    session_init(&b->s, SESSION_BACKUP, 0);
    b->digest = digest_new();
    b->image = digest_new();
    b->state = malloc(WIRE_STATE_MAX);
    b->out = malloc(STREAM_MAX);
    b->w = (struct wcur){.p = b->out, .end = b->out + STREAM_MAX};
}

static inline void backup_free(struct backup *b)
{
    digest_free(b->digest);
    digest_free(b->image);
    free(b->state);
    free(b->out);
}

static inline void take_pages(struct backup *b, const struct msg_pages *m)
{
    struct pages_iter it = {0};
    struct page_item item;

    while (msg_pages_next(m, &it, &item)) {
        uint8_t *page = b->vm.page[item.pfn];
        assert_true(page_decode(item.coding, item.data, item.len, page, page));
        digest_page(b->digest, item.pfn, page);
        b->codings[item.coding]++;
    }
}

/** Puts each frame into the digest and sends the first one back. */
static inline void take_frames(struct backup *b, const struct msg_frames *m)
{
    struct frames_iter it = {0};
    struct frames_writer fw;
    const uint8_t *frame;
    uint32_t len;

    assert_true(session_frames_begin(&b->s, &fw, &b->w, WIRE_FRAMES_IN));
    while (msg_frames_next(m, &it, &frame, &len)) {
        digest_frame(b->digest, frame, len);
        if (it.index == 1)
            assert_true(session_frames_add(&fw, frame, len));
    }
    assert_int_not_equal(session_frames_end(&fw, &b->w), 0);
}

static inline void seal(struct backup *b, const struct msg_epoch_end *m)
{
    struct msg_ack ack = {.epoch = m->epoch, .sent_ns = m->sent_ns, .lease_ms = 900};
    uint8_t got[16];

    digest_state(b->digest, b->state, b->s.state_total);
    digest_final(b->digest, got);
    assert_memory_equal(got, m->digest, sizeof(got));
    image_digest(b->image, &b->vm, got);
    assert_memory_equal(got, m->image_digest, sizeof(got));
    assert_true(session_put_ack(&b->s, &b->w, &ack));
}

static inline void answer(struct backup *b, const struct session_event *ev)
{
    struct msg_welcome welcome = sample_welcome(WIRE_FEATURES_ALL);
    struct msg_ack beat_ack = {
        .epoch = b->s.sealed, .sent_ns = ev->u.beat.sent_ns, .lease_ms = 900};
    struct msg_handover_ack handed = {.epoch = b->s.sealed, .generation = SAMPLE_GENERATION + 1};

    switch (ev->type) {
    case WIRE_HELLO:
        assert_true(session_put_welcome(&b->s, &b->w, &welcome));
        break;
    case WIRE_EPOCH_BEGIN:
        digest_reset(b->digest, b->s.generation, ev->u.begin.epoch);
        break;
    case WIRE_PAGES:
        take_pages(b, &ev->u.pages);
        break;
    case WIRE_STATE:
        memcpy(b->state + ev->u.state.offset, ev->u.state.data, ev->u.state.len);
        break;
    case WIRE_FRAMES:
        take_frames(b, &ev->u.frames);
        break;
    case WIRE_EPOCH_END:
        seal(b, &ev->u.end);
        break;
    case WIRE_BEAT:
        if (!b->s.handed_over)
            assert_true(session_put_beat_ack(&b->s, &b->w, &beat_ack));
        break;
    case WIRE_HANDOVER:
        assert_true(session_put_handover_ack(&b->s, &b->w, &handed));
        break;
    case WIRE_BYE:
        assert_true(session_put_bye_ack(&b->s, &b->w));
        break;
    default:
        assert_int_equal(ev->type, WIRE_ADDRS);
    }
}

/** Reads n octets, which are whole records. */
static inline void backup_read(struct backup *b, const uint8_t *p, size_t n)
{
    while (n > 0) {
        struct session_event ev;
        size_t used, need;
        int r = session_recv(&b->s, p, n, &ev, &used, &need);
        if (r < 0)
            fail_msg("%s", b->s.error);
        assert_true(used > 0);
        if (r > 0)
            answer(b, &ev);
        b->records++;
        p += used;
        n -= used;
    }
}

#endif
