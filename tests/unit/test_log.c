/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/err.h"
#include "engine/base/log.h"

static int saved_stderr;
static int pipe_end[2];
static char said[8192];

/* From here to heard(), stderr goes into a pipe. */
static int listen_in(void **state)
{
    (void)state;
    log_context(NULL);
    log_init("prog", LOG_LEVEL_INFO);
    saved_stderr = dup(STDERR_FILENO);
    if (pipe(pipe_end))
        return -1;
    return dup2(pipe_end[1], STDERR_FILENO) < 0;
}

static const char *heard(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_end[1]);
    ssize_t got = read(pipe_end[0], said, sizeof(said) - 1);
    close(pipe_end[0]);
    said[got > 0 ? got : 0] = '\0';
    return said;
}

static void line_has_prog_and_level(void **state)
{
    (void)state;
    log_info("n=%d", 7);
    log_warnx("careful");
    assert_string_equal(heard(), "prog: info: n=7\nprog: warn: careful\n");
}

static void context_is_added_and_removed(void **state)
{
    (void)state;
    log_context("vm1");
    log_errx("a");
    log_context(NULL);
    log_errx("b");
    assert_string_equal(heard(), "prog[vm1]: error: a\nprog: error: b\n");
}

static void errno_is_told_and_kept(void **state)
{
    (void)state;
    errno = ENOSPC;
    log_err("write");
    log_warn("again");
    log_debug("unseen");
    int after = errno;
    assert_string_equal(heard(), "prog: error: write: No space left on device\n"
                                 "prog: warn: again: No space left on device\n");
    assert_int_equal(after, ENOSPC);
}

static void level_filters(void **state)
{
    (void)state;
    log_init("prog", LOG_LEVEL_ERROR);
    log_warnx("no");
    log_info("no");
    log_init("prog", LOG_LEVEL_DEBUG);
    log_debug("yes");
    assert_string_equal(heard(), "prog: debug: yes\n");
}

static void foreign_text_cannot_forge_lines(void **state)
{
    (void)state;
    log_info("%s", "a\nprog: error: fake\r\x1b[2J\x7f");
    assert_string_equal(heard(), "prog: info: a prog: error: fake  [2J \n");
}

static void long_text_is_cut_to_one_line(void **state)
{
    char text[5000];
    (void)state;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    errno = EIO;
    log_err("%s", text);
    const char *line = heard();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_true(strlen(line) <= 1024);
}

static void err_is_filled(void **state)
{
    struct err e;
    (void)state;

    errno = EAGAIN;
    assert_int_equal(err_set(&e, "do that", "no %s", "way"), -1);
    assert_string_equal(e.text, "no way");
    assert_string_equal(e.hint, "do that");
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(err_set(&e, NULL, "x"), -1);
    assert_string_equal(e.hint, "");
    assert_int_equal(err_set(NULL, NULL, "nobody %d", 1), -1);
    assert_int_equal(err_errno(NULL, NULL, "nobody"), -1);
}

static void err_has_the_reason(void **state)
{
    struct err e;
    (void)state;

    errno = ENOENT;
    assert_int_equal(err_errno(&e, NULL, "open %s", "f"), -1);
    assert_string_equal(e.text, "open f: No such file or directory");
    assert_int_equal(errno, ENOENT);
}

static void err_may_quote_itself(void **state)
{
    struct err e;
    (void)state;

    err_set(&e, "hint\nhint", "inner\ttext");
    err_set(&e, e.hint, "outer: %s", e.text);
    assert_string_equal(e.text, "outer: inner text");
    assert_string_equal(e.hint, "hint hint");
}

static void err_becomes_one_line(void **state)
{
    struct err e;
    (void)state;

    errno = EAGAIN;
    (void)err_set(&e, "do that", "no way");
    assert_string_equal(err_line(&e), "no way; do that");
    assert_string_equal(e.hint, "");
    assert_string_equal(err_line(&e), "no way; do that");
    assert_int_equal(errno, EAGAIN);
}

static void err_is_cut(void **state)
{
    struct err e;
    char text[1000];
    (void)state;

    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    errno = ENOENT;
    assert_int_equal(err_errno(&e, text, "%s", text), -1);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_int_equal(strlen(e.hint), ERR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(line_has_prog_and_level, listen_in),
        cmocka_unit_test_setup(context_is_added_and_removed, listen_in),
        cmocka_unit_test_setup(errno_is_told_and_kept, listen_in),
        cmocka_unit_test_setup(level_filters, listen_in),
        cmocka_unit_test_setup(foreign_text_cannot_forge_lines, listen_in),
        cmocka_unit_test_setup(long_text_is_cut_to_one_line, listen_in),
        cmocka_unit_test(err_is_filled),
        cmocka_unit_test(err_has_the_reason),
        cmocka_unit_test(err_may_quote_itself),
        cmocka_unit_test(err_becomes_one_line),
        cmocka_unit_test(err_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
