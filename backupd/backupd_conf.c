/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/backupd_conf.h"

#include "engine/net/port.h"

#define FIELD(f) offsetof(struct backupd_conf, f)

static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};

const struct conf_key backupd_conf_keys[] = {
    {"control_socket", CONF_STR, FIELD(control_socket), "/run/remus/backupd.sock", 0, 0, NULL,
     "Unix socket that remusctl talks to"},
    {"state_dir", CONF_STR, FIELD(state_dir), "/var/lib/remus/backup", 0, 0, NULL,
     "where generations are kept, durably"},
    {"listen", CONF_STR, FIELD(listen), "[::]:7700", 0, 0, NULL,
     "HOST:PORT for primaries; port 0 takes a free one"},
    {"backend", CONF_STR, FIELD(backend), "sim", 0, 0, NULL, "hypervisor backend"},
    {"backend_conf", CONF_STR, FIELD(backend_conf), "/run/remus/sim", 0, 0, NULL,
     "for the backend; sim: directory of its VMs' sockets"},
    {"net", CONF_STR, FIELD(net), "none", 0, 0, NULL,
     "port where guests' frames leave and enter: tap:NAME, packet:NAME, switch:PATH or none; "
     "%d in NAME becomes the VM's number"},
    {"log_level", CONF_CHOICE, FIELD(log_level), "info", 0, 0, level_names, "least level logged"},
    {"max_vms", CONF_INT, FIELD(max_vms), "64", 1, 4096, NULL, "most VMs kept at once"},
    {"replica_max_mb", CONF_INT, FIELD(replica_max_mb), "65536", 1, 16777216, NULL,
     "largest VM accepted, in MiB of memory; holes between its addresses do not count"},
    {"staging_mb", CONF_INT, FIELD(staging_mb), "256", 1, 65536, NULL,
     "most memory for one epoch not yet sealed, per VM; larger epochs arrive in place"},
    {"held_mb", CONF_INT, FIELD(held_mb), "64", 1, 65536, NULL,
     "most memory for held frames per VM; beyond it frames are dropped"},
    {"export_mb", CONF_INT, FIELD(export_mb), "256", 2, 65536, NULL,
     "most memory for an export whose file the disk is behind with, per VM; beyond it the export "
     "fails"},
    {"detector_floor_ms", CONF_INT, FIELD(detector_floor_ms), "300", 10, 60000, NULL,
     "never suspect a primary earlier; also the shortest lease"},
    {"detector_ceiling_ms", CONF_INT, FIELD(detector_ceiling_ms), "3000", 10, 60000, NULL,
     "always suspect a primary later than this; also the longest lease"},
    {"lease_margin_ms", CONF_INT, FIELD(lease_margin_ms), "100", 1, 60000, NULL,
     "added to the longest lease granted before activation"},
    {"record_stream", CONF_STR, FIELD(record_stream), "", 0, 0, NULL,
     "append each session's outgoing records to DIR/UUID-GENERATION.stream; empty: do not"},
    {0},
};

int backupd_conf_check(const struct backupd_conf *conf, struct err *err)
{
    if (conf->detector_floor_ms > conf->detector_ceiling_ms)
        return err_set(err, "lower the floor or raise the ceiling",
                       "detector_floor_ms is above detector_ceiling_ms");
    return port_spec_check(conf->net, err);
}
