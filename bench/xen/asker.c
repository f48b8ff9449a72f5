/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * asker ADDRESS PORT PER_SECOND: sends datagrams of 200 octets to an echo service, so many a
 * second, whether or not they are answered, until it is ended.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { OCTETS = 200 };

static volatile sig_atomic_t ended;

static void on_term(int number)
{
    (void)number;
    ended = 1;
}

static int open_socket(const char *address, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int sock = socket(AF_INET, SOCK_DGRAM, 0);

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        connect(sock, (struct sockaddr *)&to, sizeof(to)) < 0) {
        perror(address);
        exit(1);
    }
    return sock;
}

int main(int argc, char **argv)
{
    char text[OCTETS];
    struct timespec next;
    unsigned long asked = 0, answered = 0;
    long rate = argc == 4 ? atol(argv[3]) : 0;

    if (rate <= 0)
        return 2;
    int sock = open_socket(argv[1], argv[2]);
    memset(text, 'x', sizeof(text));
    clock_gettime(CLOCK_MONOTONIC, &next);
    signal(SIGTERM, on_term);
    while (!ended) {
        asked += send(sock, text, sizeof(text), 0) > 0;
        while (recv(sock, text, sizeof(text), MSG_DONTWAIT) > 0)
            answered++;
        next.tv_nsec += 1000000000 / rate;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("asked=%lu answered=%lu\n", asked, answered);
}
