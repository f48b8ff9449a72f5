/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_EPOCH_UTIL_H
#define REMUS_TESTS_EPOCH_UTIL_H

#include "tests/unit/fake_hv_util.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backupd/store.h"
#include "engine/link/link.h"
#include "engine/sender.h"
#include "tests/unit/proto_samples.h"

/**
 * The way of an epoch without its daemons: fake VM, sender, link, socket, link, store, fake
 * replica. The backup verifies, seals and applies as backupd does; the first error ends it.
 */
struct epochs {
    struct fake_vm vm;
    struct fake_replica replica;
    struct event_base *base;
    struct link *primary, *backup;
    struct sender sender;
    struct store store;
    bool store_open;
    uint64_t staging_pages; /* what the backup offers */
    uint32_t features;
    bool welcomed;
    unsigned sealed;       /* epochs */
    struct frameq arrived; /* frames at the backup, by epoch */
    struct err err;        /* of the store or the link; its text is empty while all is well */
    int error;             /* errno of the store */
};

static inline void epochs_failed(struct epochs *e)
{
    e->error = errno;
    assert_true(e->err.text[0] != '\0');
}

static inline void epochs_welcome(struct epochs *e, const struct msg_hello *hello)
{
    struct msg_welcome m = sample_welcome(hello->features & e->features);
    struct wcur *w = link_room(e->backup, 512);

    m.staging_pages = e->staging_pages;
    assert_non_null(w);
    assert_true(session_put_welcome(link_session(e->backup), w, &m));
    link_commit(e->backup);
    assert_int_equal(store_init(&e->store, &e->replica.r, link_session(e->backup)->generation,
                                (size_t)e->staging_pages, hv_replica_pages(&e->replica.r)),
                     0);
    e->store_open = true;
}

static inline void epochs_frames(struct epochs *e, const struct msg_frames *m)
{
    struct frames_iter it = {0};
    const uint8_t *frame;
    uint32_t len;

    while (msg_frames_next(m, &it, &frame, &len)) {
        store_frame(&e->store, frame, len);
        assert_int_equal(frameq_push(&e->arrived, m->epoch, frame, len), 0);
    }
}

static inline void epochs_end(struct epochs *e, const struct msg_epoch_end *m)
{
    if (store_verify(&e->store, m, &e->err)) {
        epochs_failed(e);
        return;
    }
    store_seal(&e->store);
    if (store_apply(&e->store, &e->err) || store_check_image(&e->store, m->image_digest, &e->err))
        epochs_failed(e);
    else
        e->sealed++;
}

static inline void epochs_at_backup(struct link *link, const struct session_event *ev, void *arg)
{
    struct epochs *e = arg;
    (void)link;

    if (e->err.text[0])
        return;
    switch (ev->type) {
    case WIRE_HELLO:
        epochs_welcome(e, &ev->u.hello);
        break;
    case WIRE_EPOCH_BEGIN:
        store_begin(&e->store, &ev->u.begin);
        break;
    case WIRE_PAGES:
        if (store_pages(&e->store, &ev->u.pages, &e->err))
            epochs_failed(e);
        break;
    case WIRE_STATE:
        store_state(&e->store, &ev->u.state);
        break;
    case WIRE_FRAMES:
        epochs_frames(e, &ev->u.frames);
        break;
    case WIRE_ADDRS:
        store_addrs(&e->store, &ev->u.addrs);
        break;
    case WIRE_EPOCH_END:
        epochs_end(e, &ev->u.end);
        break;
    default:
        fail_msg("record %s at the backup", wire_type_name(ev->type));
    }
}

static inline void epochs_at_primary(struct link *link, const struct session_event *ev, void *arg)
{
    struct epochs *e = arg;

    assert_int_equal(ev->type, WIRE_WELCOME);
    e->welcomed = true;
    sender_session(&e->sender, link);
}

static inline void epochs_over(struct link *link, enum link_end why, const char *text, void *arg)
{
    struct epochs *e = arg;
    (void)link;
    (void)why;
    (void)err_set(&e->err, "", "%s", text);
}

/** Until the link has nothing left to carry. */
static inline void epochs_turn(struct epochs *e)
{
    do
        event_base_loop(e->base, EVLOOP_NONBLOCK);
    while (e->primary && (link_queued(e->primary) > 0 || link_has_input(e->backup)) &&
           !e->err.text[0]);
    event_base_loop(e->base, EVLOOP_NONBLOCK);
}

/** A new connection, as after a loss: the replica is what it was. */
static inline void epochs_connect(struct epochs *e)
{
    static const struct link_ops primary = {epochs_at_primary, epochs_over, NULL};
    static const struct link_ops backup = {epochs_at_backup, epochs_over, NULL};
    struct msg_hello hello = sample_hello();
    int fd[2];

    link_free(e->primary, false);
    link_free(e->backup, false);
    if (e->store_open)
        store_free(&e->store);
    frameq_clear(&e->arrived);
    e->welcomed = e->store_open = false;
    e->err.text[0] = '\0';
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    e->primary = link_new(e->base, fd[0], SESSION_PRIMARY, SAMPLE_GENERATION, 1 << 20, &primary, e);
    e->backup = link_new(e->base, fd[1], SESSION_BACKUP, 0, 1 << 20, &backup, e);
    assert_true(e->primary && e->backup);
    hello.pages = e->vm.pages;
    struct wcur *w = link_room(e->primary, 4096);
    assert_non_null(w);
    assert_true(session_put_hello(link_session(e->primary), w, &hello));
    link_commit(e->primary);
    while (!e->welcomed)
        event_base_loop(e->base, EVLOOP_NONBLOCK);
}

static inline void epochs_open(struct epochs *e, uint64_t pages, size_t cache_bytes,
                               uint64_t staging_pages)
{
    memset(e, 0, sizeof(*e));
    signal(SIGPIPE, SIG_IGN);
    e->features = WIRE_FEATURES_ALL;
    e->staging_pages = staging_pages;
    e->base = event_base_new();
    assert_non_null(e->base);
    fake_vm_init(&e->vm, pages);
    fake_replica_init(&e->replica, pages);
    frameq_init(&e->arrived, SIZE_MAX);
    assert_int_equal(sender_init(&e->sender, &e->vm.vm, pages, cache_bytes), 0);
    epochs_connect(e);
}

static inline void epochs_close(struct epochs *e)
{
    link_free(e->primary, false);
    link_free(e->backup, false);
    if (e->store_open)
        store_free(&e->store);
    sender_free(&e->sender);
    frameq_free(&e->arrived);
    fake_vm_free(&e->vm);
    fake_replica_free(&e->replica);
    event_base_free(e->base);
}

#endif
