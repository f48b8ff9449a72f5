/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CONF_H
#define REMUS_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

#define CONF_STR_MAX 256

enum conf_type {
    CONF_INT,    /* int64_t, min..max, with the unit in the key's name (lease_ms) */
    CONF_STR,    /* char[CONF_STR_MAX] */
    CONF_BOOL,   /* int: yes/no/on/off/true/false/1/0 */
    CONF_CHOICE, /* int: index into `choices` (NULL-terminated) */
};

struct conf_key {
    const char *name;
    enum conf_type type;
    size_t offset;   /* of the field in the caller's struct */
    const char *def; /* default, in the file's own syntax; never NULL */
    int64_t min, max;
    const char *const *choices;
    const char *help; /* one line; the man page and conf_print have it */
};

/** Fills every field of `out` from the defaults of `keys` (ended by name=NULL). */
void conf_defaults(const struct conf_key *keys, void *out);

/**
 * Defaults, then the file at `path` ("key = value" lines; '#' at the start of a
 * line or value or after a blank starts a comment). An unknown or repeated
 * key, a bad value or an overlong line is an error that names file and line; `out` is then
 * unspecified.
 */
int conf_load(const struct conf_key *keys, const char *path, void *out, struct err *err) MUST_CHECK;

/** As conf_load, from memory (no NUL needed); `name` stands for the file in messages. */
int conf_parse(const struct conf_key *keys, const char *name, const char *text, size_t len,
               void *out, struct err *err) MUST_CHECK;

/**
 * Prints all keys with their values in table order, each as "# help" and "key = value" lines:
 * conf_parse reads it back to the same values.
 */
void conf_print(const struct conf_key *keys, const void *conf, FILE *to);

#endif
