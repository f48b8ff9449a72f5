/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMCLIENT_H
#define REMUS_SIMCLIENT_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"
#include "engine/base/mono.h"
#include "tools/sim/simclient_wire.h"

/** Exit statuses of remus-simclient. */
enum client_status {
    CLIENT_GOOD = 0,
    CLIENT_VIOLATION = 1, /* an answer that no correct VM could have given */
    CLIENT_ERROR = 2,     /* bad options, no switch or no longer, no memory */
    CLIENT_SILENCE = 3,   /* nothing was answered */
    CLIENT_UNPROVEN = 4,  /* counter: no violation, but the last read was not answered */
};

#define CLIENTS_MAX 128 /* the guest remembers 256 of them, of all its stations */

struct client_mode;

struct client_conf {
    const struct client_mode *mode;
    const char *sw;
    struct wire_path path;
    int64_t clients, count, seconds; /* count and seconds: 0 is without limit */
    int64_t retry_ms, timeout_ms, interval_ms;
    int64_t size; /* payload octets of a probe */
    bool shared, live;
    const char *history; /* NULL: not wanted */
};

struct client {
    const struct client_conf *conf;
    struct event_base *base;
    struct station *station;
    void *mode; /* the mode's own state */
    bool ready, stopping;
    bool lost; /* the switch is */
    struct mono started;
};

/** What differs between the modes; `m` is what `start` returned. */
struct client_mode {
    const char *name;
    int64_t interval_ms; /* between two requests, when the user says nothing */
    bool v6_only;

    void *(*start)(struct client *c);        /* NULL: no memory */
    void (*ready)(void *m, struct mono now); /* the guest's MAC is known: begin */
    void (*got)(void *m, enum wire_kind kind, const struct wire_got *got, struct mono now);
    void (*tick)(void *m, struct mono now);
    void (*stop)(void *m, struct mono now); /* begin nothing new */
    bool (*done)(const void *m);
    void (*live)(const void *m, FILE *to); /* one line */
    /** New object, or NULL: no memory. */
    json_t *(*report)(void *m, enum client_status *status);
    void (*free)(void *m);
};

extern const struct client_mode client_counter, client_echo, client_reflect, client_ping6;

/** Fills `conf` from the command line; prints help or errors and exits by itself. */
void client_parse(int argc, char **argv, struct client_conf *conf);

/** Runs to the end and returns the summary, or NULL with `err`. */
json_t *client_run(const struct client_conf *conf, enum client_status *status,
                   struct err *err) MUST_CHECK;

/** No more from now on, by the mode's own count or by an error. */
void client_stop(struct client *c, struct mono now);

#endif
