/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/hv/sim/sim_impl.h"

static int sim_open(const char *conf, struct hv **ret, struct err *err)
{
    struct sim_hv *sim = calloc(1, sizeof(*sim));

    if (!sim)
        return err_errno(err, "", "sim");
    if (file_mkdirs(conf, 0700) == 0)
        sim->dir_fd = open(conf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    else
        sim->dir_fd = -1;
    if (sim->dir_fd < 0) {
        int saved = errno;
        free(sim);
        errno = saved;
        return err_errno(err, "backend_conf names the directory of the VMs' sockets",
                         "cannot open %.150s", conf);
    }
    sim->hv.ops = &hv_sim_ops;
    *ret = &sim->hv;
    return 0;
}

static void sim_close(struct hv *hv)
{
    struct sim_hv *sim = (struct sim_hv *)hv;

    close(sim->dir_fd);
    free(sim);
}

/*
 * 1: a VM answers behind socket `file` and is no replica. 0: none, or nobody listens there (many
 * sockets may be stale). -1 with errno: somebody is there but did not answer in `timeout_ms`.
 */
static int probe(const struct sim_hv *sim, const char *file, int timeout_ms, struct sim_info *ret)
{
    struct sim_conn *c = malloc(sizeof(*c));
    struct err quiet;
    int found = 0;

    if (!c)
        return -1;
    if (sim_conn_open(c, sim->dir_fd, file) == 0) {
        int r = sim_conn_info(c, timeout_ms, ret, &quiet);
        found = r == 0 ? !ret->replica : errno == ETIMEDOUT ? -1 : 0;
        sim_conn_close(c);
    }
    free(c);
    return found;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), k = strlen(suffix);

    return n > k && strcmp(text + n - k, suffix) == 0;
}

/* How many VMs have this name; *ret is the last of them. -1 with errno. */
static int find_name(const struct sim_hv *sim, const char *name, struct sim_info *ret)
{
    int fd = openat(sim->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while ((entry = readdir(dir))) {
        struct sim_info info;
        if (!has_suffix(entry->d_name, SIM_SUFFIX) || has_suffix(entry->d_name, SIM_REPLICA_SUFFIX))
            continue;
        if (probe(sim, entry->d_name, SIM_FIND_MS, &info) == 1 && strcmp(info.name, name) == 0) {
            *ret = info;
            found++;
        }
    }
    closedir(dir);
    return found;
}

static int sim_find(struct hv *hv, const char *which, struct hv_info *ret, struct err *err)
{
    const struct sim_hv *sim = (struct sim_hv *)hv;
    struct sim_info info;
    char file[SIM_FILE_MAX];
    struct uuid uuid;
    int found;

    if (uuid_parse(which, &uuid) == 0) {
        sim_socket_name(file, sizeof(file), &uuid, SIM_SUFFIX);
        found = probe(sim, file, SIM_ASK_MS, &info);
    } else {
        found = find_name(sim, which, &info);
    }
    if (found < 0)
        return err_errno(err, "is it frozen?", "VM \"%.80s\" cannot be asked", which);
    if (found != 1) {
        errno = found ? EEXIST : ENOENT;
        return err_set(err, found ? "name it by its UUID" : "remus-simvm starts one",
                       found ? "several VMs are called \"%.80s\"" : "there is no VM \"%.80s\"",
                       which);
    }
    *ret = (struct hv_info){
        .uuid = info.uuid, .pages = info.pages, .vcpus = info.vcpus, .running = info.running};
    memcpy(ret->name, info.name, sizeof(ret->name));
    memcpy(ret->net, info.net, sizeof(ret->net));
    memcpy(ret->mac, info.mac, sizeof(ret->mac));
    return 0;
}

/* Nothing is wrong with any of its VMs. */
static int sim_may_protect(struct hv *hv, const struct uuid *uuid, struct err *err)
{
    (void)hv;
    (void)uuid;
    (void)err;
    return 0;
}

const struct hv_ops hv_sim_ops = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .find = sim_find,
    .may_protect = sim_may_protect,
    .attach = sim_attach,
    .suspend_now = sim_suspend_now,
    .unfit = sim_unfit,
    .rested = sim_rested,
    .settled = sim_settled,
    .describe = sim_describe,
    .log_start = sim_log_start,
    .stop = sim_stop,
    .fetch_dirty = sim_fetch_dirty,
    .copy = sim_copy,
    .save_state = sim_save_state,
    .resume = sim_resume,
    .net_take = sim_net_take,
    .net_give = sim_net_give,
    .watch_fd = sim_watch_fd,
    .gone = sim_gone,
    .end = sim_end,
    .destroy = sim_destroy,
    .reap = sim_reap,
    .replica_size = sim_replica_size,
    .replica_create = sim_replica_create,
    .replica_pages = sim_replica_pages,
    .replica_memory = sim_replica_pages, /* without holes */
    .replica_page = sim_replica_page,
    .replica_write = sim_replica_write,
    .replica_set_state = sim_replica_set_state,
    .file_part = sim_file_part,
    .activate = sim_activate,
    .discard = sim_discard,
};
