/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSD_CONF_H
#define REMUS_REMUSD_CONF_H

#include "engine/base/conf.h"

/** remusd.conf as read; remusd_conf_keys is its table (docs/man/remusd.conf.5). */
struct remusd_conf {
    char control_socket[CONF_STR_MAX];
    char state_dir[CONF_STR_MAX];
    char backend[CONF_STR_MAX];
    char backend_conf[CONF_STR_MAX];
    int log_level;
    int64_t epoch_ms;
    int hold;    /* enum wire_hold */
    int suspend; /* enum hv_suspend */
    int64_t window_epochs;
    int64_t staging_mb;
    int64_t delta_cache_mb;
    int64_t held_mb;
    int64_t link_buffer_kb;
    int64_t beat_ms;
    int64_t detector_floor_ms;
    int64_t detector_ceiling_ms;
    int64_t stop_timeout_ms;
    int64_t connect_timeout_ms;
    int64_t welcome_timeout_ms;
    int64_t reconnect_ms;
    int verify_image;
    char record_stream[CONF_STR_MAX];
};

extern const struct conf_key remusd_conf_keys[];
/** The words for `hold` and `suspend` by value, ended by NULL. */
extern const char *const remusd_hold_names[], *const remusd_suspend_names[];

/** Rules over several keys (floor <= ceiling, ...). */
int remusd_conf_check(const struct remusd_conf *conf, struct err *err) MUST_CHECK;

#endif
