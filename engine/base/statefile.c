/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/fault.h"
#include "engine/base/file.h"
#include "engine/base/uuid.h"

#define SUM_DIGITS     16
#define STATE_FILE_MAX (1024 * 1024)
#define DAMAGED_HINT   "remove the file to start afresh: the VM's generation is then lost"

/* DIR/UUID.state and the name it is written under first. */
struct names {
    char final[PATH_MAX];
    char temporary[PATH_MAX + 8];
};

static int make_names(const char *dir, const char *uuid, struct names *n, struct err *err)
{
    struct uuid parsed;
    char text[UUID_TEXT_LEN + 1];

    if (uuid_parse(uuid, &parsed)) /* nothing else may name a file here */
        return err_errno(err, NULL, "state of \"%.40s\"", uuid);
    uuid_format(&parsed, text);
    if (snprintf(n->final, sizeof(n->final), "%s/%s.state", dir, text) >= (int)sizeof(n->final)) {
        errno = ENAMETOOLONG;
        return err_errno(err, NULL, "state of %s", text);
    }
    snprintf(n->temporary, sizeof(n->temporary), "%s.new", n->final);
    return 0;
}

/* The sum's line, the object's line. The caller's to free; NULL with errno. */
static char *render(const json_t *object, size_t *len)
{
    char *text = NULL;

    char *body = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    if (!body) {
        errno = ENOMEM;
        return NULL;
    }
    uint64_t sum = XXH64(body, strlen(body), 0);
    int printed = asprintf(&text, "%0*" PRIx64 "\n%s\n", SUM_DIGITS, sum, body);
    free(body);
    *len = printed < 0 ? 0 : (size_t)printed;
    return printed < 0 ? NULL : text;
}

/* Written and synced under the temporary name. */
static int write_synced(const char *path, const char *text, size_t len)
{
    int rc = -1;

    if (FAULT(state_write)) {
        errno = ENOSPC;
        return -1;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (file_write_all(fd, text, len) == 0)
        rc = fsync(fd);
    int saved = errno;
    if (close(fd) && rc == 0) {
        saved = errno;
        rc = -1;
    }
    errno = saved;
    return rc;
}

static int move_in_place(const char *dir, const struct names *n)
{
    if (FAULT(state_rename)) {
        errno = EIO;
        return -1;
    }
    if (rename(n->temporary, n->final))
        return -1;
    return file_sync_dir(dir);
}

int statefile_save(const char *dir, const char *uuid, const json_t *object, struct err *err)
{
    struct names n;
    size_t len;

    if (make_names(dir, uuid, &n, err))
        return -1;
    char *text = render(object, &len);
    if (!text)
        return err_errno(err, NULL, "cannot write %s", n.final);
    int rc = write_synced(n.temporary, text, len);
    if (rc == 0)
        rc = move_in_place(dir, &n);
    if (rc) {
        int saved = errno;
        unlink(n.temporary);
        errno = saved;
        err_errno(err, "state_dir must be writable and have room", "cannot write %s", n.final);
    }
    free(text);
    return rc;
}

/* NULL when `text` is not exactly what render() makes. */
static json_t *unrender(const char *text, size_t len)
{
    char sum[SUM_DIGITS + 1];
    size_t head = SUM_DIGITS + 1;

    if (len < head + 1 || text[SUM_DIGITS] != '\n' || text[len - 1] != '\n')
        return NULL;
    const char *body = text + head;
    size_t body_len = len - head - 1;
    snprintf(sum, sizeof(sum), "%0*" PRIx64, SUM_DIGITS, (uint64_t)XXH64(body, body_len, 0));
    if (memcmp(text, sum, SUM_DIGITS) != 0)
        return NULL;
    json_t *object = json_loadb(body, body_len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int statefile_load(const char *dir, const char *uuid, json_t **ret, struct err *err)
{
    struct names n;
    char *text;
    size_t len;

    *ret = NULL;
    if (make_names(dir, uuid, &n, err))
        return -1;
    if (file_read(n.final, STATE_FILE_MAX, &text, &len)) {
        if (errno == ENOENT)
            return 0;
        return err_errno(err, NULL, "cannot read %s", n.final);
    }
    *ret = unrender(text, len);
    free(text);
    if (!*ret) {
        errno = EBADMSG;
        return err_set(err, DAMAGED_HINT, "%s is damaged", n.final);
    }
    return 0;
}

int statefile_remove(const char *dir, const char *uuid, struct err *err)
{
    struct names n;

    if (make_names(dir, uuid, &n, err))
        return -1;
    if (unlink(n.final) && errno != ENOENT)
        return err_errno(err, NULL, "cannot remove %s", n.final);
    if (file_sync_dir(dir))
        return err_errno(err, NULL, "cannot sync %s", dir);
    return 0;
}
