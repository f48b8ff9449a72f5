/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/message.h"

static bool handover_valid(const struct msg_handover *m)
{
    return m->epoch >= 1 &&
           (m->reason == WIRE_HANDOVER_PLANNED || m->reason == WIRE_HANDOVER_CRASHED);
}

bool msg_handover_put(struct wcur *w, const struct msg_handover *m)
{
    if (!handover_valid(m))
        return false;
    wcur_u64(w, m->epoch);
    wcur_u8(w, m->reason);
    return !w->bad;
}

bool msg_handover_get(struct rcur *r, struct msg_handover *m)
{
    m->epoch = rcur_u64(r);
    m->reason = rcur_u8(r);
    return rcur_done(r) && handover_valid(m);
}

static bool handover_ack_valid(const struct msg_handover_ack *m)
{
    return m->epoch >= 1 && m->generation >= 1 && m->generation <= WIRE_GENERATION_MAX + 1;
}

bool msg_handover_ack_put(struct wcur *w, const struct msg_handover_ack *m)
{
    if (!handover_ack_valid(m))
        return false;
    wcur_u64(w, m->epoch);
    wcur_u64(w, m->generation);
    return !w->bad;
}

bool msg_handover_ack_get(struct rcur *r, struct msg_handover_ack *m)
{
    m->epoch = rcur_u64(r);
    m->generation = rcur_u64(r);
    return rcur_done(r) && handover_ack_valid(m);
}

static bool reject_valid(const struct msg_reject *m)
{
    return m->code >= WIRE_REJECT_VERSION && m->code <= WIRE_REJECT_DENIED &&
           m->generation <= WIRE_GENERATION_MAX + 1;
}

bool msg_reject_put(struct wcur *w, const struct msg_reject *m)
{
    if (!reject_valid(m))
        return false;
    wcur_u16(w, m->code);
    wcur_u64(w, m->generation);
    wcur_text(w, m->text, WIRE_TEXT_MAX);
    return !w->bad;
}

bool msg_reject_get(struct rcur *r, struct msg_reject *m)
{
    m->code = rcur_u16(r);
    m->generation = rcur_u64(r);
    rcur_text(r, m->text, WIRE_TEXT_MAX);
    return rcur_done(r) && reject_valid(m);
}

static bool bye_valid(const struct msg_bye *m)
{
    return m->reason >= WIRE_BYE_UNPROTECT && m->reason <= WIRE_BYE_FAILED;
}

bool msg_bye_put(struct wcur *w, const struct msg_bye *m)
{
    if (!bye_valid(m))
        return false;
    wcur_u16(w, m->reason);
    wcur_text(w, m->text, WIRE_TEXT_MAX);
    return !w->bad;
}

bool msg_bye_get(struct rcur *r, struct msg_bye *m)
{
    m->reason = rcur_u16(r);
    rcur_text(r, m->text, WIRE_TEXT_MAX);
    return rcur_done(r) && bye_valid(m);
}
