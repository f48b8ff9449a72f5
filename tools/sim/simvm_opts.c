/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_opts.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_KEY = 1, OPT_DIR, OPT_REPLICA, OPT_CONTROL, OPT_ASK, OPT_HELP, OPT_VERSION };

static const struct option local_options[] = {
    {"dir", required_argument, NULL, OPT_DIR},
    {"replica", no_argument, NULL, OPT_REPLICA},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"ask", required_argument, NULL, OPT_ASK},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
};

#define OPTIONS_MAX 32

/* One option per key of sim_vm_keys, then the local ones. */
static void build_options(struct option options[OPTIONS_MAX])
{
    size_t n = 0;

    for (const struct conf_key *key = sim_vm_keys; key->name; key++)
        options[n++] = (struct option){key->name, required_argument, NULL, OPT_KEY};
    memcpy(options + n, local_options, sizeof(local_options));
    options[n + ARRAY_LEN(local_options)] = (struct option){0};
}

static void print_help(void)
{
    printf("usage: remus-simvm --dir DIR --uuid UUID [OPTION]...\n"
           "       remus-simvm --dir DIR --uuid UUID --ask REQUEST\n"
           "A virtual machine for tests and measurements, as a process: see remus-simvm(1).\n\n"
           "  --%-17s %s\n",
           "dir=DIR", "where the VM's socket UUID.sock is; created; required");
    for (const struct conf_key *key = sim_vm_keys; key->name; key++) {
        char word[32];
        snprintf(word, sizeof(word), "%s=%s", key->name, key->type == CONF_INT ? "N" : "TEXT");
        printf("  --%-17s %s", word, key->help);
        printf(*key->def ? " (%s)\n" : "\n", key->def);
    }
    printf("  --%-17s %s\n", "ask=REQUEST",
           "info, check, stats, describe, shutdown or destroy: asks the running VM");
    printf("  --%-17s %s\n", "replica", "start paused with zeroed memory, for the backup daemon");
    printf("  --%-17s %s\n", "control=FD", "with --replica: its creator's connection");
    printf("  --%-17s %s\n", "help", "this text");
    printf("  --%-17s %s\n", "version", "version");
}

/* A line of its own for conf_parse. */
static int add_line(FILE *lines, const char *key, const char *value, struct err *err)
{
    errno = EINVAL;
    if (strpbrk(value, "\n#"))
        return err_set(err, "", "--%s must have neither line break nor '#'", key);
    fprintf(lines, "%s = %s\n", key, value);
    return 0;
}

static int parse_control(const char *text, int *ret, struct err *err)
{
    char *end;
    long fd = strtol(text, &end, 10);

    errno = EINVAL;
    if (*end || end == text || fd < 3 || fd > 1024)
        return err_set(err, "", "--control must be a descriptor from 3 to 1024");
    *ret = (int)fd;
    return 0;
}

static enum simvm_opts_result take_options(int argc, char **argv, FILE *lines,
                                           struct simvm_opts *ret, struct err *err)
{
    struct option options[OPTIONS_MAX];
    int c, index, rc = 0;

    build_options(options);
    optind = 1;
    while (!rc && (c = getopt_long(argc, argv, "", options, &index)) != -1) {
        switch (c) {
        case OPT_KEY:
            rc = add_line(lines, options[index].name, optarg, err);
            break;
        case OPT_DIR:
            ret->dir = optarg;
            break;
        case OPT_REPLICA:
            ret->replica = true;
            break;
        case OPT_CONTROL:
            rc = parse_control(optarg, &ret->control_fd, err);
            break;
        case OPT_ASK:
            ret->ask = optarg;
            break;
        case OPT_HELP:
            print_help();
            return SIMVM_OPTS_PRINTED;
        case OPT_VERSION:
            printf("remus-simvm %s\n", REMUS_VERSION);
            return SIMVM_OPTS_PRINTED;
        default:
            rc = err_set(err, "--help lists the options", "bad command line");
        }
    }
    if (!rc && optind < argc)
        rc = err_set(err, "--help lists the options", "unexpected \"%.40s\"", argv[optind]);
    return rc ? SIMVM_OPTS_BAD : SIMVM_OPTS_GOOD;
}

static int check(struct simvm_opts *o, struct err *err)
{
    errno = EINVAL;
    if (!o->dir || !*o->dir)
        return err_set(err, "", "--dir is missing");
    if (uuid_parse(o->conf.uuid, &o->uuid))
        return err_set(err, "", "--uuid is missing or no UUID");
    uuid_format(&o->uuid, o->conf.uuid);
    if (!*o->conf.name)
        strcpy(o->conf.name, o->conf.uuid);
    if (strlen(o->conf.name) >= SIM_NAME_MAX)
        return err_set(err, "", "--name must have less than %d octets", SIM_NAME_MAX);
    if (o->replica != (o->control_fd >= 0))
        return err_set(err, "", "--replica and --control belong together");
    return 0;
}

enum simvm_opts_result simvm_opts_parse(int argc, char **argv, struct simvm_opts *ret,
                                        struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    FILE *lines = open_memstream(&text, &len);

    memset(ret, 0, sizeof(*ret));
    ret->control_fd = -1;
    if (!lines) {
        err_errno(err, "", "command line");
        return SIMVM_OPTS_BAD;
    }
    enum simvm_opts_result rc = take_options(argc, argv, lines, ret, err);
    if (fclose(lines) && rc == SIMVM_OPTS_GOOD) {
        err_errno(err, "", "command line");
        rc = SIMVM_OPTS_BAD;
    }
    if (rc == SIMVM_OPTS_GOOD &&
        (conf_parse(sim_vm_keys, "option", text, len, &ret->conf, err) || check(ret, err)))
        rc = SIMVM_OPTS_BAD;
    free(text);
    return rc;
}
