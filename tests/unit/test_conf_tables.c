/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backupd/backupd_conf.h"
#include "engine/remusd_conf.h"

union any_conf {
    struct remusd_conf remusd;
    struct backupd_conf backupd;
};

struct table {
    const char *name;
    const struct conf_key *keys;
    size_t size;
};

static const struct table tables[] = {
    {"remusd.conf", remusd_conf_keys, sizeof(struct remusd_conf)},
    {"backupd.conf", backupd_conf_keys, sizeof(struct backupd_conf)},
};

static size_t field_size(const struct conf_key *key)
{
    if (key->type == CONF_INT)
        return sizeof(int64_t);
    return key->type == CONF_STR ? CONF_STR_MAX : sizeof(int);
}

static void parse(const struct table *t, const char *text, size_t len, union any_conf *out)
{
    struct err err = {0};

    memset(out, 0, sizeof(*out));
    if (conf_parse(t->keys, t->name, text, len, out, &err))
        fail_msg("%s", err.text);
}

static void keys_are_sound(const struct table *t)
{
    for (const struct conf_key *k = t->keys; k->name; k++) {
        assert_non_null(k->def);
        assert_true(k->help && k->help[0] && !strchr(k->help, '\n'));
        assert_true(k->offset + field_size(k) <= t->size);
        for (const struct conf_key *other = t->keys; other < k; other++) {
            assert_string_not_equal(k->name, other->name);
            assert_true(k->offset >= other->offset + field_size(other) ||
                        other->offset >= k->offset + field_size(k));
        }
    }
}

/* A valid value other than the one in `conf`. */
static void other_value(const struct conf_key *key, const union any_conf *conf, char *text,
                        size_t size)
{
    const void *field = (const char *)conf + key->offset;

    switch (key->type) {
    case CONF_INT: {
        int64_t now = *(const int64_t *)field;
        snprintf(text, size, "%" PRId64, now == key->max ? key->min : key->max);
        break;
    }
    case CONF_STR:
        snprintf(text, size, "%s-other", (const char *)field);
        break;
    case CONF_BOOL:
        snprintf(text, size, "%s", *(const int *)field ? "no" : "yes");
        break;
    case CONF_CHOICE:
        snprintf(text, size, "%s", key->choices[*(const int *)field == 0]);
        break;
    }
}

static void each_key_changes_its_field_only(const struct table *t)
{
    union any_conf before, after;

    parse(t, "", 0, &before);
    for (const struct conf_key *k = t->keys; k->name; k++) {
        char value[CONF_STR_MAX], line[2 * CONF_STR_MAX];
        other_value(k, &before, value, sizeof(value));
        int len = snprintf(line, sizeof(line), "%s = %s\n", k->name, value);
        parse(t, line, (size_t)len, &after);
        char *old = (char *)&before + k->offset;
        char *new = (char *)&after + k->offset;
        assert_memory_not_equal(old, new, field_size(k));
        memcpy(new, old, field_size(k));
        assert_memory_equal(&before, &after, sizeof(before));
    }
}

static void printed_form_reads_back(const struct table *t)
{
    union any_conf before, after;
    char *text;
    size_t len;

    parse(t, "", 0, &before);
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    conf_print(t->keys, &before, to);
    fclose(to);
    parse(t, text, len, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    for (const struct conf_key *k = t->keys; k->name; k++)
        assert_non_null(strstr(text, k->name));
    free(text);
}

static void for_each_table(void (*check)(const struct table *))
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        check(&tables[i]);
}

static void tables_are_sound(void **state)
{
    (void)state;
    for_each_table(keys_are_sound);
}

static void every_key_is_observable(void **state)
{
    (void)state;
    for_each_table(each_key_changes_its_field_only);
}

static void tables_round_trip(void **state)
{
    (void)state;
    for_each_table(printed_form_reads_back);
}

static void remusd_rules_span_keys(void **state)
{
    struct remusd_conf conf;
    struct err err;
    (void)state;

    conf_defaults(remusd_conf_keys, &conf);
    assert_int_equal(remusd_conf_check(&conf, &err), 0);
    conf.detector_floor_ms = conf.detector_ceiling_ms + 1;
    assert_int_equal(remusd_conf_check(&conf, &err), -1);
    assert_non_null(strstr(err.text, "detector_floor_ms"));
    conf_defaults(remusd_conf_keys, &conf);
    conf.beat_ms = conf.detector_floor_ms;
    assert_int_equal(remusd_conf_check(&conf, &err), -1);
    assert_non_null(strstr(err.text, "beat_ms"));
}

static void backupd_rules_span_keys(void **state)
{
    struct backupd_conf conf;
    struct err err;
    (void)state;

    conf_defaults(backupd_conf_keys, &conf);
    assert_int_equal(backupd_conf_check(&conf, &err), 0);
    conf.detector_floor_ms = conf.detector_ceiling_ms + 1;
    assert_int_equal(backupd_conf_check(&conf, &err), -1);
    assert_non_null(strstr(err.text, "detector_floor_ms"));
    conf_defaults(backupd_conf_keys, &conf);
    snprintf(conf.net, sizeof(conf.net), "pigeon:7");
    assert_int_equal(backupd_conf_check(&conf, &err), -1);
    assert_true(err.text[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),        cmocka_unit_test(every_key_is_observable),
        cmocka_unit_test(tables_round_trip),       cmocka_unit_test(remusd_rules_span_keys),
        cmocka_unit_test(backupd_rules_span_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
