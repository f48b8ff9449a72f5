/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_GUEST_REPORT_H
#define REMUS_GUEST_REPORT_H

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/** A TCP port of the guest, IPv4 and IPv6. Ends the program when it cannot be had. */
static inline int listen_on(uint16_t port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int on = 1, off = 0, sock = socket(AF_INET6, SOCK_STREAM, 0);

    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (sock < 0 || bind(sock, (struct sockaddr *)&any, sizeof(any)) || listen(sock, 16)) {
        perror(program_invocation_short_name);
        exit(1);
    }
    return sock;
}

enum { AT_ONCE = -20, IN_TURN = 0 };

/**
 * The priority of this thread alone. Who asks is not to wait for the CPU behind all that was
 * started to keep it busy: a guest that is stopped again and again has little of it.
 */
static inline void set_priority(int priority)
{
    setpriority(PRIO_PROCESS, 0, priority);
}

/**
 * How the self-checking programs of the guest tell what they found: whoever connects to their TCP
 * port gets one line, KEY=NUMBER ..., and the connection ends.
 */
static inline _Noreturn void serve_reports(uint16_t port, void (*report)(FILE *out, void *),
                                           void *arg)
{
    int listener = listen_on(port);

    signal(SIGPIPE, SIG_IGN);
    set_priority(AT_ONCE);
    for (;;) {
        int sock = accept(listener, NULL, NULL);
        FILE *out = sock < 0 ? NULL : fdopen(sock, "w");

        if (!out)
            continue;
        report(out, arg);
        fclose(out);
    }
}

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
