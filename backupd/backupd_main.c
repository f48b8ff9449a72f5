/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/backupd.h"
#include "backupd/standby.h"
#include "engine/base/daemon.h"
#include "engine/base/log.h"

static int check(const void *conf, struct err *err)
{
    return backupd_conf_check(conf, err);
}

static const struct daemon_kind kind = {
    .name = "backupd",
    .doc = "Stands behind many primaries: keeps their VMs' last sealed epochs, holds their network "
           "output, "
           "and resumes a VM when its primary falls silent.\v"
           "See backupd(8) and backupd.conf(5).",
    .default_config = "/etc/remus/backupd.conf",
    .keys = backupd_conf_keys,
    .check = check,
};

int main(int argc, char **argv)
{
    struct daemon_args args;
    struct backupd_conf conf;

    daemon_start(&kind, argc, argv, &args, &conf);
    log_init("backupd", (enum log_level)conf.log_level);
    return args.child ? standby_main(args.child, &conf) : backupd_run(&conf, args.config);
}
