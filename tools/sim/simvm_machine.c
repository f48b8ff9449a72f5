/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/log.h"

#define PAGES_PER_MB 256u
#define SLICE_NS     (50 * NS_PER_US)
#define NAP_NS       NS_PER_MS /* shortest sleep of a guest that has little to do */

static volatile sig_atomic_t signalled;

static void on_signal(int sig)
{
    signalled = sig;
}

void machine_stop(struct machine *m, struct conn *by)
{
    m->stops += m->running;
    m->running = false;
    m->stopper = by;
}

void machine_resume(struct machine *m)
{
    m->running = true;
    m->stopper = NULL;
}

/* How long the loop may sleep; -1: until something happens. */
static int64_t loop_wait(struct machine *m)
{
    if (!m->running)
        return -1;
    struct mono now = mono_now();
    int64_t wait = guest_wait(&m->guest, now), nic = mono_sub(m->nic_again, now);
    if (nic > 0 && (wait < 0 || nic < wait))
        wait = nic;
    return wait > 0 && wait < NAP_NS ? NAP_NS : wait;
}

struct polled {
    struct pollfd fd[2 + MACHINE_CONNS];
    nfds_t n;
};

static void add_fd(struct polled *p, int fd)
{
    p->fd[p->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void serve(struct machine *m, const struct polled *p)
{
    if (p->fd[0].revents)
        conn_accept(m);
    for (size_t i = 0; i < MACHINE_CONNS; i++) {
        /* A slot may have been filled by conn_accept just now. */
        if (m->conns[i].fd >= 0 && p->fd[2 + i].fd == m->conns[i].fd && p->fd[2 + i].revents)
            conn_ready(m, &m->conns[i]);
    }
    if (m->running && m->nic && p->fd[1].fd == port_fd(m->nic) && p->fd[1].revents)
        nic_ready(m);
}

static void loop_once(struct machine *m, const sigset_t *unblocked)
{
    struct polled p = {.n = 0};
    int64_t wait = loop_wait(m);
    struct timespec ts = {wait / NS_PER_S, wait % NS_PER_S};

    add_fd(&p, m->listen_fd);
    add_fd(&p, nic_fd(m));
    for (size_t i = 0; i < MACHINE_CONNS; i++)
        add_fd(&p, m->conns[i].fd);
    if (ppoll(p.fd, p.n, wait < 0 ? NULL : &ts, unblocked) > 0)
        serve(m, &p);
    if (signalled)
        m->quit = m->shutdown = true;
    if (m->running && !m->quit)
        guest_slice(&m->guest, mono_add(mono_now(), SLICE_NS));
}

static void block_signals(sigset_t *unblocked)
{
    struct sigaction act = {.sa_handler = on_signal};
    sigset_t blocked;

    sigemptyset(unblocked);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static int open_dir(struct machine *m, struct err *err)
{
    /* Sockets and directory are the owner's alone: who can connect can read guest memory. */
    umask(077);
    if (file_mkdirs(m->opts->dir, 0700))
        return err_errno(err, "", "cannot create %.100s", m->opts->dir);
    m->dir_fd = open(m->opts->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (m->dir_fd < 0)
        return err_errno(err, "", "cannot open %.100s", m->opts->dir);
    return 0;
}

/* On failure the process ends: what was opened is left to the kernel. */
static int machine_init(struct machine *m, struct err *err)
{
    const struct sim_vm_conf *conf = &m->conf;

    if (port_spec_check(conf->net, err))
        return -1;
    if (gmem_open(&m->mem, (uint64_t)conf->mem_mb * PAGES_PER_MB))
        return err_errno(err, "lower mem-mb", "cannot make %lld MiB of memory",
                         (long long)conf->mem_mb);
    if (guest_init(&m->guest, &m->mem, conf, err) || open_dir(m, err))
        return -1;
    if (!m->replica && nic_open(m, conf->net, err))
        return -1;
    return machine_listen(m, err);
}

/* A replica tells its creator, a VM whoever started it. */
static int say_ready(struct machine *m, const struct err *why)
{
    if (!m->opts->replica) {
        if (why)
            return 0;
        printf("ready %s\n", m->opts->conf.uuid);
        return fflush(stdout);
    }
    struct sim_msg note = {.op = SIM_NOTE_READY, .rc = why ? errno : 0};
    note.len = why ? (uint32_t)strlen(why->text) : 0;
    return sim_send(m->opts->control_fd, &note, why ? why->text : NULL, NULL, 0);
}

static struct machine *machine_new(const struct simvm_opts *opts, struct err *err)
{
    struct machine *m = calloc(1, sizeof(*m));

    if (!m) {
        err_errno(err, "", "start");
        return NULL;
    }
    m->opts = opts;
    m->conf = opts->conf;
    m->replica = opts->replica;
    for (size_t i = 0; i < MACHINE_CONNS; i++)
        m->conns[i].fd = -1;
    return m;
}

static void machine_free(struct machine *m)
{
    machine_unlink(m);
    for (size_t i = 0; i < MACHINE_CONNS; i++) {
        if (m->conns[i].fd >= 0)
            close(m->conns[i].fd);
    }
    port_close(m->nic);
    close(m->listen_fd);
    close(m->dir_fd);
    gmem_close(&m->mem);
    free(m);
}

int machine_main(const struct simvm_opts *opts)
{
    struct err err = {0};
    sigset_t unblocked;
    struct machine *m = machine_new(opts, &err);

    if (!m)
        return EXIT_FAILURE;
    block_signals(&unblocked);
    if (machine_init(m, &err)) {
        log_errx("%s%s%s", err.text, *err.hint ? "; " : "", err.hint);
        if (say_ready(m, &err))
            log_err("creator not told");
        free(m);
        return EXIT_FAILURE;
    }
    if (opts->replica)
        m->creator = conn_add(m, opts->control_fd);
    else
        machine_resume(m);
    m->quit = say_ready(m, NULL) != 0;
    while (!m->quit)
        loop_once(m, &unblocked);
    if (m->shutdown)
        conn_notify_shutdown(m);
    machine_free(m);
    return EXIT_SUCCESS;
}
