/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/hv/sim/sim_impl.h"

/* Sealed and of this size: the VM's end cannot make a mapping fault. */
static bool sealed(int fd, uint64_t size)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    return fstat(fd, &st) == 0 && (uint64_t)st.st_size == size && seals >= 0 &&
           (seals & F_SEAL_SHRINK);
}

static int map_both(struct sim_map *m, const int *fds, bool writable)
{
    size_t size = m->pages * HV_PAGE_SIZE;
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mem = mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, fds[0], 0);

    if (mem == MAP_FAILED)
        return -1;
    void *log = mmap(NULL, m->log_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
    if (log == MAP_FAILED) {
        int saved = errno;
        munmap(mem, size);
        errno = saved;
        return -1;
    }
    m->mem = mem;
    m->shared = log;
    m->log = (uint64_t *)((uint8_t *)log + SIM_LOG_OFFSET);
    return 0;
}

static int map_checked(struct sim_map *m, const int *fds, bool writable)
{
    errno = EIO;
    if (!m->pages || m->pages > SIZE_MAX / HV_PAGE_SIZE || !sealed(fds[0], m->pages * HV_PAGE_SIZE))
        return -1;
    m->log_size = SIM_LOG_OFFSET + (m->pages + 63) / 64 * 8;
    if (!sealed(fds[1], m->log_size))
        return -1;
    return map_both(m, fds, writable);
}

int sim_map_open(struct sim_map *m, struct sim_conn *c, bool writable, struct sim_info *ret_info,
                 struct err *err)
{
    struct sim_call call = {.op = SIM_ATTACH, .timeout_ms = SIM_REPLY_MS};
    struct sim_info info;
    int rc = -1;

    if (sim_conn_call(c, &call, err))
        return -1;
    errno = EIO;
    if (call.ret_nfds == 2 && call.ret_len == sizeof(info)) {
        memcpy(&info, c->buf, sizeof(info));
        *m = (struct sim_map){.mem_fd = call.ret_fds[0], .pages = info.pages};
        rc = map_checked(m, call.ret_fds, writable);
    }
    /* The log's descriptor is not needed once mapped; memory's serves reads of holes. */
    for (size_t i = rc ? 0 : 1; i < call.ret_nfds; i++)
        close(call.ret_fds[i]);
    if (rc)
        return err_errno(err, "", "cannot map the VM's memory");
    c->shared = m->shared;
    c->pid = info.pid;
    if (ret_info)
        *ret_info = info;
    return 0;
}

void sim_map_close(struct sim_map *m)
{
    munmap(m->mem, m->pages * HV_PAGE_SIZE);
    munmap(m->shared, m->log_size);
    close(m->mem_fd);
}
