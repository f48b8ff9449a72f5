/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/xen_keeper.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/base/log.h"

/* A domain that is suspended for an epoch of its next protection is looked at again. */
#define SUSPENDED_S 1

static int about_its_end(const libxl_event *event, void *arg)
{
    const uint32_t *domid = arg;

    return event->domid == *domid && (event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN ||
                                      event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH);
}

/* Waits for the domain's end and tells its kind; false: it was destroyed, or nobody will know. */
static bool await_shutdown(libxl_ctx *ctx, uint32_t domid, libxl_shutdown_reason *ret)
{
    libxl_evgen_domain_death *watch;
    libxl_event *event;
    bool shut_down = false;

    if (libxl_evenable_domain_death(ctx, domid, 0, &watch))
        return false;
    if (libxl_event_wait(ctx, &event, LIBXL_EVENTMASK_ALL, about_its_end, &domid) == 0) {
        shut_down = event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN;
        if (shut_down)
            *ret = (libxl_shutdown_reason)event->u.domain_shutdown.shutdown_reason;
        libxl_event_free(ctx, event);
    }
    libxl_evdisable_domain_death(ctx, watch);
    return shut_down;
}

static libxl_action_on_shutdown action(const libxl_domain_config *config,
                                       libxl_shutdown_reason reason)
{
    switch (reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return config->on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        return config->on_reboot;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        return config->on_watchdog;
    default:
        return config->on_crash;
    }
}

static bool start_anew(libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid)
{
    config->c_info.domid = 0; /* any */
    if (libxl_domain_create_new(ctx, config, domid, NULL, NULL) == 0 &&
        libxl_domain_unpause(ctx, *domid, NULL) == 0)
        return true;
    log_errx("%s is off: it could not be started anew", config->c_info.name);
    return false;
}

/* True when there is a domain to wait for again. */
static bool handle(libxl_ctx *ctx, const char *json, libxl_shutdown_reason reason, uint32_t *domid)
{
    libxl_domain_config config;
    bool again = false;

    libxl_domain_config_init(&config);
    if (libxl_domain_config_from_json(ctx, &config, json) == 0) {
        libxl_action_on_shutdown what = action(&config, reason);
        log_info("%s has shut down (%s): %s", config.c_info.name,
                 libxl_shutdown_reason_to_string(reason), libxl_action_on_shutdown_to_string(what));
        if (what != LIBXL_ACTION_ON_SHUTDOWN_PRESERVE)
            again = libxl_domain_destroy(ctx, *domid, NULL) == 0 && xen_starts_anew(what) &&
                    start_anew(ctx, &config, domid);
    }
    libxl_domain_config_dispose(&config);
    return again;
}

static void keep(libxl_ctx *ctx, uint32_t domid, const char *json)
{
    libxl_shutdown_reason reason;

    while (await_shutdown(ctx, domid, &reason)) {
        if (reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
            sleep(SUSPENDED_S);
        else if (!handle(ctx, json, reason, &domid))
            return;
    }
}

int xen_keeper_start(libxl_ctx *ctx, uint32_t domid, const char *json)
{
    libxl_ctx *own = NULL;

    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? -1 : 0;
    prctl(PR_SET_NAME, "remus-keeper");
    setsid();
    signal(SIGPIPE, SIG_IGN); /* the log may end before the domain does */
    libxl_postfork_child_noexec(ctx);
    close_range(STDERR_FILENO + 1, ~0u, 0);
    xentoollog_logger *log =
        (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (log && libxl_ctx_alloc(&own, LIBXL_VERSION, 0, log) == 0)
        keep(own, domid, json);
    _exit(0);
}
