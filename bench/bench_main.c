/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/bench_memory.h"
#include "bench/bench_proc.h"
#include "bench/bench_xen.h"
#include "engine/base/log.h"

/* What most measures use at a time. */
#define WARM_BYTES ((size_t)1 << 30)

static const struct measure {
    const char *name, *title;
    bench_measure *run;
} measures[] = {
    {"pause", "Pause, engine alone, against memcpy of the same pages", bench_pause},
    {"live-pause", "Pause, daemons at work", bench_pause_live},
    {"codec", "Page coding on one core", bench_codec_kinds},
    {"rate", "Epochs per second", bench_rate},
    {"latency", "Added latency of a request", bench_latency},
    {"failover", "Failover, from the kill to the first answer", bench_failover},
    {"load", "Memory and processor time of the daemons", bench_load},
    {"sweep", "Dirty rate to where epochs are missed", bench_sweep},
    {"sync", "First full copy", bench_sync},
};

struct options {
    bool quick;
    const char *out, *only;
};

static void print_help(void)
{
    printf(
        "usage: remus-bench sim [--quick] [--out FILE] [--only NAME]\n"
        "       remus-bench xen [OPTION...]\n"
        "Measures the engine and its daemons: sim with the built-in VM; xen on two emulated Xen\n"
        "hosts, beside xl remus (its options: remus-bench xen --help). See remus-bench(1).\n\n"
        "  --quick      less of everything, within a minute\n"
        "  --out=FILE   write the results to FILE, a line of JSON each\n"
        "  --only=NAME  one measure:");
    for (size_t i = 0; i < ARRAY_LEN(measures); i++)
        printf(" %s", measures[i].name);
    printf("\n"
           "  --help       this text\n"
           "  --version    version\n");
}

static int usage(const char *text)
{
    log_errx("%s; --help lists the options", text);
    return 2;
}

static bool known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(measures); i++) {
        if (strcmp(measures[i].name, name) == 0)
            return true;
    }
    return false;
}

/** 0: run; else the exit status plus one. */
static int parse(int argc, char **argv, struct options *ret)
{
    static const struct option options[] = {
        {"quick", no_argument, NULL, 'q'},      {"out", required_argument, NULL, 'o'},
        {"only", required_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},    {0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'q':
            ret->quick = true;
            break;
        case 'o':
            ret->out = optarg;
            break;
        case 'n':
            ret->only = optarg;
            break;
        case 'h':
            print_help();
            return 1;
        case 'v':
            printf("remus-bench %s\n", REMUS_VERSION);
            return 1;
        default:
            return 1 + usage("bad command line");
        }
    }
    if (optind != argc - 1 || strcmp(argv[optind], "sim") != 0)
        return 1 + usage("name what to measure with: sim or xen");
    if (ret->only && !known(ret->only))
        return 1 + usage("--only: no measure of that name");
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int scratch_make(struct bench *b, struct err *err)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(b->scratch, sizeof(b->scratch), "%.60s/remus-bench.XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(b->scratch) ? 0 : err_errno(err, "", "%.200s", b->scratch);
}

/** Goes on after a measure that failed: the others are worth having. */
static int run_all(struct bench *b, const char *only)
{
    struct err err;
    int failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(measures); i++) {
        const struct measure *m = &measures[i];
        if (only && strcmp(m->name, only) != 0)
            continue;
        printf("\n%s (%s)\n", m->title, m->name);
        if (bench_noise(b, m->name, &err) < 0 || m->run(b, &err) < 0) {
            log_errx("%s: %s%s%s", m->name, err.text, *err.hint ? "; " : "", err.hint);
            failed = 1;
            if (proc_sleep_ms(0) < 0)
                break;
        }
        fflush(stdout);
    }
    return failed;
}

static int run(const struct options *o, struct err *err)
{
    struct bench b = {.quick = o->quick};
    int rc = -1;

    if (scratch_make(&b, err) < 0)
        return -1;
    if (o->out && !(b.out = fopen(o->out, "we")))
        (void)err_errno(err, "", "%.200s", o->out);
    else if (bench_host(&b, err) == 0 && memory_warm(WARM_BYTES, err) == 0)
        rc = run_all(&b, o->only);
    if (b.out && fclose(b.out) != 0)
        rc = err_errno(err, "", "%.200s", o->out);
    if (rc == 0)
        nftw(b.scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    else
        log_warnx("logs are kept in %s", b.scratch);
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct err err = {0};

    log_init("remus-bench", LOG_LEVEL_INFO);
    if (argc > 1 && strcmp(argv[1], "xen") == 0) {
        bench_xen(argv + 1, &err);
        log_errx("%s%s%s", err.text, *err.hint ? "; " : "", err.hint);
        return EXIT_FAILURE;
    }
    int rc = parse(argc, argv, &o);
    if (rc)
        return rc - 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    proc_catch_signals();
    rc = run(&o, &err);
    if (rc < 0)
        log_errx("%s", err.text);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
