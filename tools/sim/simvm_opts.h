/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_OPTS_H
#define REMUS_SIMVM_OPTS_H

#include "engine/base/err.h"
#include "engine/hv/sim/sim_proto.h"

/** The command line of remus-simvm. */
struct simvm_opts {
    struct sim_vm_conf conf; /* `name` is never empty */
    struct uuid uuid;
    const char *dir; /* points into argv, as `ask` does */
    const char *ask; /* request to a running VM; NULL: be the VM */
    bool replica;
    int control_fd; /* replica's creator; -1 otherwise */
};

enum simvm_opts_result { SIMVM_OPTS_GOOD, SIMVM_OPTS_PRINTED, SIMVM_OPTS_BAD };

/** PRINTED: --help or --version was answered on stdout. BAD: `err` says why. */
enum simvm_opts_result simvm_opts_parse(int argc, char **argv, struct simvm_opts *ret,
                                        struct err *err) MUST_CHECK;

#endif
