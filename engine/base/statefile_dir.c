/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/statefile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/uuid.h"

#define SUFFIX ".state"

/* Copies the UUID of "UUID.state"; any other name is not ours. */
static bool uuid_of_name(const char *name, char text[UUID_TEXT_LEN + 1])
{
    struct uuid parsed;

    if (strlen(name) != UUID_TEXT_LEN + strlen(SUFFIX) || strcmp(name + UUID_TEXT_LEN, SUFFIX) != 0)
        return false;
    memcpy(text, name, UUID_TEXT_LEN);
    text[UUID_TEXT_LEN] = '\0';
    return uuid_parse(text, &parsed) == 0;
}

static int is_state(const struct dirent *entry)
{
    char text[UUID_TEXT_LEN + 1];

    return uuid_of_name(entry->d_name, text);
}

static void add_one(const char *dir, const char *name, json_t *list)
{
    char uuid[UUID_TEXT_LEN + 1];
    json_t *object;
    struct err why;

    if (!uuid_of_name(name, uuid))
        return;
    if (statefile_load(dir, uuid, &object, &why))
        log_errx("%s: skipped", why.text);
    else if (object)
        json_array_append_new(list, object);
}

json_t *statefile_list(const char *dir, struct err *err)
{
    struct dirent **entry;

    int count = scandir(dir, &entry, is_state, alphasort);
    if (count < 0) {
        err_errno(err, NULL, "cannot read %s", dir);
        return NULL;
    }
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        if (list)
            add_one(dir, entry[i]->d_name, list);
        free(entry[i]);
    }
    free(entry);
    if (!list) {
        errno = ENOMEM;
        err_errno(err, NULL, "cannot read %s", dir);
    }
    return list;
}

int statefile_dir_check(const char *dir, struct err *err)
{
    static const char hint[] = "set state_dir to a directory that this user may write to";
    char *probe = NULL;

    if (file_mkdirs(dir, 0700))
        return err_errno(err, hint, "cannot create %s", dir);
    if (asprintf(&probe, "%s/.probe-XXXXXX", dir) < 0)
        return err_errno(err, NULL, "cannot check %s", dir);
    int fd = mkostemp(probe, O_CLOEXEC);
    int rc = fd < 0 ? -1 : 0;
    if (fd >= 0) {
        rc = file_write_all(fd, "\n", 1); /* a full disk lets files be created */
        if (rc == 0)
            rc = fsync(fd);
        int saved = errno;
        unlink(probe);
        close(fd);
        errno = saved;
    }
    if (rc)
        err_errno(err, hint, "cannot write to %s", dir);
    free(probe);
    return rc;
}
