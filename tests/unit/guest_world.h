/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TEST_GUEST_WORLD_H
#define REMUS_TEST_GUEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tools/sim/simvm_guest.h"

/** A guest program and its memory inside of the test's process: cmocka fixtures. */
#define PAGES 4096

struct world {
    struct gmem mem;
    struct guest guest;
    uint8_t frame[2048];
};

static inline void configure(struct sim_vm_conf *conf)
{
    conf_defaults(sim_vm_keys, conf);
    strcpy(conf->uuid, "00112233-4455-6677-8899-aabbccddeeff");
    strcpy(conf->mac, "02:00:00:00:00:aa");
    strcpy(conf->ip, "10.1.2.3");
    strcpy(conf->ip6, "fd00::3");
    conf->mem_mb = 16;
    conf->pattern_mb = 1;
    conf->dirty_rate = 1;
    conf->dirty_span_mb = 1;
}

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct sim_vm_conf conf;
    struct err err;

    configure(&conf);
    assert_int_equal(gmem_open(&w->mem, PAGES), 0);
    assert_int_equal(guest_init(&w->guest, &w->mem, &conf, &err), 0);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;

    gmem_close(&w->mem);
    free(w);
    return 0;
}

#endif
