/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs commands for the laboratory: one per TCP connection, each in a session of its own.
 *
 * Frames in both directions: kind (1 byte), length (4 bytes, big endian), that many bytes.
 * To the agent: 'c' the command for /bin/sh -c, first and once; 'i' its input, empty = end of it.
 * From it: 'o' and 'e' its output, 'x' its exit status (4 bytes, 128+N for signal N), last.
 * A connection that ends before the command does ends the command.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 32768, COMMAND_MAX = 131072 };

struct session {
    int sock;
    int in, out, err; /* pipes of the command, -1 once closed */
    int pidfd;
    pid_t pid;
    char input[CHUNK]; /* what the command has not yet read */
    size_t have, done;
};

static bool read_all(int fd, void *buf, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = read(fd, (char *)buf + got, len - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static bool write_all(int fd, const void *buf, size_t len)
{
    for (size_t put = 0; put < len;) {
        ssize_t n = write(fd, (const char *)buf + put, len - put);
        if (n <= 0)
            return false;
        put += (size_t)n;
    }
    return true;
}

static bool send_frame(int sock, char kind, const void *data, uint32_t len)
{
    char head[5] = {kind};
    uint32_t wire = htonl(len);

    memcpy(head + 1, &wire, sizeof(wire));
    return write_all(sock, head, sizeof(head)) && write_all(sock, data, len);
}

static bool read_head(int sock, char *kind, uint32_t *len)
{
    char head[5];

    if (!read_all(sock, head, sizeof(head)))
        return false;
    *kind = head[0];
    memcpy(len, head + 1, sizeof(*len));
    *len = ntohl(*len);
    return true;
}

static void close_pipe(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void become_command(const char *command, int in, int out, int err)
{
    setsid();
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    signal(SIGPIPE, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static bool start(struct session *s, const char *command)
{
    int in[2], out[2], err[2];

    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        return false;
    s->pid = fork();
    if (s->pid == 0)
        become_command(command, in[0], out[1], err[1]);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    s->in = in[1];
    s->out = out[0];
    s->err = err[0];
    fcntl(s->in, F_SETFL, O_NONBLOCK);
    fcntl(s->out, F_SETFL, O_NONBLOCK);
    fcntl(s->err, F_SETFL, O_NONBLOCK);
    s->pidfd = s->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, s->pid, 0);
    return s->pidfd >= 0;
}

/* false: the other side is gone. */
static bool take_output(struct session *s, int *fd, char kind)
{
    char buf[CHUNK];
    ssize_t n = *fd < 0 ? -1 : read(*fd, buf, sizeof(buf));

    if (n > 0)
        return send_frame(s->sock, kind, buf, (uint32_t)n);
    if (n == 0)
        close_pipe(fd);
    return true;
}

static bool take_input(struct session *s)
{
    char kind;
    uint32_t len;

    if (!read_head(s->sock, &kind, &len) || kind != 'i' || len > sizeof(s->input) ||
        !read_all(s->sock, s->input, len))
        return false;
    s->have = len;
    s->done = 0;
    if (len == 0)
        close_pipe(&s->in);
    return true;
}

static void give_input(struct session *s)
{
    ssize_t n = write(s->in, s->input + s->done, s->have - s->done);

    if (n > 0)
        s->done += (size_t)n;
    else if (errno != EAGAIN)
        close_pipe(&s->in);
    if (s->in < 0)
        s->done = s->have;
}

/* What a command wrote before it ended; a background child may keep the pipes open for ever. */
static bool drain(struct session *s, int *fd, char kind)
{
    struct pollfd p = {.fd = *fd, .events = POLLIN};

    while (*fd >= 0 && poll(&p, 1, 0) > 0)
        if (!take_output(s, fd, kind))
            return false;
    return true;
}

static void report_exit(struct session *s)
{
    int status = 0;
    uint32_t code;

    waitpid(s->pid, &status, 0);
    code = htonl((uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
    if (drain(s, &s->out, 'o') && drain(s, &s->err, 'e'))
        send_frame(s->sock, 'x', &code, sizeof(code));
}

/* true: the command ended; false: the other side is gone first. */
static bool relay(struct session *s)
{
    for (;;) {
        bool pending = s->done < s->have;
        struct pollfd p[] = {{.fd = s->pidfd, .events = POLLIN},
                             {.fd = s->out, .events = POLLIN},
                             {.fd = s->err, .events = POLLIN},
                             {.fd = pending ? s->in : -1, .events = POLLOUT},
                             {.fd = s->sock, .events = pending ? POLLRDHUP : POLLIN}};

        if (poll(p, 5, -1) < 0 && errno != EINTR)
            return false;
        if (p[0].revents)
            return true;
        if (p[3].revents)
            give_input(s);
        if ((p[1].revents && !take_output(s, &s->out, 'o')) ||
            (p[2].revents && !take_output(s, &s->err, 'e')))
            return false;
        if ((p[4].revents && pending) || (p[4].revents && !take_input(s)))
            return false;
    }
}

static void serve(int sock)
{
    static char command[COMMAND_MAX + 1];
    static struct session s;
    char kind;
    uint32_t len;

    s.sock = sock;
    if (!read_head(sock, &kind, &len) || kind != 'c' || len > COMMAND_MAX ||
        !read_all(sock, command, len) || !start(&s, command))
        return;
    if (relay(&s))
        report_exit(&s);
    else
        kill(-s.pid, SIGKILL);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (sock < 0 || bind(sock, (struct sockaddr *)&any, sizeof(any)) || listen(sock, 64))
        return -1;
    return sock;
}

int main(int argc, char **argv)
{
    int on = 1, listener = listen_on((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));

    if (listener < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (sock < 0)
            continue;
        setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (fork() == 0) {
            serve(sock);
            _exit(0);
        }
        close(sock);
    }
}
