/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/conf.h"

struct demo {
    int64_t count_ms;
    char path[CONF_STR_MAX];
    int flag;
    int mode;
};

static const char *const modes[] = {"slow", "fast", NULL};
static const struct conf_key keys[] = {
    {"count_ms", CONF_INT, offsetof(struct demo, count_ms), "5", -10, 1000, NULL, "a number"},
    {"path", CONF_STR, offsetof(struct demo, path), "/tmp/x", 0, 0, NULL, "a text"},
    {"flag", CONF_BOOL, offsetof(struct demo, flag), "no", 0, 0, NULL, "a switch"},
    {"mode", CONF_CHOICE, offsetof(struct demo, mode), "slow", 0, 0, modes, "a choice"},
    {0},
};

static struct demo demo;
static struct err err;

static int parse_n(const char *text, size_t len)
{
    memset(&err, 0, sizeof(err));
    return conf_parse(keys, "demo.conf", text, len, &demo, &err);
}

static int parse(const char *text)
{
    return parse_n(text, strlen(text));
}

static void defaults_fill_every_field(void **state)
{
    (void)state;
    memset(&demo, 0xa5, sizeof(demo));
    conf_defaults(keys, &demo);
    assert_int_equal(demo.count_ms, 5);
    assert_string_equal(demo.path, "/tmp/x");
    assert_int_equal(demo.flag, 0);
    assert_int_equal(demo.mode, 0);
}

static void empty_text_is_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(""), 0);
    assert_int_equal(demo.count_ms, 5);
    assert_int_equal(parse("\n\n  \n\t\n# all comment = 1\n   # more"), 0);
    assert_int_equal(demo.count_ms, 5);
}

static void reads_every_type(void **state)
{
    (void)state;
    assert_int_equal(parse("count_ms = -10\npath=/a b/c#d\n\tflag\t=\tYES \nmode = Fast\n"), 0);
    assert_int_equal(demo.count_ms, -10);
    assert_string_equal(demo.path, "/a b/c#d");
    assert_int_equal(demo.flag, 1);
    assert_int_equal(demo.mode, 1);
}

static void line_ends_may_be_crlf_or_missing(void **state)
{
    (void)state;
    assert_int_equal(parse("count_ms = 7\r\n\r\npath = /y\r\nflag = on"), 0);
    assert_int_equal(demo.count_ms, 7);
    assert_string_equal(demo.path, "/y");
    assert_int_equal(demo.flag, 1);
}

static void comments_end_values(void **state)
{
    (void)state;
    assert_int_equal(parse("count_ms = 7 # why = not\npath = # nothing\n"), 0);
    assert_int_equal(demo.count_ms, 7);
    assert_string_equal(demo.path, "");
    assert_int_equal(parse("path =\n"), 0);
    assert_string_equal(demo.path, "");
    assert_int_equal(parse("path = a=b\n"), 0);
    assert_string_equal(demo.path, "a=b");
}

static void all_words_for_switches(void **state)
{
    (void)state;
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char text[32];
        snprintf(text, sizeof(text), "flag = %s", words[i]);
        assert_int_equal(parse(text), 0);
        assert_int_equal(demo.flag, (int)(i % 2));
    }
}

