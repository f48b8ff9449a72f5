/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/daemon.h"
#include "engine/base/log.h"
#include "engine/primary.h"
#include "engine/remusd.h"

static int check(const void *conf, struct err *err)
{
    return remusd_conf_check(conf, err);
}

static const struct daemon_kind kind = {
    .name = "remusd",
    .doc = "Protects running VMs: captures their state epoch by epoch and streams it to a backup "
           "host.\v"
           "See remusd(8) and remusd.conf(5).",
    .default_config = "/etc/remus/remusd.conf",
    .keys = remusd_conf_keys,
    .check = check,
};

int main(int argc, char **argv)
{
    struct daemon_args args;
    struct remusd_conf conf;

    daemon_start(&kind, argc, argv, &args, &conf);
    log_init("remusd", (enum log_level)conf.log_level);
    return args.child ? primary_main(args.child, &conf) : remusd_run(&conf, args.config);
}
