/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMSWITCH_FDB_H
#define REMUS_SIMSWITCH_FDB_H

#include <stddef.h>
#include <stdint.h>

/**
 * Which port a station was last heard on. Bounded: a sender that makes up addresses fills it, and
 * what is not in it is flooded. Entries do not age, they go with their port.
 */
#define FDB_SLOTS 4096u
#define FDB_MAX   (FDB_SLOTS / 4 * 3)

struct fdb {
    struct fdb_entry {
        uint64_t mac; /* as a number; 0: slot unused */
        uint32_t port;
    } slot[FDB_SLOTS];
    size_t count;
};

/** `mac` is heard on `port` (not 0); an older place is forgotten. Group addresses are ignored. */
void fdb_learn(struct fdb *f, const uint8_t mac[6], uint32_t port);

/** The port, or 0: unknown or a group address, so everybody must get it. */
uint32_t fdb_find(const struct fdb *f, const uint8_t mac[6]);

void fdb_forget_port(struct fdb *f, uint32_t port);

#endif
