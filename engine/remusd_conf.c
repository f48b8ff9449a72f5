/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/remusd_conf.h"

#define FIELD(f) offsetof(struct remusd_conf, f)

static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};
const char *const remusd_hold_names[] = {"backup", "primary", "none", NULL};
const char *const remusd_suspend_names[] = {"auto", "cooperative", "driver", NULL};

const struct conf_key remusd_conf_keys[] = {
    {"control_socket", CONF_STR, FIELD(control_socket), "/run/remus/remusd.sock", 0, 0, NULL,
     "Unix socket that remusctl talks to"},
    {"state_dir", CONF_STR, FIELD(state_dir), "/var/lib/remus/primary", 0, 0, NULL,
     "where generations and protected VMs are kept, durably"},
    {"backend", CONF_STR, FIELD(backend), "sim", 0, 0, NULL, "hypervisor backend"},
    {"backend_conf", CONF_STR, FIELD(backend_conf), "/run/remus/sim", 0, 0, NULL,
     "for the backend; sim: directory of its VMs' sockets"},
    {"log_level", CONF_CHOICE, FIELD(log_level), "info", 0, 0, level_names, "least level logged"},
    {"epoch_ms", CONF_INT, FIELD(epoch_ms), "25", 1, 10000, NULL,
     "epoch length when protect names none"},
    {"hold", CONF_CHOICE, FIELD(hold), "backup", 0, 0, remusd_hold_names,
     "where output waits for the seal when protect says nothing; none needs --unsafe"},
    {"suspend", CONF_CHOICE, FIELD(suspend), "auto", 0, 0, remusd_suspend_names,
     "how a VM is stopped for an epoch when protect says nothing: auto prefers the guest's driver"},
    {"window_epochs", CONF_INT, FIELD(window_epochs), "4", 1, 64, NULL,
     "most epochs in flight; a full window stretches the epoch"},
    {"staging_mb", CONF_INT, FIELD(staging_mb), "256", 1, 65536, NULL,
     "most memory for one epoch's page copies per VM; beyond it the VM waits stopped while they "
     "are coded"},
    {"delta_cache_mb", CONF_INT, FIELD(delta_cache_mb), "1024", 0, 1048576, NULL,
     "most memory for copies of what the backup holds, per VM; 0: no delta coding"},
    {"held_mb", CONF_INT, FIELD(held_mb), "64", 1, 65536, NULL,
     "most memory for held frames per VM; beyond it frames are dropped"},
    {"link_buffer_kb", CONF_INT, FIELD(link_buffer_kb), "1024", 64, 1048576, NULL,
     "coded bytes queued for the link before coding waits"},
    {"beat_ms", CONF_INT, FIELD(beat_ms), "20", 1, 10000, NULL,
     "a heartbeat is sent when nothing else was for this long"},
    {"detector_floor_ms", CONF_INT, FIELD(detector_floor_ms), "300", 10, 60000, NULL,
     "never suspect the backup earlier"},
    {"detector_ceiling_ms", CONF_INT, FIELD(detector_ceiling_ms), "3000", 10, 60000, NULL,
     "always suspect the backup later than this"},
    {"stop_timeout_ms", CONF_INT, FIELD(stop_timeout_ms), "200", 1, 60000, NULL,
     "longest wait for the guest to stop; then the epoch is missed"},
    {"connect_timeout_ms", CONF_INT, FIELD(connect_timeout_ms), "3000", 1, 60000, NULL,
     "longest wait for a connection, and for a sign of the backup's host before WELCOME"},
    {"welcome_timeout_ms", CONF_INT, FIELD(welcome_timeout_ms), "60000", 1, 3600000, NULL,
     "longest wait for WELCOME: the backup makes room for the VM's memory first"},
    {"reconnect_ms", CONF_INT, FIELD(reconnect_ms), "500", 10, 60000, NULL,
     "pause between attempts to reach the backup again"},
    {"verify_image", CONF_BOOL, FIELD(verify_image), "no", 0, 0, NULL,
     "send a digest of all memory with every epoch and let the backup compare: slow, for proof"},
    {"record_stream", CONF_STR, FIELD(record_stream), "", 0, 0, NULL,
     "append each session's outgoing records to DIR/UUID-GENERATION.stream; empty: do not"},
    {0},
};

int remusd_conf_check(const struct remusd_conf *conf, struct err *err)
{
    if (conf->detector_floor_ms > conf->detector_ceiling_ms)
        return err_set(err, "lower the floor or raise the ceiling",
                       "detector_floor_ms is above detector_ceiling_ms");
    if (conf->beat_ms * 3 > conf->detector_floor_ms)
        return err_set(err, "set beat_ms to at most a third of detector_floor_ms",
                       "beat_ms leaves no room for a lost beat within detector_floor_ms");
    if (conf->stop_timeout_ms >= conf->detector_floor_ms)
        return err_set(err, "set stop_timeout_ms below detector_floor_ms",
                       "waiting for the guest to stop may outlast a lease");
    return 0;
}
