/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/link/link_impl.h"

/* Reads per turn of the loop, so that timers are never starved by a fast peer. */
#define READS_PER_TURN 4

static void refuse(struct link *link)
{
    struct session *s = &link->session;
    struct msg_reject m = {.code = s->error_code ? s->error_code : WIRE_REJECT_PROTOCOL,
                           .generation = s->generation};
    snprintf(m.text, sizeof(m.text), "%s", s->error);

    char text[WIRE_TEXT_MAX + 32];
    snprintf(text, sizeof(text), "protocol error: %s", s->error);
    if (LINK_PUT(link, LINK_SMALL, session_put_reject, &m) < 0)
        log_warn("REJECT could not be built");
    (void)link_write_some(link);
    link_over(link, LINK_PROTOCOL, text);
}

/** Hands out every whole record that is buffered. false: the link is over or was freed. */
static bool parse(struct link *link)
{
    while (!link->over && !link->dropped) {
        struct session_event ev;
        size_t used = 0, need = 0;
        int r = session_recv(&link->session, link->in + link->in_start,
                             link->in_end - link->in_start, &ev, &used, &need);
        if (r < 0) {
            refuse(link);
            return false;
        }
        if (r == 0 && used == 0)
            break;
        link->in_start += used;
        if (r > 0)
            link->ops->on_record(link, &ev, link->arg);
    }
    if (link->in_start == link->in_end)
        link->in_start = link->in_end = 0;
    return !link->over && !link->dropped;
}

static void make_space(struct link *link)
{
    if (link->in_cap - link->in_end >= link->in_cap / LINK_IN_RECORDS)
        return;
    memmove(link->in, link->in + link->in_start, link->in_end - link->in_start);
    link->in_end -= link->in_start;
    link->in_start = 0;
}

void link_take_input(struct link *link, unsigned reads)
{
    for (unsigned i = 0; i < reads; i++) {
        make_space(link);
        size_t room = link->in_cap - link->in_end;
        ssize_t n = read(link->fd, link->in + link->in_end, room);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            link_over_errno(link, "read");
            return;
        }
        if (n == 0) {
            link_over(link, LINK_EOF, "connection closed by the peer");
            return;
        }
        link->received += (uint64_t)n;
        link->heard = mono_now();
        link->in_end += (size_t)n;
        if (!parse(link) || (size_t)n < room)
            return;
    }
}

void link_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct link *link = arg;
    (void)fd;
    (void)what;

    link->busy = true;
    link_take_input(link, READS_PER_TURN);
    link_leave(link);
}
