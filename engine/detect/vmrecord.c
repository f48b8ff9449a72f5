/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/detect/vmrecord.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/base/statefile.h"

static const char *const state_names[] = {
    [VM_WANTED] = "wanted",   [VM_PROTECTING] = "protecting", [VM_FENCED] = "fenced",
    [VM_HOLDING] = "holding", [VM_RELEASED] = "released",     [VM_ACTIVATING] = "activating",
    [VM_ACTIVE] = "active",
};

const char *vmrecord_state_name(enum vmrecord_state state)
{
    return state_names[state];
}

static int state_parse(const char *text, enum vmrecord_state *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++) {
        if (strcmp(state_names[i], text) == 0) {
            *ret = (enum vmrecord_state)i;
            return 0;
        }
    }
    return -1;
}

static int decode(json_t *object, struct vmrecord *ret)
{
    const char *uuid, *name, *state, *peer;
    json_int_t generation, epoch_ms;
    int hold, suspend = 0;
    struct vmrecord rec = {0};

    if (json_unpack(object, "{s:s, s:s, s:I, s:s, s:s, s:I, s:i, s?i}", "uuid", &uuid, "name",
                    &name, "generation", &generation, "state", &state, "peer", &peer, "epoch_ms",
                    &epoch_ms, "hold", &hold, "suspend", &suspend) < 0)
        return -1;
    if (uuid_parse(uuid, &rec.uuid) < 0 || state_parse(state, &rec.state) < 0 || generation < 0)
        return -1;
    snprintf(rec.name, sizeof(rec.name), "%s", name);
    snprintf(rec.peer, sizeof(rec.peer), "%s", peer);
    rec.generation = (uint64_t)generation;
    rec.epoch_ms = epoch_ms;
    rec.hold = hold;
    rec.suspend = suspend;
    *ret = rec;
    return 0;
}

int vmrecord_lock(const char *dir, const struct uuid *uuid, struct err *err)
{
    char path[CONF_STR_MAX + 8];
    uint64_t at;

    snprintf(path, sizeof(path), "%s/locks", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, "check state_dir", "%s", path);
    /* One octet of one file per VM, at a place made from its UUID: no file to clean up after. Two
       VMs at the same place (one in 2^62) would only exclude each other. */
    memcpy(&at, uuid->byte + 8, sizeof(at));
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(at >> 2), .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return fd;
    close(fd);
    errno = EBUSY;
    return err_set(err, "it ends by itself, or end it by its pid",
                   "an earlier process of this VM is still there");
}

int vmrecord_load(const char *dir, const struct uuid *uuid, struct vmrecord *ret, bool *ret_found,
                  struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    json_t *object;

    uuid_format(uuid, text);
    if (statefile_load(dir, text, &object, err) < 0)
        return -1;
    *ret_found = object != NULL;
    if (!object) {
        *ret = (struct vmrecord){.uuid = *uuid};
        return 0;
    }
    int rc = decode(object, ret);
    json_decref(object);
    if (rc == 0 && uuid_equal(&ret->uuid, uuid))
        return 0;
    errno = EBADMSG;
    return err_set(err, "restore or remove the file",
                   "%s/%s.state is not a VM record of this version", dir, text);
}

int vmrecord_save(const char *dir, const struct vmrecord *rec, struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&rec->uuid, text);
    if (rec->generation > INT64_MAX) { /* what JSON integers hold */
        errno = ERANGE;
        return err_errno(err, "", "generation of %s", text);
    }
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:s, s:s, s:I, s:i, s:i}", "uuid", text, "name", rec->name, "generation",
        (json_int_t)rec->generation, "state", state_names[rec->state], "peer", rec->peer,
        "epoch_ms", (json_int_t)rec->epoch_ms, "hold", rec->hold, "suspend", rec->suspend);
    if (!object) {
        errno = ENOMEM;
        return err_errno(err, "", "VM record of %s", text);
    }
    int rc = statefile_save(dir, text, object, err);
    json_decref(object);
    return rc;
}

int vmrecord_remove(const char *dir, const struct uuid *uuid, struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(uuid, text);
    return statefile_remove(dir, text, err);
}

int vmrecord_each(const char *dir, void (*each)(const struct vmrecord *rec, void *arg), void *arg,
                  struct err *err)
{
    json_t *all = statefile_list(dir, err);
    if (!all)
        return -1;
    size_t i;
    json_t *object;
    json_array_foreach(all, i, object)
    {
        struct vmrecord rec;
        if (decode(object, &rec) == 0)
            each(&rec, arg);
        else
            log_warnx("%s: a record that this version does not understand is left alone", dir);
    }
    json_decref(all);
    return 0;
}
