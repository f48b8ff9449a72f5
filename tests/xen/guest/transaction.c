/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transaction PATH: has a transaction open in xenstore, in which it has written a number to PATH.
 * TCP port 15: number=N committed=N again=N (one of the two is 1; again: xenstore said EAGAIN).
 * Whoever connects makes it end the transaction, and begin the next, with the next number.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/xen/guest/report.h"

enum { PORT = 15, BODY_MOST = 4096 };
enum { TRANSACTION_START = 6, TRANSACTION_END = 7, WRITE = 11, ERROR = 16 };

struct message {
    struct {
        uint32_t type, request, transaction, length;
    } head;
    char body[BODY_MOST + 1];
};

static int store;
static const char *path;
static uint32_t transaction;
static unsigned number;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "transaction: %s\n", what);
    exit(1);
}

static void get(void *to, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t n = read(store, (char *)to + got, length - got);
        if (n <= 0)
            give_up("reading");
        got += (size_t)n;
    }
}

/* Text comes back with an end. */
static void ask(struct message *m, uint32_t type, size_t length)
{
    m->head.type = type;
    m->head.transaction = transaction;
    m->head.length = (uint32_t)length;
    length += sizeof(m->head);
    if (write(store, m, length) != (ssize_t)length)
        give_up("writing");
    get(&m->head, sizeof(m->head));
    if (m->head.length > BODY_MOST)
        give_up("an answer that is too long");
    get(m->body, m->head.length);
    m->body[m->head.length] = 0;
}

static void begin(void)
{
    struct message m = {.body = ""};

    transaction = 0;
    ask(&m, TRANSACTION_START, 1);
    if (m.head.type != TRANSACTION_START)
        give_up(m.body);
    transaction = (uint32_t)atoi(m.body);
    number++;
    ask(&m, WRITE, (size_t)snprintf(m.body, BODY_MOST, "%s%c%u", path, 0, number));
    if (m.head.type != WRITE)
        give_up(m.body);
}

static void report(FILE *out, void *unused)
{
    struct message m = {.body = "T"};
    int again;

    (void)unused;
    ask(&m, TRANSACTION_END, 2);
    again = m.head.type == ERROR && strcmp(m.body, "EAGAIN") == 0;
    if (!again && m.head.type != TRANSACTION_END)
        give_up(m.body);
    fprintf(out, "number=%u committed=%d again=%d\n", number, !again, again);
    begin();
}

int main(int argc, char **argv)
{
    store = open("/dev/xen/xenbus", O_RDWR);
    if (argc != 2 || store < 0)
        give_up("usage: transaction PATH, in a guest of Xen");
    path = argv[1];
    begin();
    serve_reports(PORT, report, NULL);
}
