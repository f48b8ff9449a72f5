/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/session_impl.h"
#include "tests/unit/golden.h"
#include "tests/unit/stream_backup.h"

/* A whole session, each direction a file: tests/golden/primary.stream and backup.stream. The same
 * small backup reads what a primary says now and what one said when the files were made. */

/* ---- the primary: four epochs with every coding, then a planned handover ---- */

struct primary {
    struct session s;
    struct vm vm, sent; /* as it is; as the backup has it */
    struct digest *digest, *image;
    uint8_t *out;
    struct wcur w;
    size_t carried, heard;
    struct backup *peer;
};

static void listen(struct primary *p)
{
    const struct backup *b = p->peer;

    while (b->out + p->heard < b->w.p) {
        struct session_event ev;
        size_t used, need;
        size_t n = (size_t)(b->w.p - b->out) - p->heard;
        assert_int_equal(session_recv(&p->s, b->out + p->heard, n, &ev, &used, &need), 1);
        p->heard += used;
    }
}

static void carry(struct primary *p, bool ok)
{
    size_t n = (size_t)(p->w.p - p->out);

    assert_true(ok);
    backup_read(p->peer, p->out + p->carried, n - p->carried);
    p->carried = n;
    listen(p);
}

static void send_pages(struct primary *p, unsigned from, unsigned to, bool base)
{
    struct pages_writer pw;
    bool ok = session_pages_begin(&p->s, &pw, &p->w, (uint16_t)(to - from));

    for (unsigned i = from; ok && i < to; i++) {
        const uint8_t *page = p->vm.page[i];
        int choice = session_pages_add(&pw, i, page, base ? p->sent.page[i] : NULL);
        if (choice == PAGE_UNCHANGED)
            continue;
        digest_page(p->digest, i, page);
        memcpy(p->sent.page[i], page, WIRE_PAGE_SIZE);
    }
    carry(p, ok && session_pages_end(&pw, &p->w) > 0);
}

static void send_frames(struct primary *p, uint16_t count)
{
    uint8_t frame[200] = {0};
    struct frames_writer fw;
    bool ok = session_frames_begin(&p->s, &fw, &p->w, WIRE_FRAMES);

    for (uint16_t i = 0; i < count; i++) {
        sample_noise(frame + 10, sizeof(frame) - 10, i);
        ok = ok && session_frames_add(&fw, frame, 70u + 30u * i);
        digest_frame(p->digest, frame, 70u + 30u * i);
    }
    carry(p, ok && session_frames_end(&fw, &p->w) > 0);
}

static uint8_t cpu_state[3000];

static void send_state(struct primary *p, uint32_t from, uint32_t to)
{
    struct msg_state m = {.epoch = p->s.epoch,
                          .total_len = sizeof(cpu_state),
                          .offset = from,
                          .len = to - from,
                          .data = cpu_state + from};

    carry(p, session_put_state(&p->s, &p->w, &m));
}

static void begin(struct primary *p, uint32_t flags)
{
    struct msg_epoch_begin m = sample_begin(p->s.epoch + 1, flags);

    sample_noise(cpu_state, sizeof(cpu_state), (uint32_t)m.epoch);
    digest_reset(p->digest, p->s.generation, m.epoch);
    carry(p, session_put_epoch_begin(&p->s, &p->w, &m));
}

static void end(struct primary *p)
{
    struct msg_epoch_end m = sample_end(p->s.epoch, p->s.pages, p->s.frames);

    digest_state(p->digest, cpu_state, sizeof(cpu_state));
    digest_final(p->digest, m.digest);
    image_digest(p->image, &p->vm, m.image_digest);
    carry(p, session_put_epoch_end(&p->s, &p->w, &m));
}

static void beat(struct primary *p)
{
    struct msg_beat m = {.sent_ns = p->s.epoch * 1000 + 100};

    carry(p, session_put_beat(&p->s, &p->w, &m));
}

/** A record that a reader of version 1 does not know and may skip. */
static void send_optional(struct primary *p)
{
    memcpy(p->w.p + WIRE_HEADER_LEN, "later", 5);
    session_seal_record(&p->s, p->w.p, (enum wire_type)(WIRE_TYPE_OPTIONAL | 1), 5);
    p->w.p += WIRE_HEADER_LEN + 5;
    carry(p, true);
}

/** Zero, words that repeat, noise, and in between. */
static void boot(struct vm *vm)
{
    memset(vm, 0, sizeof(*vm));
    for (unsigned i = 0; i < VM_PAGES; i++) {
        if (i % 4 == 1)
            sample_noise(vm->page[i], WIRE_PAGE_SIZE, i);
        for (unsigned at = 0; i % 4 >= 2 && at + 16 <= WIRE_PAGE_SIZE; at += 16)
            snprintf((char *)vm->page[i] + at, 16, "line %u of %u", at / 16 % 9, i);
    }
}

