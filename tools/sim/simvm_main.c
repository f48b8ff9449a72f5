/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "engine/base/log.h"
#include "tools/sim/simvm_ask.h"
#include "tools/sim/simvm_machine.h"

int main(int argc, char **argv)
{
    struct simvm_opts opts;
    struct err err = {0};

    log_init("remus-simvm", LOG_LEVEL_INFO);
    switch (simvm_opts_parse(argc, argv, &opts, &err)) {
    case SIMVM_OPTS_PRINTED:
        return EXIT_SUCCESS;
    case SIMVM_OPTS_BAD:
        log_errx("%s%s%s", err.text, *err.hint ? "; " : "", err.hint);
        return EXIT_FAILURE;
    case SIMVM_OPTS_GOOD:
        break;
    }
    if (opts.ask)
        return simvm_ask(&opts);
    log_context(opts.conf.name);
    return machine_main(&opts);
}
