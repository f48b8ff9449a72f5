/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/session_impl.h"

#include <inttypes.h>

/* The rules that need a record's fields ("Order" in docs/protocol.md). Records come here after
 * session_may and after their own fields were found in range. */

#define BREACH(s, ...) session_breach(s, WIRE_REJECT_PROTOCOL, __VA_ARGS__)

static void go(struct session *s, enum session_state phase)
{
    s->phase = phase;
    session_settle(s);
}

static void note_sent(struct session *s, uint64_t sent_ns)
{
    if (sent_ns > s->sent_ns)
        s->sent_ns = sent_ns;
}

bool session_step_hello(struct session *s, const struct msg_hello *m)
{
    if (s->generation == 0 || s->generation > WIRE_GENERATION_MAX)
        return BREACH(s, "HELLO with generation %" PRIu64, s->generation);
    s->features = m->features;
    s->pages_limit = m->pages;
    go(s, SESSION_GREETED);
    return true;
}

bool session_step_welcome(struct session *s, const struct msg_welcome *m)
{
    if (m->version < WIRE_VERSION_MIN || m->version > WIRE_VERSION_MAX)
        return BREACH(s, "WELCOME chooses version %u", m->version);
    if (m->features & ~(s->features & WIRE_FEATURES_ALL))
        return BREACH(s, "WELCOME sets features 0x%" PRIx32 ", offered were 0x%" PRIx32,
                      m->features, s->features);
    s->features = m->features;
    s->staging_pages = m->staging_pages;
    go(s, SESSION_OPEN);
    return true;
}

bool session_step_epoch_begin(struct session *s, const struct msg_epoch_begin *m)
{
    if (m->epoch != s->epoch + 1)
        return BREACH(s, "epoch %" PRIu64 " begins after epoch %" PRIu64, m->epoch, s->epoch);
    if (m->epoch == 1 && !(m->flags & WIRE_EPOCH_FULL))
        return BREACH(s, "the first epoch is not FULL");
    s->epoch = m->epoch;
    s->epoch_flags = m->flags;
    s->pages = s->frames = 0;
    s->state_total = s->state_got = 0;
    note_sent(s, m->sent_ns);
    go(s, SESSION_IN_EPOCH);
    return true;
}

static bool in_this_epoch(struct session *s, const char *what, uint64_t epoch)
{
    return epoch == s->epoch ||
           BREACH(s, "%s of epoch %" PRIu64 " in epoch %" PRIu64, what, epoch, s->epoch);
}

static bool page_allowed(struct session *s, const struct page_item *item)
{
    if (item->pfn >= s->pages_limit)
        return BREACH(s, "page %" PRIu64 " of a VM of %" PRIu64 " pages", item->pfn,
                      s->pages_limit);
    if ((item->coding == WIRE_PAGE_LZ4 && !(s->features & WIRE_FEATURE_LZ4)) ||
        (item->coding == WIRE_PAGE_DELTA && !(s->features & WIRE_FEATURE_DELTA)))
        return BREACH(s, "page %" PRIu64 " has coding %u, which was not agreed", item->pfn,
                      item->coding);
    return true;
}

bool session_step_pages(struct session *s, const struct msg_pages *m)
{
    struct pages_iter it = {0};
    struct page_item item;

    if (!in_this_epoch(s, "PAGES", m->epoch))
        return false;
    if (!(s->epoch_flags & WIRE_EPOCH_FULL) && s->pages + m->count > s->staging_pages)
        return session_breach(s, WIRE_REJECT_TOO_LARGE,
                              "epoch %" PRIu64 " has more than %" PRIu64 " pages", s->epoch,
                              s->staging_pages);
    while (msg_pages_next(m, &it, &item))
        if (!page_allowed(s, &item))
            return false;
    s->pages += m->count;
    return true;
}

bool session_step_state(struct session *s, const struct msg_state *m)
{
    if (!in_this_epoch(s, "STATE", m->epoch))
        return false;
    if (m->offset != s->state_got || (s->state_got > 0 && m->total_len != s->state_total))
        return BREACH(s,
                      "STATE %" PRIu32 " of %" PRIu32 " where %" PRIu32 " of %" PRIu32 " is next",
                      m->offset, m->total_len, s->state_got, s->state_total);
    s->state_total = m->total_len;
    s->state_got += m->len;
    return true;
}

