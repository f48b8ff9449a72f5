/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "proto/session.h"

/**
 * Input: one octet (bit 0: the role of the session under attack), then operations of four octets
 * (what, type, u16 length) and that many octets of payload. The friend is an honest peer in step
 * with it. what % 4 = 0  the session puts the message           the friend must take it, and agree
 *              1  the friend puts the message            the session must take it, and agree
 *              2  a record with a good header and this payload
 *              3  the same with one header octet changed: the payload's first two say which and how
 * The last two are given whole, and again in pieces from a block of exactly the size; both must
 * come to the same. After them the friend is out of step and sleeps.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPERATIONS_MAX 200

struct run {
    struct session s, friend;
    bool alone;
};

static uint8_t out[WIRE_HEADER_LEN + WIRE_PAYLOAD_MAX];

static void require(bool ok)
{
    if (!ok)
        abort();
}

/** What may never be false, whatever came. */
static void check(const struct session *s)
{
    require(s->sealed <= s->ended && s->ended <= s->epoch && s->epoch <= s->ended + 1);
    require(s->state_got <= s->state_total && s->state_total <= WIRE_STATE_MAX);
    require((s->phase == SESSION_IN_EPOCH) <= (s->epoch == s->ended + 1));
    require((s->epoch_flags & WIRE_EPOCH_FULL) || s->pages <= s->staging_pages);
    require(memchr(s->error, '\0', sizeof(s->error)) != NULL);
    require(s->state != SESSION_DEAD || s->phase == SESSION_DEAD);
}

static bool same(const struct session *a, const struct session *b)
{
    return a->phase == b->phase && a->state == b->state && a->generation == b->generation &&
           a->features == b->features && a->pages_limit == b->pages_limit &&
           a->staging_pages == b->staging_pages && a->epoch == b->epoch && a->pages == b->pages &&
           a->frames == b->frames && a->state_total == b->state_total &&
           a->state_got == b->state_got && a->sealed == b->sealed && a->ended == b->ended &&
           a->sent_ns == b->sent_ns && a->handed_over == b->handed_over;
}

/** Everything up to `n` octets, in a block that ends there. */
static int recv_exact(struct session *s, const uint8_t *p, size_t n, struct session_event *ev,
                      size_t *used, size_t *need)
{
    uint8_t *exact = malloc(n ? n : 1);

    require(exact != NULL);
    memcpy(exact, p, n);
    int r = session_recv(s, exact, n, ev, used, need);
    free(exact);
    return r;
}

/* ---- honest records ---- */

static bool put_pages(struct session *s, struct wcur *w, const uint8_t *p, size_t n)
{
    static const uint8_t zero[WIRE_PAGE_SIZE];
    uint8_t page[WIRE_PAGE_SIZE] = {0};
    struct pages_writer pw;

    if (n < 2 || s->pages_limit == 0 || !session_pages_begin(s, &pw, w, 1 + p[0] % 4))
        return false;
    for (size_t at = 1; at < n; at++) {
        page[p[at] * 16 % sizeof(page)] = p[at];
        if (session_pages_add(&pw, p[at] % s->pages_limit, page, p[0] & 8 ? zero : NULL) ==
            PAGES_FULL)
            break;
    }
    return session_pages_end(&pw, w) > 0;
}

static bool put_frames(struct session *s, struct wcur *w, enum wire_type type, const uint8_t *p,
                       size_t n)
{
    struct frames_writer fw;

    if (!session_frames_begin(s, &fw, w, type))
        return false;
    for (size_t at = 0, len = 24; len <= n - at; at += len++)
        require(session_frames_add(&fw, p + at, len));
    return session_frames_end(&fw, w) > 0;
}

#define PUT(get, put, type)                                                                        \
    do {                                                                                           \
        struct type m_;                                                                            \
        return get(&r, &m_) && put(s, w, &m_);                                                     \
    } while (0)

static bool put(struct session *s, struct wcur *w, uint8_t type, const uint8_t *p, size_t n)
{
    struct rcur r = {.p = p, .end = p + n};

    switch (type) {
    case WIRE_HELLO:
        PUT(msg_hello_get, session_put_hello, msg_hello);
    case WIRE_WELCOME:
        PUT(msg_welcome_get, session_put_welcome, msg_welcome);
    case WIRE_EPOCH_BEGIN:
        PUT(msg_epoch_begin_get, session_put_epoch_begin, msg_epoch_begin);
    case WIRE_PAGES:
        return put_pages(s, w, p, n);
    case WIRE_STATE:
        PUT(msg_state_get, session_put_state, msg_state);
    case WIRE_FRAMES:
    case WIRE_FRAMES_IN:
        return put_frames(s, w, type, p, n);
    case WIRE_ADDRS:
        PUT(msg_addrs_get, session_put_addrs, msg_addrs);
    case WIRE_EPOCH_END:
        PUT(msg_epoch_end_get, session_put_epoch_end, msg_epoch_end);
    case WIRE_BEAT:
        PUT(msg_beat_get, session_put_beat, msg_beat);
    case WIRE_ACK:
        PUT(msg_ack_get, session_put_ack, msg_ack);
    case WIRE_BEAT_ACK:
        PUT(msg_ack_get, session_put_beat_ack, msg_ack);
    case WIRE_HANDOVER:
        PUT(msg_handover_get, session_put_handover, msg_handover);
    case WIRE_HANDOVER_ACK:
        PUT(msg_handover_ack_get, session_put_handover_ack, msg_handover_ack);
    case WIRE_BYE:
        PUT(msg_bye_get, session_put_bye, msg_bye);
    case WIRE_BYE_ACK:
        return session_put_bye_ack(s, w);
    case WIRE_REJECT:
        PUT(msg_reject_get, session_put_reject, msg_reject);
    default:
        return false;
    }
}

