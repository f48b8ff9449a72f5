/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/filewriter.h"

/* Pieces looked at in one turn of the event loop. Most have content and one of them is enough;
 * where memory has holes many have none. */
#define PIECES_MAX 64

struct export
{
    struct hv_replica *replica;
    size_t limit;
    export_end_cb on_end;
    void *arg;
    struct filewriter *writer;
    struct bitmap todo;
    size_t cursor; /* no page below it is to do */
    struct export_progress progress;
    void *tail; /* NULL once it is put */
    size_t tail_len;
};

/* One piece in memory of its own: *ret is NULL when it has no octets. */
static int make_part(struct hv_replica *replica, enum hv_file_part part, const uint64_t *pfn,
                     size_t n, void **ret, size_t *ret_len, struct err *err)
{
    void *data = malloc(HV_FILE_MAX);

    *ret = NULL;
    if (!data)
        return err_errno(err, "", "export");
    if (hv_file_part(replica, part, pfn, n, data, HV_FILE_MAX, ret_len, err)) {
        int saved = errno;
        free(data);
        errno = saved;
        return -1;
    }
    if (*ret_len)
        *ret = realloc(data, *ret_len);
    if (!*ret)
        free(data);
    return *ret || !*ret_len ? 0 : err_errno(err, "", "export");
}

static int put(struct export *x, void *data, size_t len, struct err *err)
{
    x->progress.octets += len;
    return filewriter_put(x->writer, data, len) ? err_errno(err, "", "export") : 0;
}

/* True once for each page. */
static bool take(struct export *x, uint64_t pfn)
{
    uint64_t *word = &x->todo.word[pfn / 64], bit = 1ull << (pfn % 64);
    bool there = (*word & bit) != 0;

    *word &= ~bit;
    return there;
}

static int put_pages(struct export *x, const uint64_t *pfn, size_t n, struct err *err)
{
    void *data;
    size_t len;

    if (make_part(x->replica, HV_FILE_MEMORY, pfn, n, &data, &len, err))
        return -1;
    return data ? put(x, data, len, err) : 0;
}

static int put_end(struct export *x, struct err *err)
{
    void *tail = x->tail;

    x->tail = NULL;
    if (put(x, tail, x->tail_len, err))
        return -1;
    return filewriter_finish(x->writer) ? err_errno(err, "", "export") : 0;
}

/* Until there is something to write, or this turn has lasted long enough. */
static int put_some(struct export *x, struct err *err)
{
    uint64_t pfn[HV_FILE_PAGES], before = x->progress.octets;

    for (int i = 0; i < PIECES_MAX && x->progress.octets == before; i++) {
        size_t n = bitmap_list(&x->todo, &x->cursor, pfn, HV_FILE_PAGES);
        if (n == 0)
            return put_end(x, err);
        for (size_t j = 0; j < n; j++)
            (void)take(x, pfn[j]);
        if (put_pages(x, pfn, n, err))
            return -1;
    }
    return 0;
}

static void on_room(void *arg)
{
    struct export *x = arg;
    struct err err;

    if (put_some(x, &err))
        x->on_end(&err, x->arg);
}

static void on_writer_end(const struct err *err, void *arg)
{
    struct export *x = arg;

    x->on_end(err, x->arg);
}

static int start(struct export *x, const struct export_args *args, struct err *err)
{
    static const struct filewriter_ops ops = {.room = on_room, .end = on_writer_end};
    void *head;
    size_t len;

    x->progress.memory = hv_replica_memory(x->replica) * HV_PAGE_SIZE;
    if (bitmap_init(&x->todo, hv_replica_pages(x->replica)))
        return err_errno(err, "", "export");
    bitmap_set_all(&x->todo);
    if (make_part(x->replica, HV_FILE_HEAD, NULL, 0, &head, &len, err))
        return -1;
    if (make_part(x->replica, HV_FILE_TAIL, NULL, 0, &x->tail, &x->tail_len, err) == 0)
        x->writer = filewriter_new(args->base, args->path, args->replace, &ops, x, err);
    if (x->writer)
        return put(x, head, len, err);
    int saved = errno;
    free(head);
    errno = saved;
    return -1;
}

struct export *export_new(const struct export_args *args, struct err *err)
{
    struct export *x = calloc(1, sizeof(*x));

    if (!x) {
        (void)err_errno(err, "", "export");
        return NULL;
    }
    *x = (struct export){
        .replica = args->replica, .limit = args->limit, .on_end = args->on_end, .arg = args->arg};
    if (start(x, args, err) == 0)
        return x;
    int saved = errno;
    export_free(x);
    errno = saved;
    return NULL;
}

static int check_limit(const struct export *x, struct err *err)
{
    size_t queued = filewriter_queued(x->writer);

    if (queued + HV_FILE_PAGES * HV_PAGE_SIZE <= x->limit)
        return 0;
    errno = ENOBUFS;
    return err_set(err, "write to a faster disk, raise export_mb, or export while the VM does less",
                   "the VM changes its memory faster than the file is written: %zu MiB wait",
                   queued >> 20);
}

int export_before_write(struct export *x, const uint64_t *pfn, size_t n, struct err *err)
{
    uint64_t changing[HV_FILE_PAGES];
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (take(x, pfn[i]))
            changing[count++] = pfn[i];
        if (count < HV_FILE_PAGES && i + 1 < n)
            continue;
        if (count && (check_limit(x, err) || put_pages(x, changing, count, err)))
            return -1;
        count = 0;
    }
    return 0;
}

void export_progress(const struct export *x, struct export_progress *ret)
{
    *ret = x->progress;
}

void export_free(struct export *x)
{
    if (!x)
        return;
    filewriter_free(x->writer);
    bitmap_free(&x->todo);
    free(x->tail);
    free(x);
}
