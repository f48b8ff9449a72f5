/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_FAKE_XENSTORE_UTIL_H
#define REMUS_TESTS_FAKE_XENSTORE_UTIL_H

#include "tests/unit/fake_xen_util.h"

/** The part of the fake Xen that is xenstore. */

static inline struct fake_node *fake_find(const char *path)
{
    for (size_t i = 0; i < FAKE_NODES; i++) {
        if (strcmp(fake.node[i].path, path) == 0)
            return &fake.node[i];
    }
    return NULL;
}

static inline void fake_tell(const char *path, const char *token)
{
    assert_true(fake.events < sizeof(fake.event) / sizeof(fake.event[0]));
    struct fake_node *e = &fake.event[fake.events++];
    snprintf(e->path, sizeof(e->path), "%s", path);
    snprintf(e->value, sizeof(e->value), "%s", token);
    fake_wake(fake.told);
}

/** Anybody writes, and watches tell; NULL: removes. */
static inline void fake_write(const char *path, const char *value)
{
    struct fake_node *n = fake_find(path);

    if (!n)
        n = fake_find("");
    assert_non_null(n);
    snprintf(n->path, sizeof(n->path), "%s", value ? path : "");
    snprintf(n->value, sizeof(n->value), "%s", value ? value : "");
    for (size_t i = 0; i < sizeof(fake.watch) / sizeof(fake.watch[0]); i++) {
        size_t len = strlen(fake.watch[i].path);
        if (len && strncmp(path, fake.watch[i].path, len) == 0)
            fake_tell(path, fake.watch[i].value);
    }
}

/** A node of the domain's own part. */
static inline void fake_write_own(const char *node, const char *value)
{
    char path[XEN_PATH_MAX];

    snprintf(path, sizeof(path), "/local/domain/%u/%s", FAKE_DOMID, node);
    fake_write(path, value);
}

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return (struct xs_handle *)&fake;
}

void xs_close(struct xs_handle *h)
{
    (void)h;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *len)
{
    struct fake_node *n = fake_find(path);

    (void)h;
    (void)t;
    errno = ENOENT;
    if (!n)
        return NULL;
    *len = (unsigned)strlen(n->value);
    return strdup(n->value);
}

/* What this program writes, once it counts. */
static inline void fake_written(const struct fake_node *n)
{
    fake_write(n->path, n->value);
    if (strstr(n->path, "/control/shutdown") && strcmp(n->value, "suspend") == 0) {
        fake.asked_kernel++;
        if (fake.guest)
            fake.guest();
    }
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
              unsigned len)
{
    struct fake_node n;

    (void)h;
    snprintf(n.path, sizeof(n.path), "%s", path);
    snprintf(n.value, sizeof(n.value), "%.*s", (int)len, (const char *)data);
    if (t == XBT_NULL)
        fake_written(&n);
    else
        fake.pending = n;
    return true;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    (void)h;
    (void)t;
    fake_write(path, NULL);
    return true;
}

/* Children of `path`, in one block as the library gives them. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *num)
{
    size_t len = strlen(path);
    char **list = calloc(1, FAKE_NODES * (sizeof(char *) + 64));
    char *text = (char *)(list + FAKE_NODES);

    (void)h;
    (void)t;
    *num = 0;
    for (size_t i = 0; i < FAKE_NODES; i++) {
        const char *at = fake.node[i].path;
        if (strncmp(at, path, len) != 0 || at[len] != '/')
            continue;
        snprintf(text, 64, "%.*s", (int)strcspn(at + len + 1, "/"), at + len + 1);
        if (*num == 0 || strcmp(list[*num - 1], text) != 0)
            list[(*num)++] = text;
        text += 64;
    }
    return list;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    (void)h;
    fake.pending.path[0] = '\0';
    return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
    (void)h;
    (void)t;
    if (!abort && fake.conflicts) {
        fake.conflicts--;
        errno = EAGAIN;
        return false;
    }
    if (!abort && fake.pending.path[0])
        fake_written(&fake.pending);
    return true;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    size_t i = 0;

    (void)h;
    if (fake.no_watch)
        return false;
    while (fake.watch[i].path[0])
        assert_true(++i < sizeof(fake.watch) / sizeof(fake.watch[0]));
    snprintf(fake.watch[i].path, sizeof(fake.watch[i].path), "%s", path);
    snprintf(fake.watch[i].value, sizeof(fake.watch[i].value), "%s", token);
    fake_tell(path, token); /* the first event only says that the watch is there */
    return true;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    for (size_t i = 0; i < sizeof(fake.watch) / sizeof(fake.watch[0]); i++) {
        if (strcmp(fake.watch[i].path, path) == 0 && strcmp(fake.watch[i].value, token) == 0)
            fake.watch[i].path[0] = '\0';
    }
    return true;
}

int xs_fileno(struct xs_handle *h)
{
    (void)h;
    return fake.told;
}

char **xs_check_watch(struct xs_handle *h)
{
    (void)h;
    fake_calm(fake.told);
    if (fake.events == 0) {
        errno = EAGAIN;
        return NULL;
    }
    struct fake_node *n = malloc(2 * sizeof(char *) + sizeof(*n));
    char **event = (char **)n;
    struct fake_node *copy = (struct fake_node *)(event + 2);
    *copy = fake.event[0];
    event[XS_WATCH_PATH] = copy->path;
    event[XS_WATCH_TOKEN] = copy->value;
    memmove(fake.event, fake.event + 1, --fake.events * sizeof(fake.event[0]));
    return event;
}

#endif
