/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "tools/sim/simswitch.h"

static const char help[] =
    "Usage: remus-simswitch --listen PATH [--log FILE] [--stats]\n"
    "An Ethernet switch for built-in VMs and their clients: ports are connections to a Unix "
    "socket.\n"
    "\n"
    "  --listen PATH  the socket; others use it as 'switch:PATH'\n"
    "  --log FILE     append a JSON line for each frame that comes in, and for ports that come or "
    "go\n"
    "  --stats        print counters as JSON on stderr on each SIGUSR1\n"
    "  --help         print this and exit\n"
    "  --version      print the version and exit\n"
    "\n"
    "Ends on SIGTERM and SIGINT. Exit status: 0, or 1 when it could not start.\n";

struct options {
    const char *path, *log;
    bool stats;
};

static void usage_error(const char *text)
{
    fprintf(stderr, "remus-simswitch: %s; see --help\n", text);
    exit(1);
}

static void print_and_exit(const char *text)
{
    fputs(text, stdout);
    exit(0);
}

static struct options parse(int argc, char **argv)
{
    static const struct option longs[] = {
        {"listen", required_argument, NULL, 'l'}, {"log", required_argument, NULL, 'o'},
        {"stats", no_argument, NULL, 's'},        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {0}};
    struct options o = {0};

    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'l')
            o.path = optarg;
        else if (c == 'o')
            o.log = optarg;
        else if (c == 's')
            o.stats = true;
        else if (c == 'h')
            print_and_exit(help);
        else if (c == 'V')
            print_and_exit("remus-simswitch " REMUS_VERSION "\n");
        else
            exit(1);
    }
    if (!o.path || optind != argc)
        usage_error("--listen PATH is needed, and nothing else but options");
    return o;
}

static void print_stats(evutil_socket_t sig, short what, void *arg)
{
    json_t *stats = simswitch_stats(arg);
    (void)sig;
    (void)what;

    if (!stats)
        return;
    json_dumpf(stats, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(stats);
}

static void end_loop(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    event_base_loopbreak(arg);
}

static struct event *on_signal(struct event_base *base, int sig, event_callback_fn cb, void *arg)
{
    struct event *ev = evsignal_new(base, sig, cb, arg);

    if (ev && event_add(ev, NULL) == 0)
        return ev;
    log_errx("cannot watch for signals");
    exit(1);
}

static void run(struct event_base *base, struct simswitch *sw, bool stats)
{
    struct event *ev[] = {on_signal(base, SIGTERM, end_loop, base),
                          on_signal(base, SIGINT, end_loop, base),
                          stats ? on_signal(base, SIGUSR1, print_stats, sw) : NULL};

    event_base_dispatch(base);
    for (size_t i = 0; i < ARRAY_LEN(ev); i++)
        if (ev[i])
            event_free(ev[i]);
}

static FILE *open_log(const char *path)
{
    FILE *log = fopen(path, "ae");

    if (!log) {
        log_err("cannot open '%s'", path);
        exit(1);
    }
    /* Whole lines at once: a reader never sees half of one, and a kill loses none. */
    setvbuf(log, NULL, _IOLBF, BUFSIZ);
    return log;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct err err;

    log_init("remus-simswitch", LOG_LEVEL_INFO);
    struct event_base *base = event_base_new();
    if (!base) {
        log_errx("cannot make an event loop");
        return 1;
    }
    FILE *log = o.log ? open_log(o.log) : NULL;
    struct simswitch *sw = simswitch_new(base, o.path, log, &err);
    if (!sw) {
        log_errx("%s%s%s", err.text, err.hint[0] ? "; " : "", err.hint);
        return 1;
    }
    log_info("listening on %s", o.path);
    run(base, sw, o.stats);
    simswitch_free(sw);
    event_base_free(base);
    if (log && (ferror(log) || fclose(log) != 0)) {
        log_errx("'%s' is not complete: writing it failed", o.log);
        return 1;
    }
    return 0;
}