bool session_step_frames(struct session *s, const struct msg_frames *m)
{
    if (!in_this_epoch(s, "FRAMES", m->epoch))
        return false;
    s->frames += m->count;
    return true;
}

bool session_step_frames_in(struct session *s, const struct msg_frames *m)
{
    return m->epoch == 0 || BREACH(s, "FRAMES_IN of epoch %" PRIu64, m->epoch);
}

bool session_step_addrs(struct session *s, const struct msg_addrs *m)
{
    return in_this_epoch(s, "ADDRS", m->epoch);
}

bool session_step_epoch_end(struct session *s, const struct msg_epoch_end *m)
{
    if (!in_this_epoch(s, "EPOCH_END", m->epoch))
        return false;
    if (s->state_total == 0 || s->state_got != s->state_total)
        return BREACH(s, "epoch %" PRIu64 " ends with %" PRIu32 " of %" PRIu32 " octets of state",
                      s->epoch, s->state_got, s->state_total);
    if (m->pages != s->pages || m->frames != s->frames)
        return BREACH(s,
                      "epoch %" PRIu64 " names %" PRIu64 " pages and %" PRIu64
                      " frames but has %" PRIu64 " and %" PRIu64,
                      s->epoch, m->pages, m->frames, s->pages, s->frames);
    s->ended = s->epoch;
    note_sent(s, m->sent_ns);
    go(s, SESSION_OPEN);
    return true;
}

bool session_step_beat(struct session *s, const struct msg_beat *m)
{
    note_sent(s, m->sent_ns);
    return true;
}

/** A time from the future would stretch the lease. */
static bool echo_allowed(struct session *s, uint64_t sent_ns)
{
    return sent_ns <= s->sent_ns || BREACH(s, "echo of a time that was never sent");
}

bool session_step_ack(struct session *s, const struct msg_ack *m)
{
    if (m->epoch <= s->sealed || m->epoch > s->ended)
        return BREACH(s, "ACK %" PRIu64 " after ACK %" PRIu64 ", the last epoch ended is %" PRIu64,
                      m->epoch, s->sealed, s->ended);
    if (!echo_allowed(s, m->sent_ns))
        return false;
    s->sealed = m->epoch;
    return true;
}

bool session_step_beat_ack(struct session *s, const struct msg_ack *m)
{
    if (m->epoch != s->sealed)
        return BREACH(s, "BEAT_ACK names epoch %" PRIu64 ", the last ACK was %" PRIu64, m->epoch,
                      s->sealed);
    return echo_allowed(s, m->sent_ns);
}

bool session_step_handover(struct session *s, const struct msg_handover *m)
{
    /* The sender knows the last ACK; at the receiver a later one may be on its way. */
    bool named = s->role == SESSION_PRIMARY ? m->epoch == s->sealed : m->epoch <= s->sealed;
    bool planned = m->epoch == s->sealed && m->epoch == s->ended;

    if (m->reason == WIRE_HANDOVER_PLANNED ? !planned : !named)
        return BREACH(s, "HANDOVER of epoch %" PRIu64 ", the last ACK was %" PRIu64, m->epoch,
                      s->sealed);
    go(s, SESSION_HANDED);
    return true;
}

bool session_step_handover_ack(struct session *s, const struct msg_handover_ack *m)
{
    if (m->epoch != s->sealed)
        return BREACH(s, "HANDOVER_ACK of epoch %" PRIu64 ", the last ACK was %" PRIu64, m->epoch,
                      s->sealed);
    if (m->generation <= s->generation)
        return BREACH(s, "HANDOVER_ACK does not raise the generation");
    s->handed_over = true;
    return true;
}

bool session_step_reject(struct session *s)
{
    session_die(s);
    return true;
}

bool session_step_bye(struct session *s, enum session_role from)
{
    s->bye[from] = true;
    session_settle(s);
    return true;
}

bool session_step_bye_ack(struct session *s, enum session_role from)
{
    s->bye_ack[from] = true;
    session_settle(s);
    return true;
}
