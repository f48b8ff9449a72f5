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
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/filewriter.h"

#define PIECE 300000u

/* A file of `pieces` pieces, each full of its number, put whenever there is room. */
struct job {
    struct event_base *base;
    struct filewriter *w;
    char dir[64], path[96];
    unsigned put, pieces, ended;
    bool done;
    struct err err;
};

static void on_room(void *arg)
{
    struct job *j = arg;

    if (j->put == j->pieces) {
        assert_int_equal(filewriter_finish(j->w), 0);
        return;
    }
    uint8_t *data = malloc(PIECE);
    assert_non_null(data);
    memset(data, (int)j->put++, PIECE);
    assert_int_equal(filewriter_put(j->w, data, PIECE), 0);
}

static void on_end(const struct err *err, void *arg)
{
    struct job *j = arg;

    j->ended++;
    j->done = !err;
    if (err)
        j->err = *err;
    filewriter_free(j->w);
    j->w = NULL;
}

static void begin(struct job *j, unsigned pieces, bool replace)
{
    static const struct filewriter_ops ops = {.room = on_room, .end = on_end};
    struct err err;

    j->put = j->ended = 0;
    j->pieces = pieces;
    j->w = filewriter_new(j->base, j->path, replace, &ops, j, &err);
    assert_non_null(j->w);
}

static void write_it(struct job *j, unsigned pieces, bool replace)
{
    begin(j, pieces, replace);
    while (!j->ended)
        event_base_loop(j->base, EVLOOP_ONCE);
    assert_int_equal(j->ended, 1);
}

static int entries(const struct job *j)
{
    DIR *d = opendir(j->dir);
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void expect_whole(const struct job *j, unsigned pieces)
{
    char *text;
    size_t len;

    assert_int_equal(file_read(j->path, 100u * PIECE, &text, &len), 0);
    assert_int_equal(len, (size_t)pieces * PIECE);
    for (size_t i = 0; i < len; i += 1000)
        assert_int_equal((uint8_t)text[i], i / PIECE);
    free(text);
    assert_int_equal(entries(j), 1);
}

static void complete_file_gets_its_name(void **state)
{
    struct job *j = *state;
    struct stat st;

    begin(j, 20, false);
    while (j->put < 10)
        event_base_loop(j->base, EVLOOP_ONCE);
    assert_int_equal(access(j->path, F_OK), -1);
    assert_int_equal(entries(j), 1); /* under another name */
    while (!j->ended)
        event_base_loop(j->base, EVLOOP_ONCE);
    assert_true(j->done);
    expect_whole(j, 20);
    assert_int_equal(stat(j->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void file_that_is_there_is_replaced_only_on_demand(void **state)
{
    struct job *j = *state;

    write_it(j, 2, false);
    assert_true(j->done);
    write_it(j, 3, false);
    assert_false(j->done);
    assert_non_null(strstr(j->err.text, "exists already"));
    expect_whole(j, 2);
    write_it(j, 3, true);
    assert_true(j->done);
    expect_whole(j, 3);
}

static void what_is_no_file_is_never_replaced(void **state)
{
    struct job *j = *state;

    assert_int_equal(mkdir(j->path, 0700), 0);
    write_it(j, 1, true);
    assert_false(j->done);
    assert_non_null(strstr(j->err.text, "not an ordinary file"));
    assert_int_equal(rmdir(j->path), 0);
    assert_int_equal(symlink("/dev/null", j->path), 0);
    write_it(j, 1, true);
    assert_false(j->done);
    assert_int_equal(entries(j), 1);
}

static void missing_directory_is_told(void **state)
{
    struct job *j = *state;

    strcat(j->path, "/no/such");
    write_it(j, 1, false);
    assert_false(j->done);
    assert_non_null(strstr(j->err.text, "No such file or directory"));
}

static void full_disk_leaves_nothing(void **state)
{
    struct job *j = *state;
    struct rlimit before, small;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = PIECE / 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    begin(j, 50, false); /* far more than can be on its way */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    while (!j->ended)
        event_base_loop(j->base, EVLOOP_ONCE);
    assert_false(j->done);
    assert_non_null(strstr(j->err.text, "File too large"));
    assert_int_equal(entries(j), 0);
}

static void given_up_file_goes_away(void **state)
{
    struct job *j = *state;

    begin(j, 20, false);
    while (j->put < 10 || entries(j) == 0)
        event_base_loop(j->base, EVLOOP_ONCE);
    filewriter_free(j->w);
    assert_int_equal(j->ended, 0);
    while (entries(j) > 0) /* nobody waits for that but this test */
        usleep(1000);
}

static int set_up(void **state)
{
    struct job *j = calloc(1, sizeof(*j));

    assert_non_null(j);
    *state = j;
    snprintf(j->dir, sizeof(j->dir), "/tmp/test_filewriter_XXXXXX");
    assert_non_null(mkdtemp(j->dir));
    snprintf(j->path, sizeof(j->path), "%s/file", j->dir);
    j->base = event_base_new();
    return j->base ? 0 : -1;
}

static int tear_down(void **state)
{
    struct job *j = *state;

    unlink(j->path);
    int rc = rmdir(j->dir);
    event_base_free(j->base);
    free(j);
    return rc;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(complete_file_gets_its_name),       T(file_that_is_there_is_replaced_only_on_demand),
        T(what_is_no_file_is_never_replaced), T(missing_directory_is_told),
        T(full_disk_leaves_nothing),          T(given_up_file_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
