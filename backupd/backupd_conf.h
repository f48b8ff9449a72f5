/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BACKUPD_CONF_H
#define REMUS_BACKUPD_CONF_H

#include "engine/base/conf.h"

/** backupd.conf as read; backupd_conf_keys is its table (docs/man/backupd.conf.5). */
struct backupd_conf {
    char control_socket[CONF_STR_MAX];
    char state_dir[CONF_STR_MAX];
    char listen[CONF_STR_MAX];
    char backend[CONF_STR_MAX];
    char backend_conf[CONF_STR_MAX];
    char net[CONF_STR_MAX];
    int log_level;
    int64_t max_vms;
    int64_t replica_max_mb;
    int64_t staging_mb;
    int64_t held_mb;
    int64_t export_mb;
    int64_t detector_floor_ms;
    int64_t detector_ceiling_ms;
    int64_t lease_margin_ms;
    char record_stream[CONF_STR_MAX];
};

extern const struct conf_key backupd_conf_keys[];

/** Rules over several keys (floor <= ceiling, the port's form, ...). */
int backupd_conf_check(const struct backupd_conf *conf, struct err *err) MUST_CHECK;

#endif
