/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/log.h"

#define ASK_TIMEOUT_MS 60000 /* a check walks through all of the pattern */

static const struct {
    const char *name;
    enum sim_op op;
} requests[] = {
    {"info", SIM_INFO},         {"check", SIM_CHECK},       {"stats", SIM_STATS},
    {"describe", SIM_DESCRIBE}, {"shutdown", SIM_SHUTDOWN}, {"destroy", SIM_DESTROY},
};

static enum sim_op op_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (strcmp(requests[i].name, name) == 0)
            return requests[i].op;
    }
    return 0;
}

static int connect_vm(const struct simvm_opts *opts)
{
    char file[64];
    int dir_fd = open(opts->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0)
        return -1;
    sim_socket_name(file, sizeof(file), &opts->uuid, SIM_SUFFIX);
    int fd = sim_connect(dir_fd, file), saved = errno;
    close(dir_fd);
    errno = saved;
    return fd;
}

static int await(int fd, struct sim_msg *msg, void *payload)
{
    int fds[SIM_FDS_MAX];
    size_t nfds;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, ASK_TIMEOUT_MS) <= 0)
            return -1;
        int rc = sim_recv(fd, msg, payload, fds, &nfds);
        while (nfds)
            close(fds[--nfds]);
        if (rc == 0)
            errno = ECONNRESET;
        if (rc <= 0)
            return -1;
        if (msg->id)
            return 0;
    }
}

static void print_info(const void *payload)
{
    struct sim_info info;
    char uuid[UUID_TEXT_LEN + 1];

    memcpy(&info, payload, sizeof(info));
    uuid_format(&info.uuid, uuid);
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:b, s:b}", "uuid", uuid, "name", info.name, "pages",
                  (json_int_t)info.pages, "running", info.running, "logging", info.logging);
    json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
    putchar('\n');
}

static int print_reply(const struct sim_msg *msg, const char *payload)
{
    if (msg->rc) {
        log_errx("%.*s: %s", (int)msg->len, payload, strerror(msg->rc));
        return EXIT_FAILURE;
    }
    if (msg->op == SIM_INFO && msg->len == sizeof(struct sim_info))
        print_info(payload);
    else if (msg->len)
        printf("%.*s\n", (int)msg->len, payload);
    return EXIT_SUCCESS;
}

int simvm_ask(const struct simvm_opts *opts)
{
    static char payload[SIM_PAYLOAD_MAX];
    struct sim_msg msg = {.id = 1, .op = op_of(opts->ask)};

    if (!msg.op) {
        log_errx("unknown request \"%s\"; --help lists them", opts->ask);
        return EXIT_FAILURE;
    }
    int fd = connect_vm(opts);
    if (fd < 0) {
        log_err("no VM %s in %s", opts->conf.uuid, opts->dir);
        return EXIT_FAILURE;
    }
    int rc = EXIT_FAILURE;
    if (sim_send(fd, &msg, NULL, NULL, 0) || await(fd, &msg, payload))
        log_err("no answer");
    else
        rc = print_reply(&msg, payload);
    close(fd);
    return rc;
}
