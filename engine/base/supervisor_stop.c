/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/supervisor_impl.h"

#include <signal.h>

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;

    (void)fd;
    (void)what;
    log_warnx("stopping although %zu VM children have not ended yet", supervisor_count(s));
    event_base_loopexit(s->args.base, NULL);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct supervisor *s = arg;
    json_t *command = json_pack("{s:s}", "cmd", "shutdown");
    struct vm_child *child;

    (void)what;
    log_info("signal %d: stopping", (int)sig);
    s->stopping = true;
    s->args.listen = NULL; /* on_stop frees it with the port */
    if (s->args.on_stop)
        s->args.on_stop(s->args.arg);
    for (child = TAILQ_FIRST(&s->children); child; child = TAILQ_NEXT(child, link))
        supervisor_command(child, command, -1, NULL);
    json_decref(command);
    if (TAILQ_EMPTY(&s->children)) {
        event_base_loopexit(s->args.base, NULL);
        return;
    }
    struct timeval tv = mono_span_tv(s->args.stop_ms * NS_PER_MS);
    evtimer_add(s->deadline, &tv);
}

int supervisor_stop_init(struct supervisor *s)
{
    s->deadline = evtimer_new(s->args.base, on_deadline, s);
    s->sigterm = evsignal_new(s->args.base, SIGTERM, on_signal, s);
    s->sigint = evsignal_new(s->args.base, SIGINT, on_signal, s);
    return s->deadline && s->sigterm && s->sigint && event_add(s->sigterm, NULL) == 0 &&
                   event_add(s->sigint, NULL) == 0
               ? 0
               : -1;
}
