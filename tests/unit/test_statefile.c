/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/fault.h"
#include "engine/base/statefile.h"

#define U1 "11111111-2222-3333-4444-555555555555"
#define U2 "aaaaaaaa-2222-3333-4444-555555555555"

static char dir[64];
static struct err err;

static int make_dir(void **state)
{
    (void)state;
    unsetenv("REMUS_FAULT");
    snprintf(dir, sizeof(dir), "/tmp/test_state_XXXXXX");
    return fault_init() || !mkdtemp(dir);
}

static size_t entries(bool remove_them)
{
    size_t count = 0;
    DIR *d = opendir(dir);

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' && strchr("./", e->d_name[1] ? e->d_name[1] : '/'))
            continue;
        count++;
        if (remove_them)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return count;
}

static int drop_dir(void **state)
{
    (void)state;
    entries(true);
    return rmdir(dir);
}

static int save(const char *uuid, int generation)
{
    json_t *object = json_pack("{s:s, s:i}", "uuid", uuid, "generation", generation);
    int rc = statefile_save(dir, uuid, object, &err);
    int saved = errno;
    json_decref(object);
    errno = saved;
    return rc;
}

/* The generation in the file, 0 when there is none. */
static int load(const char *uuid)
{
    json_t *object;

    assert_int_equal(statefile_load(dir, uuid, &object, &err), 0);
    int generation = (int)json_integer_value(json_object_get(object, "generation"));
    json_decref(object);
    return generation;
}

static void saves_and_loads(void **state)
{
    (void)state;
    assert_int_equal(load(U1), 0);
    assert_int_equal(save(U1, 3), 0);
    assert_int_equal(load(U1), 3);
    assert_int_equal(save(U1, 4), 0);
    assert_int_equal(load(U1), 4);
    assert_int_equal(load(U2), 0);
    assert_int_equal(entries(false), 1);
}

static void name_is_lower_case_and_private(void **state)
{
    char path[256];
    struct stat st;
    (void)state;

    assert_int_equal(save("AAAAAAAA-2222-3333-4444-555555555555", 1), 0);
    snprintf(path, sizeof(path), "%s/" U2 ".state", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(load(U2), 1);
}

static void only_uuids_name_files(void **state)
{
    json_t *object;
    (void)state;

    assert_int_equal(save("../../etc/passwd", 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(statefile_load(dir, "x", &object, &err), -1);
    assert_int_equal(statefile_remove(dir, "", &err), -1);
    assert_int_equal(entries(false), 0);
}

static void failure_keeps_the_old_content(void **state)
{
    static const struct {
        const char *fault;
        int error;
    } cases[] = {{"state_write:1:fail", ENOSPC}, {"state_rename:1:fail", EIO}};
    (void)state;

    assert_int_equal(save(U1, 3), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setenv("REMUS_FAULT", cases[i].fault, 1);
        assert_int_equal(fault_init(), 0);
        assert_int_equal(save(U1, 4), -1);
        assert_int_equal(errno, cases[i].error);
        assert_non_null(strstr(err.text, U1));
        assert_int_equal(load(U1), 3);
        assert_int_equal(entries(false), 1);
    }
}

static void death_keeps_the_old_content(void **state)
{
    static const char *const points[] = {"state_write", "state_rename"};
    (void)state;

    assert_int_equal(save(U1, 3), 0);
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        setenv("REMUS_FAULT", points[i], 1);
        pid_t pid = fork();
        if (pid == 0)
            _exit(fault_init() || save(U1, 4));
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(load(U1), 3);
    }
    unsetenv("REMUS_FAULT");
    assert_int_equal(fault_init(), 0);
    assert_int_equal(save(U1, 5), 0);
    assert_int_equal(load(U1), 5);
}

static void rewrite(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

/* Any single changed byte and any truncation must be noticed. */
static void damage_is_noticed(void **state)
{
    char path[256], good[512], bad[512];
    json_t *object;
    (void)state;

    assert_int_equal(save(U1, 3), 0);
    snprintf(path, sizeof(path), "%s/" U1 ".state", dir);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, good, sizeof(good));
    close(fd);
    assert_true(len > 17 && len < (ssize_t)sizeof(good));
    for (ssize_t i = 0; i < len; i++) {
        memcpy(bad, good, (size_t)len);
        bad[i] ^= 1;
        rewrite(path, bad, (size_t)len);
        assert_int_equal(statefile_load(dir, U1, &object, &err), -1);
        assert_int_equal(errno, EBADMSG);
        rewrite(path, good, (size_t)i);
        assert_int_equal(statefile_load(dir, U1, &object, &err), -1);
        assert_null(object);
    }
    rewrite(path, good, (size_t)len);
    assert_int_equal(load(U1), 3);
}

static void list_skips_what_is_damaged_or_not_ours(void **state)
{
    char path[256];
    (void)state;

    assert_int_equal(save(U2, 2), 0);
    assert_int_equal(save(U1, 1), 0);
    snprintf(path, sizeof(path), "%s/notes.state", dir);
    rewrite(path, "x", 1);
    snprintf(path, sizeof(path), "%s/bbbbbbbb-2222-3333-4444-555555555555.state", dir);
    rewrite(path, "x", 1);
    json_t *list = statefile_list(dir, &err);
    assert_non_null(list);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "uuid")), U1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "uuid")), U2);
    json_decref(list);
    assert_null(statefile_list("/no/such/dir", &err));
}

static void removes(void **state)
{
    (void)state;
    assert_int_equal(save(U1, 3), 0);
    assert_int_equal(statefile_remove(dir, U1, &err), 0);
    assert_int_equal(load(U1), 0);
    assert_int_equal(statefile_remove(dir, U1, &err), 0);
}

static void dir_check_creates_and_proves(void **state)
{
    char deep[128], file[128];
    struct stat st;
    (void)state;

    snprintf(deep, sizeof(deep), "%s/a/b", dir);
    assert_int_equal(statefile_dir_check(deep, &err), 0);
    assert_int_equal(statefile_dir_check(deep, &err), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rmdir(deep), 0); /* nothing was left in it */
    snprintf(deep, sizeof(deep), "%s/a", dir);
    assert_int_equal(rmdir(deep), 0);

    snprintf(file, sizeof(file), "%s/plain", dir);
    rewrite(file, "", 0);
    assert_int_equal(statefile_dir_check(file, &err), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_non_null(strstr(err.text, file));
    assert_int_equal(statefile_dir_check("/proc/no/such", &err), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
    const struct CMUnitTest tests[] = {
        T(saves_and_loads),
        T(name_is_lower_case_and_private),
        T(only_uuids_name_files),
        T(failure_keeps_the_old_content),
        T(death_keeps_the_old_content),
        T(damage_is_noticed),
        T(list_skips_what_is_damaged_or_not_ours),
        T(removes),
        T(dir_check_creates_and_proves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
