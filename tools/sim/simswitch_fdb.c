/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simswitch_fdb.h"

#include <stdlib.h>
#include <string.h>

#define SPREAD 0x9e3779b97f4a7c15u /* 2^64 over the golden ratio: neighbouring MACs part */
#define SHIFT  52                  /* leaves the 12 bits of FDB_SLOTS */

static uint64_t number_of(const uint8_t mac[6])
{
    uint64_t n = 0;

    for (int i = 0; i < 6; i++)
        n = n << 8 | mac[i];
    return n;
}

/** Where `mac` is or would go. There is always a free slot, so the walk ends. */
static size_t slot_of(const struct fdb *f, uint64_t mac)
{
    size_t at = (mac * SPREAD) >> SHIFT;

    while (f->slot[at].mac && f->slot[at].mac != mac)
        at = (at + 1) % FDB_SLOTS;
    return at;
}

static void put(struct fdb *f, uint64_t mac, uint32_t port)
{
    struct fdb_entry *e = &f->slot[slot_of(f, mac)];

    if (!e->mac) {
        if (f->count == FDB_MAX)
            return;
        f->count++;
    }
    *e = (struct fdb_entry){mac, port};
}

void fdb_learn(struct fdb *f, const uint8_t mac[6], uint32_t port)
{
    uint64_t number = number_of(mac);

    if (number && !(mac[0] & 1))
        put(f, number, port);
}

uint32_t fdb_find(const struct fdb *f, const uint8_t mac[6])
{
    uint64_t number = number_of(mac);

    if (!number || (mac[0] & 1))
        return 0;
    return f->slot[slot_of(f, number)].port;
}

/* Taking single entries out would break the probe chains of others: what stays is put in anew. */
void fdb_forget_port(struct fdb *f, uint32_t port)
{
    static struct fdb_entry old[FDB_SLOTS];

    memcpy(old, f->slot, sizeof(old));
    memset(f, 0, sizeof(*f));
    for (size_t i = 0; i < FDB_SLOTS; i++)
        if (old[i].mac && old[i].port != port)
            put(f, old[i].mac, old[i].port);
}