static void errors_name_file_line_and_cause(void **state)
{
    static const struct {
        const char *text, *line, *cause;
    } bad[] = {
        {"\nno_such = 1\n", ":2: ", "unknown key"},
        {"= 1", ":1: ", "unknown key"},
        {"count_ms = 1\n\ncount_ms = 1\n", ":3: ", "already set on line 1"},
        {"count_ms", ":1: ", "key = value"},
        {"count_ms 5", ":1: ", "key = value"},
        {"count_ms =", ":1: ", "whole number from -10 to 1000"},
        {"count_ms = 5x", ":1: ", "whole number"},
        {"count_ms = 0x10", ":1: ", "whole number"},
        {"count_ms = 1.5", ":1: ", "whole number"},
        {"count_ms = -", ":1: ", "whole number"},
        {"count_ms = 1001", ":1: ", "whole number"},
        {"count_ms = -11", ":1: ", "whole number"},
        {"count_ms = 99999999999999999999", ":1: ", "whole number"},
        {"flag = maybe", ":1: ", "yes or no"},
        {"flag =", ":1: ", "yes or no"},
        {"mode = quick", ":1: ", "slow, fast"},
        {"path = a\x01z", ":1: ", "control character 0x01"},
        {"path = a\rb\n", ":1: ", "control character 0x0d"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(parse(bad[i].text), -1);
        assert_int_equal(errno, EINVAL);
        assert_ptr_equal(strstr(err.text, "demo.conf"), err.text);
        assert_non_null(strstr(err.text, bad[i].line));
        assert_non_null(strstr(err.text, bad[i].cause));
        assert_int_equal(
            conf_parse(keys, "demo.conf", bad[i].text, strlen(bad[i].text), &demo, NULL), -1);
    }
}

static void nul_bytes_are_refused(void **state)
{
    static const char text[] = "path = /a\0/b\n";
    (void)state;

    assert_int_equal(parse_n(text, sizeof(text) - 1), -1);
    assert_non_null(strstr(err.text, "0x00"));
    assert_int_equal(parse_n("\0", 1), -1);
}

/* `len` bytes of value in the line "path = xxx". */
static int parse_long_path(size_t len)
{
    char *text = malloc(len + 8);
    assert_non_null(text);
    memcpy(text, "path = ", 7);
    memset(text + 7, 'x', len);
    int rc = parse_n(text, len + 7);
    free(text);
    return rc;
}

static void long_values_and_lines_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse_long_path(CONF_STR_MAX - 1), 0);
    assert_int_equal(strlen(demo.path), CONF_STR_MAX - 1);
    assert_int_equal(parse_long_path(CONF_STR_MAX), -1);
    assert_non_null(strstr(err.text, "less than 256 bytes"));
    assert_int_equal(parse_long_path(100000), -1);
    assert_non_null(strstr(err.text, "line has more than"));
}

static void loads_files(void **state)
{
    char name[] = "/tmp/test_conf_XXXXXX";
    static const char text[] = "count_ms = 9\n";
    (void)state;

    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(conf_load(keys, name, &demo, &err), 0);
    assert_int_equal(demo.count_ms, 9);
    assert_int_equal(write(fd, "bad\n", 4), 4);
    assert_int_equal(conf_load(keys, name, &demo, &err), -1);
    assert_ptr_equal(strstr(err.text, name), err.text);
    assert_int_equal(ftruncate(fd, 64 << 20), 0);
    assert_int_equal(conf_load(keys, name, &demo, &err), -1);
    assert_int_equal(errno, EFBIG);
    close(fd);
    unlink(name);
    assert_int_equal(conf_load(keys, name, &demo, &err), -1);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(err.text, name));
    assert_int_equal(conf_load(keys, "/tmp", &demo, &err), -1);
    assert_int_equal(errno, EISDIR);
}

static void prints_what_it_reads_back(void **state)
{
    char *text;
    size_t len;
    struct demo before;
    (void)state;

    assert_int_equal(parse("count_ms = 8\npath = /p q\nflag = on\nmode = fast"), 0);
    before = demo;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    conf_print(keys, &demo, to);
    fclose(to);
    assert_string_equal(text, "# a number\ncount_ms = 8\n# a text\npath = /p q\n"
                              "# a switch\nflag = yes\n# a choice\nmode = fast\n");
    assert_int_equal(parse_n(text, len), 0);
    assert_memory_equal(&before, &demo, sizeof(demo));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(empty_text_is_the_defaults),
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(line_ends_may_be_crlf_or_missing),
        cmocka_unit_test(comments_end_values),
        cmocka_unit_test(all_words_for_switches),
        cmocka_unit_test(errors_name_file_line_and_cause),
        cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(long_values_and_lines_are_refused),
        cmocka_unit_test(loads_files),
        cmocka_unit_test(prints_what_it_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