static bool speaks_version_here(const uint8_t *hello)
{
    return hello[0] + hello[1] * 256 <= WIRE_VERSION_MAX;
}

static void honest(struct run *run, struct session *from, struct session *to, uint8_t type,
                   const uint8_t *p, size_t n)
{
    struct wcur w = {.p = out, .end = out + sizeof(out)};
    const struct session before = *from;
    struct session_event ev;
    size_t used, need;

    if (from->phase == SESSION_DEAD || (run->alone && from != &run->s))
        return;
    if (!put(from, &w, type, p, n)) {
        require(w.p == out && same(&before, from) && before.tx_seq == from->tx_seq);
        return;
    }
    if (run->alone)
        return;
    size_t len = (size_t)(w.p - out);
    int r = recv_exact(to, out, len, &ev, &used, &need);
    if (type == WIRE_HELLO && !speaks_version_here(p)) {
        require(r == -1 && to->error_code == WIRE_REJECT_VERSION);
        run->alone = true;
        return;
    }
    require(r == 1 && used == len && ev.type == type);
    /* A REJECT may come before HELLO has told the backup a generation. */
    require(type == WIRE_REJECT ? to->state == SESSION_DEAD : same(from, to));
}

/* ---- hostile records ---- */

static size_t forge(const struct run *run, uint8_t type, const uint8_t *p, size_t n, bool spoil)
{
    struct wcur w = {.p = out, .end = out + sizeof(out)};
    uint64_t generation = run->s.generation ? run->s.generation : 7;

    wcur_u32(&w, WIRE_MAGIC);
    wcur_u16(&w, type == 0xff ? WIRE_TYPE_OPTIONAL : type);
    wcur_u16(&w, 0);
    wcur_u32(&w, n);
    struct wcur crc = w;
    wcur_u32(&w, 0);
    wcur_u64(&w, generation);
    wcur_u64(&w, run->s.rx_seq);
    wcur_bytes(&w, p, n);
    size_t len = (size_t)(w.p - out);
    if (spoil && n >= 2)
        out[p[0] % WIRE_HEADER_LEN] ^= p[1];
    wcur_u32(&crc, wire_crc32c(0, out, len));
    return len;
}

static int in_pieces(struct session *s, const uint8_t *p, size_t n, size_t step)
{
    struct session_event ev;
    size_t used, need;

    for (size_t have = 0;; have = have + step < n ? have + step : n) {
        int r = recv_exact(s, p, have, &ev, &used, &need);
        if (r != 0 || used != 0 || have == n)
            return r;
        require(need > have);
    }
}

static void hostile(struct run *run, uint8_t type, const uint8_t *p, size_t n, bool spoil)
{
    size_t len = forge(run, type, p, n, spoil);
    struct session whole = run->s, pieces = run->s;
    struct session_event ev;
    size_t used, need;

    run->alone = true;
    int r = recv_exact(&whole, out, len, &ev, &used, &need);
    require(r != 1 || used == len);
    require(r != 0 || used == len || need > len);
    require((r == -1) == (whole.state == SESSION_DEAD && !(r == 1 && ev.type == WIRE_REJECT)));
    int again = in_pieces(&pieces, out, len, 1 + n % 40);
    require(r == again && same(&whole, &pieces) && whole.rx_seq == pieces.rx_seq);
    if (r == 0 && used == 0) /* it asks for more than there is: the connection would wait */
        return;
    run->s = whole;
}

static void operate(struct run *run, const uint8_t *op, const uint8_t *payload, size_t n)
{
    switch (op[0] % 4) {
    case 0:
        honest(run, &run->s, &run->friend, op[1], payload, n);
        break;
    case 1:
        honest(run, &run->friend, &run->s, op[1], payload, n);
        break;
    default:
        if (run->s.phase != SESSION_DEAD)
            hostile(run, op[1], payload, n, op[0] % 4 == 3);
    }
    check(&run->s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run = {.alone = false};

    if (size == 0)
        return 0;
    bool backup = data[0] & 1;
    session_init(&run.s, backup ? SESSION_BACKUP : SESSION_PRIMARY, backup ? 0 : 7);
    session_init(&run.friend, backup ? SESSION_PRIMARY : SESSION_BACKUP, backup ? 7 : 0);
    data++;
    size--;
    for (int i = 0; i < OPERATIONS_MAX && size >= 4; i++) {
        size_t n = (size_t)(data[2] | data[3] << 8);
        if (n > size - 4)
            n = size - 4;
        operate(&run, data, data + 4, n);
        data += 4 + n;
        size -= 4 + n;
    }
    return 0;
}
