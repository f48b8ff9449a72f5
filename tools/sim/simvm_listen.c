/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/sim/simvm_machine.h"

#define FILE_MAX 64

static const char *suffix_of(const struct machine *m)
{
    return m->replica ? SIM_REPLICA_SUFFIX : SIM_SUFFIX;
}

/* 0: nobody listens on `file` (a stale file is removed), else -1 with errno. */
static int clear_way(struct machine *m, const char *file)
{
    int fd = sim_connect(m->dir_fd, file);

    if (fd >= 0) {
        close(fd);
        errno = EEXIST;
        return -1;
    }
    if (errno == ECONNREFUSED)
        return unlinkat(m->dir_fd, file, 0);
    return errno == ENOENT ? 0 : -1;
}

static int bind_file(struct machine *m, const char *file)
{
    struct sockaddr_un addr;

    m->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->listen_fd < 0)
        return -1;
    sim_address(&addr, m->dir_fd, file);
    if (bind(m->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        listen(m->listen_fd, MACHINE_CONNS) == 0)
        return 0;
    int saved = errno;
    close(m->listen_fd);
    m->listen_fd = -1;
    errno = saved;
    return -1;
}

int machine_listen(struct machine *m, struct err *err)
{
    char vm[FILE_MAX], file[FILE_MAX];

    sim_socket_name(vm, sizeof(vm), &m->opts->uuid, SIM_SUFFIX);
    sim_socket_name(file, sizeof(file), &m->opts->uuid, suffix_of(m));
    if (clear_way(m, vm) || clear_way(m, file) || bind_file(m, file)) {
        if (errno == EEXIST)
            return err_set(err, "", "%s is already there in %.100s", m->opts->conf.uuid,
                           m->opts->dir);
        return err_errno(err, "", "cannot listen on %.100s/%s", m->opts->dir, file);
    }
    return 0;
}

int machine_rename(struct machine *m, struct err *err)
{
    char vm[FILE_MAX], file[FILE_MAX];

    sim_socket_name(vm, sizeof(vm), &m->opts->uuid, SIM_SUFFIX);
    sim_socket_name(file, sizeof(file), &m->opts->uuid, SIM_REPLICA_SUFFIX);
    /* linkat fails where rename would take the place of a VM that has just come up. */
    if (clear_way(m, vm) || linkat(m->dir_fd, file, m->dir_fd, vm, 0))
        return err_errno(err, "", "cannot become %.100s/%s", m->opts->dir, vm);
    if (unlinkat(m->dir_fd, file, 0))
        return err_errno(err, "", "cannot remove %.100s/%s", m->opts->dir, file);
    return 0;
}

void machine_unlink(struct machine *m)
{
    char file[FILE_MAX];

    sim_socket_name(file, sizeof(file), &m->opts->uuid, suffix_of(m));
    unlinkat(m->dir_fd, file, 0);
}
