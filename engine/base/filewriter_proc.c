/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/filewriter_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"

#define COPY_STEP 262144

struct target {
    const char *path;
    bool replace;
    char partial[PATH_MAX];
    int fd;
};

static const char *const failure = "cannot write %s";

/* What would be refused in the end is refused before the work is done. */
static int check(const struct target *t, struct err *err)
{
    struct stat st;

    if (lstat(t->path, &st))
        return errno == ENOENT ? 0 : err_errno(err, NULL, failure, t->path);
    if (S_ISREG(st.st_mode) && t->replace)
        return 0;
    errno = EEXIST;
    if (S_ISREG(st.st_mode))
        return err_set(err, "name another file, or say --force", "%s exists already", t->path);
    return err_set(err, "name a file that is not there yet", "%s is not an ordinary file", t->path);
}

static int create(struct target *t, struct err *err)
{
    int len = snprintf(t->partial, sizeof(t->partial), "%s.partial-XXXXXX", t->path);

    t->fd = -1;
    errno = ENAMETOOLONG;
    if (len < (int)sizeof(t->partial))
        t->fd = mkostemp(t->partial, O_CLOEXEC);
    return t->fd < 0 ? err_errno(err, NULL, failure, t->path) : 0;
}

/* All of `len` octets; false at the end of the stream. */
static bool receive(int fd, void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = read(fd, (char *)data + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static int given_up(struct err *err)
{
    errno = ECANCELED;
    return err_set(err, NULL, "the file was given up");
}

static int copy(const struct target *t, int from, struct err *err)
{
    static uint8_t data[COPY_STEP];
    uint32_t left;

    for (;;) {
        if (!receive(from, &left, sizeof(left)))
            return given_up(err);
        if (left == FILEWRITER_END)
            return 0;
        while (left) {
            size_t n = left < sizeof(data) ? left : sizeof(data);
            if (!receive(from, data, n))
                return given_up(err);
            if (file_write_all(t->fd, data, n))
                return err_errno(err, NULL, failure, t->path);
            left -= (uint32_t)n;
        }
    }
}

/* Not every file system can rename without replacing; all can link. */
static int give_name(const struct target *t)
{
    if (t->replace)
        return rename(t->partial, t->path);
    if (renameat2(AT_FDCWD, t->partial, AT_FDCWD, t->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    return link(t->partial, t->path) || unlink(t->partial) ? -1 : 0;
}

static int settle(const struct target *t, struct err *err)
{
    char *end = strrchr(t->path, '/');
    char *dir = strndup(t->path, end == t->path ? 1 : (size_t)(end - t->path));
    int rc = -1;

    if (dir && fsync(t->fd) == 0 && give_name(t) == 0 && file_sync_dir(dir) == 0)
        rc = 0;
    else
        (void)err_errno(err, NULL, failure, t->path);
    free(dir);
    return rc;
}

static int write_file(struct target *t, int from, struct err *err)
{
    if (check(t, err) || create(t, err))
        return -1;
    if (copy(t, from, err) == 0 && settle(t, err) == 0)
        return 0;
    unlink(t->partial);
    return -1;
}

_Noreturn void filewriter_proc(int fd, const char *path, bool replace)
{
    struct target t = {.path = path, .replace = replace};
    struct filewriter_report report = {0};

    prctl(PR_SET_NAME, "remus-file");
    setsid(); /* a signal to the daemon's group is not for this one: it ends when its input does */
    signal(SIGTERM, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* "file too large" is an error to tell */
    report.done = write_file(&t, fd, &report.err) == 0;
    ssize_t sent = send(fd, &report, sizeof(report), MSG_NOSIGNAL);
    _exit(sent == (ssize_t)sizeof(report) ? 0 : 1);
}
