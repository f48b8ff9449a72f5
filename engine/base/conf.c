/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/conf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/file.h"
#include "engine/base/log.h"

#define CONF_LINE_MAX 1024
#define CONF_FILE_MAX (1024 * 1024)

/* One file being read. `seen` has the line of each key's first appearance, 0: not yet. */
struct reader {
    const struct conf_key *keys;
    const char *name;
    unsigned *seen;
    unsigned line;
    struct err *err;
};

static int parse_int(const struct conf_key *key, const char *value, int64_t *field, struct err *err)
{
    char *end;

    errno = 0;
    long long number = strtoll(value, &end, 10);
    bool digits = end > value && (end[-1] >= '0' && end[-1] <= '9');
    if (!digits || *end || errno || number < key->min || number > key->max)
        return err_set(err, NULL, "%s must be a whole number from %lld to %lld, not \"%.40s\"",
                       key->name, (long long)key->min, (long long)key->max, value);
    *field = number;
    return 0;
}

static int parse_str(const struct conf_key *key, const char *value, char *field, struct err *err)
{
    size_t len = strlen(value);

    if (len >= CONF_STR_MAX)
        return err_set(err, NULL, "%s must have less than %d bytes, not %zu", key->name,
                       CONF_STR_MAX, len);
    memset(field, 0, CONF_STR_MAX);
    memcpy(field, value, len);
    return 0;
}

static int parse_bool(const struct conf_key *key, const char *value, int *field, struct err *err)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *field = i % 2;
            return 0;
        }
    }
    return err_set(err, NULL, "%s must be yes or no, not \"%.40s\"", key->name, value);
}

static int parse_choice(const struct conf_key *key, const char *value, int *field, struct err *err)
{
    char list[ERR_TEXT_MAX / 2] = "";

    for (int i = 0; key->choices[i]; i++) {
        if (strcasecmp(value, key->choices[i]) == 0) {
            *field = i;
            return 0;
        }
        size_t len = strlen(list);
        snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", key->choices[i]);
    }
    return err_set(err, NULL, "%s must be one of %s, not \"%.40s\"", key->name, list, value);
}

static int parse_value(const struct conf_key *key, const char *value, void *out, struct err *err)
{
    void *field = (char *)out + key->offset;

    switch (key->type) {
    case CONF_INT:
        return parse_int(key, value, field, err);
    case CONF_STR:
        return parse_str(key, value, field, err);
    case CONF_BOOL:
        return parse_bool(key, value, field, err);
    case CONF_CHOICE:
        return parse_choice(key, value, field, err);
    }
    return err_set(err, NULL, "%s has no type", key->name);
}

void conf_defaults(const struct conf_key *keys, void *out)
{
    struct err err;

    for (; keys->name; keys++) {
        if (parse_value(keys, keys->def, out, &err)) {
            log_errx("default of a key: %s", err.text);
            abort();
        }
    }
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *trim(char *text)
{
    size_t len = strlen(text);

    while (len && blank(text[len - 1]))
        text[--len] = '\0';
    while (blank(*text))
        text++;
    return text;
}

/* A '#' inside a word belongs to the word: paths may have one. */
static void cut_comment(char *text)
{
    for (char *at = text; (at = strchr(at, '#')); at++) {
        if (at == text || blank(at[-1])) {
            *at = '\0';
            return;
        }
    }
}

/* Puts file and line before the cause. */
static int line_error(struct reader *r)
{
    struct err cause = {0};

    if (!r->err)
        return -1;
    cause = *r->err;
    return err_set(r->err, cause.hint, "%.100s:%u: %s", r->name, r->line, cause.text);
}

static int assign(struct reader *r, const char *word, const char *value, void *out)
{
    size_t i = 0;

    while (r->keys[i].name && strcmp(r->keys[i].name, word) != 0)
        i++;
    if (!r->keys[i].name)
        return err_set(r->err, "--check-config lists the known keys", "unknown key \"%.40s\"",
                       word);
    if (r->seen[i])
        return err_set(r->err, NULL, "%s was already set on line %u", word, r->seen[i]);
    r->seen[i] = r->line;
    return parse_value(&r->keys[i], value, out, r->err);
}

/* `text` is one line without its end, `len` bytes: may hold any byte. */
static int parse_line(struct reader *r, const char *text, size_t len, void *out)
{
    char line[CONF_LINE_MAX];

    if (len && text[len - 1] == '\r')
        len--;
    if (len >= sizeof(line))
        return err_set(r->err, NULL, "line has more than %d bytes", CONF_LINE_MAX - 1);
    for (size_t i = 0; i < len; i++) {
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return err_set(r->err, NULL, "control character 0x%02x in the line",
                           (unsigned char)text[i]);
    }
    memcpy(line, text, len);
    line[len] = '\0';

    char *value = strchr(line, '=');
    char *mark = strchr(line, '#');
    if (value && !(mark && mark < value)) {
        *value++ = '\0';
        cut_comment(value);
        return assign(r, trim(line), trim(value), out);
    }
    cut_comment(line);
    if (*trim(line))
        return err_set(r->err, NULL, "line is not of the form \"key = value\"");
    return 0;
}

int conf_parse(const struct conf_key *keys, const char *name, const char *text, size_t len,
               void *out, struct err *err)
{
    size_t count = 0;
    int rc = 0;

    while (keys[count].name)
        count++;
    struct reader r = {.keys = keys, .name = name, .err = err};
    r.seen = calloc(count + 1, sizeof(*r.seen));
    if (!r.seen)
        return err_errno(err, NULL, "%s", name);
    conf_defaults(keys, out);
    while (len && rc == 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;
        r.line++;
        rc = parse_line(&r, text, line, out);
        if (rc)
            rc = line_error(&r);
        line += end != NULL;
        text += line;
        len -= line;
    }
    free(r.seen);
    if (rc)
        errno = EINVAL;
    return rc;
}

int conf_load(const struct conf_key *keys, const char *path, void *out, struct err *err)
{
    char *text;
    size_t len;

    if (file_read(path, CONF_FILE_MAX, &text, &len))
        return err_errno(err, "name a readable file with --config", "cannot read %s", path);
    int rc = conf_parse(keys, path, text, len, out, err);
    free(text);
    return rc;
}
