/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/accept_pause.h"

#include <errno.h>

#include "engine/base/log.h"

#define PAUSE_MS 100

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct accept_pause *p = arg;

    (void)fd;
    (void)what;
    evconnlistener_enable(p->listener);
}

int accept_pause_init(struct accept_pause *p, struct event_base *base,
                      struct evconnlistener *listener, const char *who)
{
    *p = (struct accept_pause){.listener = listener, .who = who};
    p->retry = evtimer_new(base, on_retry, p);
    if (p->retry)
        return 0;
    errno = ENOMEM;
    return -1;
}

void accept_pause_begin(struct accept_pause *p)
{
    if (!p->told)
        log_warn("%s: no connection can be accepted", p->who);
    p->told = true;
    evconnlistener_disable(p->listener);
    evtimer_add(p->retry, &(struct timeval){.tv_usec = PAUSE_MS * 1000});
}

void accept_pause_over(struct accept_pause *p)
{
    if (p->told)
        log_info("%s: connections are accepted again", p->who);
    p->told = false;
}

void accept_pause_free(struct accept_pause *p)
{
    if (p->retry)
        event_free(p->retry);
    p->retry = NULL;
}
