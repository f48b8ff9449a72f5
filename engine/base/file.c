/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_up_to(int fd, char *buf, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t got = read(fd, buf + len, cap - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

static void close_keeping_errno(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
}

int file_read(const char *path, size_t max, char **ret, size_t *len)
{
    ssize_t got = -1;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    char *text = malloc(max + 2); /* one byte to notice more, one for the NUL */
    if (text)
        got = read_up_to(fd, text, max + 1);
    close_keeping_errno(fd);
    if (got >= 0 && (size_t)got > max) {
        errno = EFBIG;
        got = -1;
    }
    if (got < 0) {
        free(text);
        return -1;
    }
    text[got] = '\0';
    *ret = text;
    *len = (size_t)got;
    return 0;
}

int file_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        at += put;
        len -= (size_t)put;
    }
    return 0;
}

int file_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close_keeping_errno(fd);
    return rc;
}

static int sync_above(const char *path)
{
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (!slash)
        return file_sync_dir(".");
    if (slash == path)
        return file_sync_dir("/");
    snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
    return file_sync_dir(above);
}

static int make_one(const char *path, mode_t mode)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return sync_above(path);
    if (errno != EEXIST || stat(path, &st))
        return -1;
    if (S_ISDIR(st.st_mode))
        return 0;
    errno = ENOTDIR;
    return -1;
}

int file_mkdirs(const char *path, mode_t mode)
{
    char copy[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(copy)) {
        errno = len ? ENAMETOOLONG : ENOENT;
        return -1;
    }
    memcpy(copy, path, len + 1);
    for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (make_one(copy, mode))
            return -1;
        *slash = '/';
    }
    return make_one(copy, mode);
}

int file_mkdirs_above(const char *path, mode_t mode)
{
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (len == 0)
        return 0; /* the working directory, or the root */
    if (len >= sizeof(above)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(above, path, len);
    above[len] = '\0';
    return file_mkdirs(above, mode);
}
