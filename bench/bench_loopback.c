/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_loopback.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench_memory.h"
#include "engine/base/file.h"
#include "engine/base/mono.h"

#define CHUNK ((size_t)256 << 10)

static int listen_somewhere(struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)addr, len) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)addr, &len) < 0)
        return -1;
    return fd;
}

/** The other process: reads all and says so by one octet. */
static _Noreturn void reader(int listener, uint8_t *buf)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = accept(listener, NULL, NULL);

    while (fd >= 0 && read(fd, buf, CHUNK) > 0)
        ;
    _exit(fd >= 0 && write(fd, "", 1) == 1 ? 0 : 1);
}

static bool send_all(const struct sockaddr_in *addr, const uint8_t *buf, size_t octets)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t done;
    bool good = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

    for (size_t sent = 0; good && sent < octets; sent += CHUNK)
        good = file_write_all(fd, buf, CHUNK) == 0;
    good = good && shutdown(fd, SHUT_WR) == 0 && read(fd, &done, 1) == 1;
    if (fd >= 0)
        close(fd);
    return good;
}

static int run(int listener, const struct sockaddr_in *addr, uint8_t *buf, size_t octets,
               double *ret, struct err *err)
{
    pid_t pid = fork();

    if (pid < 0)
        return err_errno(err, "", "fork");
    if (pid == 0)
        reader(listener, buf);
    struct mono start = mono_now();
    int rc = send_all(addr, buf, octets) ? 0 : err_errno(err, "", "loopback");
    *ret = (double)octets / 1e6 / ((double)mono_sub(mono_now(), start) / NS_PER_S);
    if (rc < 0)
        kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return rc;
}

int loopback_rate(size_t octets, double *ret, struct err *err)
{
    struct sockaddr_in addr;
    uint8_t *buf = memory_new(CHUNK, err);
    int listener = listen_somewhere(&addr), rc = -1;

    if (listener < 0)
        (void)err_errno(err, "", "loopback");
    else if (buf)
        rc = run(listener, &addr, buf, octets, ret, err);
    memory_unmap(buf, CHUNK);
    if (listener >= 0)
        close(listener);
    return rc;
}
