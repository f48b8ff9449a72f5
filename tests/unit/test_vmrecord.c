/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/fault.h"
#include "engine/base/statefile.h"
#include "engine/detect/vmrecord.h"

static char dir[32];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/remus-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    struct dirent *entry;

    while ((entry = readdir(d)))
        unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    return rmdir(dir);
}

static struct vmrecord sample(uint8_t n)
{
    struct vmrecord rec = {.uuid = {.byte = {n, 7}},
                           .name = "guest",
                           .generation = 40 + n,
                           .state = VM_PROTECTING,
                           .peer = "[2001:db8::1]:7700",
                           .epoch_ms = 25,
                           .hold = 1,
                           .suspend = 2};
    return rec;
}

static void save(const struct vmrecord *rec)
{
    struct err err;
    if (vmrecord_save(dir, rec, &err))
        fail_msg("%s", err.text);
}

static int load(const struct uuid *uuid, struct vmrecord *ret, bool *found)
{
    struct err err = {0};
    int rc = vmrecord_load(dir, uuid, ret, found, &err);
    int saved = errno;
    assert_int_equal(rc == 0, err.text[0] == '\0');
    errno = saved;
    return rc;
}

static void same(const struct vmrecord *a, const struct vmrecord *b)
{
    assert_true(uuid_equal(&a->uuid, &b->uuid));
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->peer, b->peer);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->epoch_ms, b->epoch_ms);
    assert_int_equal(a->hold, b->hold);
}

static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    struct vmrecord rec = sample(1), got;
    bool found = false;

    for (int s = VM_WANTED; s <= VM_ACTIVE; s++) {
        rec.state = (enum vmrecord_state)s;
        rec.generation++;
        save(&rec);
        memset(&got, 0xff, sizeof(got));
        assert_int_equal(load(&rec.uuid, &got, &found), 0);
        assert_true(found);
        same(&got, &rec);
        assert_true(vmrecord_state_name(rec.state)[0] != '\0');
    }
    memset(rec.name, 'n', sizeof(rec.name) - 1);
    memset(rec.peer, 'p', sizeof(rec.peer) - 1);
    rec.generation = INT64_MAX;
    save(&rec);
    assert_int_equal(load(&rec.uuid, &got, &found), 0);
    same(&got, &rec);
}

/* A peer may name any generation there is; what was promised under it must be remembered. */
static void every_generation_is_remembered_or_refused(void **state)
{
    (void)state;
    static const uint64_t generations[] = {0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(generations); i++) {
        struct vmrecord before = sample(3), rec = before, got;
        struct err err;
        bool found;

        save(&before);
        rec.generation = generations[i];
        bool saved = vmrecord_save(dir, &rec, &err) == 0;
        assert_int_equal(load(&rec.uuid, &got, &found), 0);
        assert_true(found);
        assert_int_equal(got.generation, saved ? rec.generation : before.generation);
    }
}

static void missing_record_is_an_empty_one(void **state)
{
    (void)state;
    struct vmrecord rec = sample(1), got;
    struct err err;
    bool found = true;

    memset(&got, 0xff, sizeof(got));
    assert_int_equal(load(&rec.uuid, &got, &found), 0);
    assert_false(found);
    struct vmrecord empty = {.uuid = rec.uuid};
    same(&got, &empty);
    save(&rec);
    assert_int_equal(vmrecord_remove(dir, &rec.uuid, &err), 0);
    assert_int_equal(load(&rec.uuid, &got, &found), 0);
    assert_false(found);
    assert_int_equal(vmrecord_remove(dir, &rec.uuid, &err), 0);
}

static void failed_save_keeps_the_old_record(void **state)
{
    (void)state;
    static const char *const faults[] = {"state_write:1:fail", "state_rename:1:fail"};
    struct vmrecord old = sample(1), rec = old, got;
    bool found;

    save(&old);
    rec.generation++;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct err err = {0};
        setenv("REMUS_FAULT", faults[i], 1);
        assert_int_equal(fault_init(), 0);
        assert_int_equal(vmrecord_save(dir, &rec, &err), -1);
        assert_true(err.text[0] != '\0');
        assert_int_equal(load(&rec.uuid, &got, &found), 0);
        same(&got, &old);
    }
    setenv("REMUS_FAULT", "", 1);
    assert_int_equal(fault_init(), 0);
}

/* ---- records that are not ours ---- */

static void put_object(const struct vmrecord *rec, const char *key, json_t *value)
{
    char uuid[UUID_TEXT_LEN + 1];
    struct err err;
    json_t *object;

    uuid_format(&rec->uuid, uuid);
    save(rec);
    assert_int_equal(statefile_load(dir, uuid, &object, &err), 0);
    if (value)
        json_object_set_new(object, key, value);
    else
        json_object_del(object, key);
    assert_int_equal(statefile_save(dir, uuid, object, &err), 0);
    json_decref(object);
}

static void strange_record_is_refused(void **state)
{
    (void)state;
    struct vmrecord rec = sample(1), got;
    bool found;
    static const char *const keys[] = {"uuid", "name",     "generation", "state",
                                       "peer", "epoch_ms", "hold"};
    struct {
        const char *key;
        json_t *value;
    } bad[] = {{"generation", json_integer(-1)},
               {"generation", json_string("7")},
               {"state", json_string("asleep")},
               {"state", json_integer(1)},
               {"uuid", json_string("x")},
               {"name", json_null()},
               {"uuid", json_string("00000000-0000-0000-0000-000000000001")}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        put_object(&rec, keys[i], NULL);
        assert_int_equal(load(&rec.uuid, &got, &found), -1);
        assert_int_equal(errno, EBADMSG);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_object(&rec, bad[i].key, bad[i].value);
        assert_int_equal(load(&rec.uuid, &got, &found), -1);
        assert_int_equal(errno, EBADMSG);
    }
    put_object(&rec, "later", json_true()); /* a newer version's addition */
    assert_int_equal(load(&rec.uuid, &got, &found), 0);
    same(&got, &rec);
}

static void collect(const struct vmrecord *rec, void *arg)
{
    unsigned *seen = arg;
    struct vmrecord want = sample(rec->uuid.byte[0]);

    same(rec, &want);
    *seen |= 1u << rec->uuid.byte[0];
}

static void every_readable_record_is_listed(void **state)
{
    (void)state;
    struct err err;
    unsigned seen = 0;

    assert_int_equal(vmrecord_each(dir, collect, &seen, &err), 0);
    assert_int_equal(seen, 0);
    for (uint8_t n = 1; n <= 6; n++) {
        struct vmrecord rec = sample(n);
        if (n == 3)
            put_object(&rec, "state", json_string("asleep"));
        else
            save(&rec);
    }
    assert_int_equal(vmrecord_each(dir, collect, &seen, &err), 0);
    assert_int_equal(seen, 0x76); /* 1, 2, 4, 5, 6 */
    assert_int_equal(vmrecord_each("/nowhere/at-all", collect, &seen, &err), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_saved_is_loaded),        TEST(every_generation_is_remembered_or_refused),
        TEST(missing_record_is_an_empty_one), TEST(failed_save_keeps_the_old_record),
        TEST(strange_record_is_refused),      TEST(every_readable_record_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
