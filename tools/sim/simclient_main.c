/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/log.h"
#include "tools/sim/simclient.h"

int main(int argc, char **argv)
{
    struct client_conf conf;
    enum client_status status;
    struct err err;

    log_init("remus-simclient", LOG_LEVEL_INFO);
    client_parse(argc, argv, &conf);
    json_t *report = client_run(&conf, &status, &err);
    if (!report) {
        log_errx("%s%s%s", err.text, err.hint[0] ? "; " : "", err.hint);
        return CLIENT_ERROR;
    }
    json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    fputc('\n', stdout);
    json_decref(report);
    return (int)status;
}
