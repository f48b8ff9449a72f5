/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the laboratory's guest answers, IPv4 and IPv6:
 * port 7, TCP and UDP: every byte and datagram comes back;
 * port 8, TCP: each line comes back behind its number in this connection, "1 text", "2 text", ...
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ECHO_PORT = 7, NUMBERED_PORT = 8, BUFFER = 65536 };

static int open_port(int type, uint16_t port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int on = 1, off = 0, sock = socket(AF_INET6, type, 0);

    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (sock < 0 || bind(sock, (struct sockaddr *)&any, sizeof(any)) ||
        (type == SOCK_STREAM && listen(sock, 128))) {
        perror("echod");
        exit(1);
    }
    return sock;
}

static void echo_bytes(int sock)
{
    static char buf[BUFFER];
    ssize_t n;

    while ((n = read(sock, buf, sizeof(buf))) > 0)
        for (ssize_t put = 0, w; put < n; put += w)
            if ((w = write(sock, buf + put, (size_t)(n - put))) <= 0)
                return;
}

static void echo_lines(int sock)
{
    FILE *in = fdopen(sock, "r"), *out = fdopen(dup(sock), "w");
    unsigned long count = 0;
    char *line = NULL;
    size_t size = 0;

    while (in && out && getline(&line, &size, in) > 0)
        if (fprintf(out, "%lu %s", ++count, line) < 0 || fflush(out))
            break;
}

static void echo_datagrams(int sock)
{
    static char buf[BUFFER];

    for (;;) {
        struct sockaddr_in6 from;
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(sock, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

        if (n >= 0)
            sendto(sock, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
    }
}

static void serve(int listener, void (*answer)(int))
{
    for (;;) {
        int on = 1, sock = accept(listener, NULL, NULL);

        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (sock < 0)
            continue;
        setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (fork() == 0) {
            close(listener);
            answer(sock);
            _exit(0);
        }
        close(sock);
    }
}

int main(void)
{
    int bytes = open_port(SOCK_STREAM, ECHO_PORT);
    int lines = open_port(SOCK_STREAM, NUMBERED_PORT);
    int datagrams = open_port(SOCK_DGRAM, ECHO_PORT);

    signal(SIGPIPE, SIG_IGN);
    if (fork() == 0)
        serve(lines, echo_lines);
    if (fork() == 0)
        echo_datagrams(datagrams);
    serve(bytes, echo_bytes);
}
