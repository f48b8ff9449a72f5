/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/daemon.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/fault.h"
#include "engine/base/log.h"

enum { OPT_CHECK = 256, OPT_DEFAULTS, OPT_FAULTS, OPT_CHILD };

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "Configuration file", 0},
    {"check-config", OPT_CHECK, NULL, 0, "Read the configuration, print it normalised and exit", 0},
    {"print-defaults", OPT_DEFAULTS, NULL, 0, "Print every key with its default and exit", 0},
    {"list-faults", OPT_FAULTS, NULL, 0, "List the fault points that REMUS_FAULT can arm and exit",
     0},
    {"child", OPT_CHILD, "UUID", OPTION_HIDDEN, NULL, 0},
    {0},
};

struct parse {
    struct daemon_args *args;
    int action;
};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct parse *p = state->input;
    switch (key) {
    case 'c':
        p->args->config = arg;
        return 0;
    case OPT_CHECK:
    case OPT_DEFAULTS:
    case OPT_FAULTS:
        p->action = key;
        return 0;
    case OPT_CHILD:
        p->args->child = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void fail(const struct daemon_kind *kind, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", kind->name, err->text);
    if (err->hint[0])
        fprintf(stderr, "  hint: %s\n", err->hint);
    exit(2);
}

static void load(const struct daemon_kind *kind, const char *path, void *conf)
{
    struct err err;

    if (!path && access(kind->default_config, F_OK) < 0 && errno == ENOENT)
        conf_defaults(kind->keys, conf);
    else if (conf_load(kind->keys, path ? path : kind->default_config, conf, &err) < 0)
        fail(kind, &err);
    if (kind->check(conf, &err) < 0)
        fail(kind, &err);
}

void daemon_start(const struct daemon_kind *kind, int argc, char **argv, struct daemon_args *args,
                  void *conf)
{
    *args = (struct daemon_args){0};
    struct parse parse = {.args = args};
    struct argp argp = {.options = options, .parser = on_option, .doc = kind->doc};

    char version[64];

    snprintf(version, sizeof(version), "%s %s", kind->name, REMUS_VERSION);
    argp_program_version = version;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &parse);
    if (parse.action == OPT_FAULTS) {
        fault_list(stdout);
        exit(0);
    }
    if (parse.action == OPT_DEFAULTS) {
        conf_defaults(kind->keys, conf);
        conf_print(kind->keys, conf, stdout);
        exit(0);
    }
    load(kind, args->config, conf);
    if (parse.action == OPT_CHECK) {
        conf_print(kind->keys, conf, stdout);
        exit(0);
    }
    if (fault_init() < 0)
        exit(2);
}