static void first_epoch(struct primary *p)
{
    begin(p, WIRE_EPOCH_FULL);
    send_pages(p, 0, VM_PAGES / 2, false);
    beat(p);
    send_pages(p, VM_PAGES / 2, VM_PAGES, false);
    memset(p->vm.page[5] + 1000, 0x77, 40); /* dirty again during the copy */
    send_pages(p, 5, 6, true);
    send_state(p, 0, sizeof(cpu_state));
    end(p);
}

static void second_epoch(struct primary *p)
{
    struct msg_addrs addrs = sample_addrs(2);

    begin(p, 0);
    send_state(p, 0, 1);
    p->vm.page[0][17] ^= 1;
    memset(p->vm.page[1], 0, WIRE_PAGE_SIZE);
    sample_noise(p->vm.page[2], WIRE_PAGE_SIZE, 99);
    for (unsigned at = 0; at < WIRE_PAGE_SIZE; at += 500)
        p->vm.page[3][at] ^= 0x80;
    send_pages(p, 0, 4, true);
    send_frames(p, 3);
    send_state(p, 1, 2999);
    carry(p, session_put_addrs(&p->s, &p->w, &addrs));
    beat(p);
    for (unsigned at = 0; at + 16 <= WIRE_PAGE_SIZE; at += 16)
        memcpy(p->vm.page[4] + at, "text in its page", 16);
    send_pages(p, 4, 8, true);
    send_frames(p, 1);
    send_state(p, 2999, 3000);
    end(p);
}

static void speak(struct primary *p)
{
    struct msg_hello hello = sample_hello();
    struct msg_handover handover = {.epoch = 4, .reason = WIRE_HANDOVER_PLANNED};
    struct msg_bye bye = sample_bye(WIRE_BYE_UNPROTECT);

    hello.pages = VM_PAGES;
    boot(&p->vm);
    carry(p, session_put_hello(&p->s, &p->w, &hello));
    first_epoch(p);
    second_epoch(p);
    send_optional(p);
    begin(p, 0); /* nothing dirty */
    send_state(p, 0, sizeof(cpu_state));
    end(p);
    beat(p);
    begin(p, WIRE_EPOCH_FULL); /* the dirty log was lost: everything once more */
    send_pages(p, 0, VM_PAGES, false);
    send_state(p, 0, sizeof(cpu_state));
    end(p);
    carry(p, session_put_handover(&p->s, &p->w, &handover));
    beat(p);
    carry(p, session_put_bye(&p->s, &p->w, &bye));
}

/* ---- tests ---- */

static void assert_seen_all(const struct backup *b)
{
    for (int coding = 0; coding < 4; coding++)
        assert_int_not_equal(b->codings[coding], 0);
    assert_true(b->s.sealed == 4);
    assert_int_equal(b->s.state, SESSION_CLOSING);
}

static void a_session_as_it_is_spoken_now(void **state)
{
    (void)state;
    static struct primary p;
    static struct backup b;

    backup_init(&b);
    session_init(&p.s, SESSION_PRIMARY, SAMPLE_GENERATION);
    p.digest = digest_new();
    p.image = digest_new();
    p.out = malloc(STREAM_MAX);
    p.w = (struct wcur){.p = p.out, .end = p.out + STREAM_MAX};
    p.peer = &b;
    speak(&p);
    assert_seen_all(&b);
    assert_true(p.s.sealed == 4);
    assert_memory_equal(&p.vm, &b.vm, sizeof(p.vm));
    if (golden_update()) {
        assert_true(golden_write(GOLDEN_DIR "primary.stream", p.out, (size_t)(p.w.p - p.out)));
        assert_true(golden_write(GOLDEN_DIR "backup.stream", b.out, (size_t)(b.w.p - b.out)));
    }
    digest_free(p.digest);
    digest_free(p.image);
    free(p.out);
    backup_free(&b);
}

static void a_session_as_it_was_recorded(void **state)
{
    (void)state;
    static struct backup b;
    uint8_t *stream = malloc(STREAM_MAX);

    backup_init(&b);
    size_t n = golden_read(GOLDEN_DIR "primary.stream", stream, STREAM_MAX);
    assert_true(n > 0);
    backup_read(&b, stream, n);
    assert_seen_all(&b);
    n = golden_read(GOLDEN_DIR "backup.stream", stream, STREAM_MAX);
    assert_int_equal(n, b.w.p - b.out);
    assert_memory_equal(stream, b.out, n);
    free(stream);
    backup_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_as_it_is_spoken_now),
        cmocka_unit_test(a_session_as_it_was_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
