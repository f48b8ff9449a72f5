/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/hv/sim/sim_impl.h"

/**
 * Pages never written are holes of the VM's memory: reading one through the mapping would fill it,
 * so `written` says which page is there.
 */
struct sim_replica {
    struct hv_replica replica;
    struct sim_conn conn;
    struct sim_map map;
    struct bitmap written;
    void *state;
    size_t state_len;
};

static const uint8_t zero_page[HV_PAGE_SIZE];

static struct sim_replica *sim_of(struct hv_replica *r)
{
    return (struct sim_replica *)r;
}

int sim_reap(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    const struct sim_hv *sim = (struct sim_hv *)hv;
    char file[SIM_FILE_MAX];
    struct sim_info info;
    struct sim_conn *c = malloc(sizeof(*c));
    int rc = 0;

    if (!c)
        return err_errno(err, "", "reap");
    sim_socket_name(file, sizeof(file), uuid, SIM_REPLICA_SUFFIX);
    if (sim_conn_open(c, sim->dir_fd, file)) {
        if (errno != ENOENT && errno != ECONNREFUSED)
            rc = err_errno(err, "", "cannot reach %s", file);
        goto out;
    }
    /* Activated since its socket was looked up: not a replica any more. Hung: still one. */
    if (sim_conn_info(c, SIM_REPLY_MS, &info, err))
        rc = errno == ESRCH ? 0 : sim_conn_destroy(c, err);
    else if (info.replica)
        rc = sim_conn_destroy(c, err);
    int saved = errno;
    sim_conn_close(c);
    errno = saved;
out:
    free(c);
    return rc;
}

static void release(struct sim_replica *s)
{
    bitmap_free(&s->written);
    sim_map_close(&s->map);
    sim_conn_close(&s->conn);
    free(s->state);
    free(s);
}

/* The process is there at the other end of `fd`, which is taken over. */
static struct sim_replica *adopt(int fd, struct err *err)
{
    struct sim_replica *s = calloc(1, sizeof(*s));
    int saved;

    if (!s) {
        err_errno(err, "", "replica");
        close(fd);
        return NULL;
    }
    sim_conn_init(&s->conn, fd);
    if (sim_conn_await_ready(&s->conn, SIM_START_MS, err) ||
        sim_map_open(&s->map, &s->conn, true, NULL, err))
        goto fail;
    if (bitmap_init(&s->written, s->map.pages) == 0)
        return s;
    err_errno(err, "", "replica");
    saved = errno;
    sim_map_close(&s->map);
    errno = saved;
fail:
    saved = errno;
    sim_conn_close(&s->conn);
    free(s);
    errno = saved;
    return NULL;
}

int sim_replica_size(struct hv *hv, const void *desc, size_t len, struct hv_size *ret,
                     struct err *err)
{
    struct sim_vm_conf conf;
    char **options = sim_desc_options(desc, len, &conf, err);

    (void)hv;
    if (!options)
        return -1;
    sim_desc_free(options);
    uint64_t pages = (uint64_t)conf.mem_mb * (1024 * 1024 / HV_PAGE_SIZE);
    *ret = (struct hv_size){pages, pages};
    return 0;
}

int sim_replica_create(struct hv *hv, const void *desc, size_t len, struct hv_replica **ret,
                       struct err *err)
{
    struct sim_vm_conf conf;
    char **options = sim_desc_options(desc, len, &conf, err);

    if (!options)
        return -1;
    int fd = sim_spawn_replica((struct sim_hv *)hv, options, err), saved = errno;
    sim_desc_free(options);
    errno = saved;
    struct sim_replica *s = fd < 0 ? NULL : adopt(fd, err);
    if (!s)
        return -1;
    s->replica.ops = &hv_sim_ops;
    *ret = &s->replica;
    return 0;
}

uint64_t sim_replica_pages(const struct hv_replica *r)
{
    return ((const struct sim_replica *)r)->map.pages;
}

const void *sim_replica_page(struct hv_replica *r, uint64_t pfn)
{
    struct sim_replica *s = sim_of(r);

    if (pfn >= s->map.pages)
        return NULL;
    return bitmap_test(&s->written, pfn) ? s->map.mem + pfn * HV_PAGE_SIZE : zero_page;
}

static void write_page(struct sim_replica *s, uint64_t pfn, const void *page)
{
    if (!bitmap_test(&s->written, pfn)) {
        if (memcmp(page, zero_page, HV_PAGE_SIZE) == 0)
            return;
        bitmap_set(&s->written, pfn);
    }
    memcpy(s->map.mem + pfn * HV_PAGE_SIZE, page, HV_PAGE_SIZE);
}

int sim_replica_write(struct hv_replica *r, const uint64_t *pfn, const void *const *page, size_t n,
                      struct err *err)
{
    struct sim_replica *s = sim_of(r);

    (void)err;
    for (size_t i = 0; i < n; i++)
        write_page(s, pfn[i], page[i]);
    return 0;
}

int sim_replica_set_state(struct hv_replica *r, const void *state, size_t len, struct err *err)
{
    struct sim_replica *s = sim_of(r);

    if (len > SIM_PAYLOAD_MAX) {
        errno = EINVAL;
        return err_set(err, "", "state of %zu octets is no state of a sim VM", len);
    }
    void *copy = realloc(s->state, len);
    if (!copy)
        return err_errno(err, "", "state");
    memcpy(copy, state, len);
    s->state = copy;
    s->state_len = len;
    return 0;
}

int sim_file_part(struct hv_replica *r, enum hv_file_part part, const uint64_t *pfn, size_t n,
                  void *buf, size_t cap, size_t *ret_len, struct err *err)
{
    (void)r;
    (void)part;
    (void)pfn;
    (void)n;
    (void)buf;
    (void)cap;
    *ret_len = 0;
    errno = EOPNOTSUPP;
    return err_set(err, "VMs of the backend xen can be exported",
                   "a VM of the backend sim cannot be started from a file");
}

int sim_activate(struct hv_replica *r, const char *net, struct err *err)
{
    struct sim_replica *s = sim_of(r);
    struct sim_call load = {
        .op = SIM_SET_STATE, .payload = s->state, .len = s->state_len, .timeout_ms = SIM_REPLY_MS};
    struct sim_call run = {.op = SIM_ACTIVATE,
                           .payload = net,
                           .len = net ? strlen(net) : 0,
                           .timeout_ms = SIM_REPLY_MS};

    if (sim_conn_call(&s->conn, &load, err))
        return -1;
    if (sim_conn_call(&s->conn, &run, err)) {
        /* It may be running by now: only its end settles that. */
        if (errno == ETIMEDOUT && sim_conn_destroy(&s->conn, err) == 0)
            errno = ESRCH;
        return -1;
    }
    release(s);
    return 0;
}

void sim_discard(struct hv_replica *r)
{
    struct err err;
    int saved = errno;

    /* If even that fails it exits when it finds its creator gone. */
    if (sim_conn_destroy(&sim_of(r)->conn, &err))
        errno = saved;
    release(sim_of(r));
}
