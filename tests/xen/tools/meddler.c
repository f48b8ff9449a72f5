/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meddler MODE DOMID [COUNT]: what no tool should do to a guest with a suspend driver.
 *   hangup   COUNT times: asks, and closes the channel at once
 *   storm    COUNT times: asks without waiting for anything; what suspends meanwhile is resumed
 *   leave    asks, awaits, and stays, with the guest suspended, until it is killed
 *   resume   resumes what was left
 *   intrude  COUNT times: resumes the guest as soon as somebody else has it suspended
 *   refused  asks, and awaits an event in place of the suspend
 * Exits with 1 when the guest does not do what it should, 2 for any other trouble.
 */
#include <unistd.h>

#include "tests/xen/tools/suspend_channel.h"

enum { INTRUDE_LOOK_US = 500 };

/* The guest may have been quicker than the closing. */
static void hangup(struct channel *c, long count)
{
    long suspended = 0;

    for (long i = 0; i < count; i++) {
        channel_connect(c);
        ask(c);
        channel_disconnect(c);
        suspended += resume_late(c);
    }
    printf("hangups=%ld suspended=%ld\n", count, suspended);
}

static void storm(struct channel *c, long count)
{
    long suspended = 0;

    channel_connect(c);
    for (long i = 0; i < count; i++) {
        ask(c);
        take_events(c, i % 16 == 0); /* now and then the guest is to have the CPU */
        if (i % 16 == 0 && is_suspended(c)) {
            suspended++;
            resume(c);
        }
    }
    channel_disconnect(c);
    suspended += resume_late(c);
    printf("events=%ld suspended=%ld\n", count, suspended);
}

static void leave(struct channel *c)
{
    channel_connect(c);
    ask(c);
    if (!await(c, LIMIT_MS))
        die(1, "not suspended within %d ms", LIMIT_MS);
    for (;;)
        pause();
}

static void take_up(const struct channel *c)
{
    xc_domain_subscribe_for_suspend(c->xch, c->domid, 0);
    if (!is_suspended(c))
        die(1, "domain %u is not suspended", c->domid);
    resume(c);
}

static void intrude(const struct channel *c, long count)
{
    int64_t end = now_us() + LIMIT_MS * INT64_C(1000);

    for (long done = 0; done < count;) {
        if (is_suspended(c)) {
            resume(c);
            done++;
        }
        if (now_us() > end)
            die(1, "suspended %ld times within %d ms", done, LIMIT_MS);
        usleep(INTRUDE_LOOK_US);
    }
}

static void refused(struct channel *c)
{
    struct pollfd event = {.fd = xenevtchn_fd(c->xce), .events = POLLIN};

    channel_connect(c);
    take_events(c, LOOK_MS); /* a new channel has one of its own */
    ask(c);
    if (poll(&event, 1, LIMIT_MS) != 1 || is_suspended(c))
        die(1, "not refused within %d ms", LIMIT_MS);
    printf("refused=1\n");
    channel_disconnect(c);
}

static void obey(struct channel *c, const char *mode, long count)
{
    if (strcmp(mode, "hangup") == 0)
        hangup(c, count);
    else if (strcmp(mode, "storm") == 0)
        storm(c, count);
    else if (strcmp(mode, "leave") == 0)
        leave(c);
    else if (strcmp(mode, "resume") == 0)
        take_up(c);
    else if (strcmp(mode, "intrude") == 0)
        intrude(c, count);
    else if (strcmp(mode, "refused") == 0)
        refused(c);
    else
        die(2, "no mode %s", mode);
}

int main(int argc, char **argv)
{
    long count = argc > 3 ? atol(argv[3]) : 1;
    struct channel c;

    if (argc < 3 || count < 1)
        die(2, "usage: meddler MODE DOMID [COUNT]");
    channel_init(&c, argv[2], true);
    obey(&c, argv[1], count);
    return 0;
}
