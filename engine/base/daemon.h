/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_DAEMON_H
#define REMUS_DAEMON_H

#include <stdbool.h>

#include "engine/base/conf.h"

/** The command line that both daemons share. */
struct daemon_args {
    const char *config; /* as given; NULL: the default path */
    const char *child;  /* UUID: this process is that VM's child */
};

/** What a daemon is, for its command line and its configuration. */
struct daemon_kind {
    const char *name;
    const char *doc; /* for --help */
    const char *default_config;
    const struct conf_key *keys;
    /** Rules over several keys; `conf` is the struct that `keys` describes. */
    int (*check)(const void *conf, struct err *err);
};

/**
 * Parses the command line and reads the configuration into `conf`. A missing default file means
 * defaults; a missing named one is an error. --help, --version, --check-config, --print-defaults
 * and
 * --list-faults are carried out here and end the process; so does any error (status 2).
 */
void daemon_start(const struct daemon_kind *kind, int argc, char **argv, struct daemon_args *args,
                  void *conf);

#endif
