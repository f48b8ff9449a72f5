/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Between fork and exec a handler of the parent's event loop would write to the parent's own
 * wake-up descriptor; so signals stay blocked until all handlers are gone.
 */
static void reset_signals(const sigset_t *mask)
{
    struct sigaction sa;

    for (int sig = 1; sig < NSIG; sig++) {
        if (sigaction(sig, NULL, &sa) || sa.sa_handler == SIG_IGN || sa.sa_handler == SIG_DFL)
            continue;
        sa = (struct sigaction){.sa_handler = SIG_DFL};
        sigaction(sig, &sa, NULL);
    }
    sigprocmask(SIG_SETMASK, mask, NULL);
}

static int place_fd(int fd)
{
    if (fd == CHAN_CHILD_FD)
        return fcntl(fd, F_SETFD, 0); /* dup2 onto itself would keep close-on-exec */
    return dup2(fd, CHAN_CHILD_FD);
}

static _Noreturn void become_child(int fd, char *const argv[], const sigset_t *mask)
{
    if (place_fd(fd) >= 0 && close_range(CHAN_CHILD_FD + 1, ~0U, 0) == 0) {
        reset_signals(mask);
        execv("/proc/self/exe", argv);
    }
    _exit(127);
}

pid_t chan_spawn_self(char *const argv[], int *ret_fd)
{
    sigset_t all, before;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -1;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        become_child(pair[1], argv, &before);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(pair[1]);
    if (pid < 0)
        close(pair[0]);
    else
        *ret_fd = pair[0];
    errno = saved;
    return pid;
}
