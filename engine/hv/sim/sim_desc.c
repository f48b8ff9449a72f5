/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hv/sim/sim_proto.h"

#define FIELD(f) offsetof(struct sim_vm_conf, f)

static const char *const order_names[] = {"seq", "random", "hot", NULL};
static const char *const content_names[] = {"zero", "sparse", "text", "random", NULL};

const struct conf_key sim_vm_keys[] = {
    {"uuid", CONF_STR, FIELD(uuid), "", 0, 0, NULL, "the VM's UUID; required"},
    {"name", CONF_STR, FIELD(name), "", 0, 0, NULL, "name; the UUID when left out"},
    {"mem-mb", CONF_INT, FIELD(mem_mb), "64", 16, 16777216, NULL, "memory in MiB"},
    {"net", CONF_STR, FIELD(net), "none", 0, 0, NULL,
     "network port: tap:NAME, packet:NAME, switch:PATH or none"},
    {"mac", CONF_STR, FIELD(mac), "", 0, 0, NULL, "MAC address; made from the UUID when left out"},
    {"ip", CONF_STR, FIELD(ip), "", 0, 0, NULL, "IPv4 address of the network service"},
    {"ip6", CONF_STR, FIELD(ip6), "", 0, 0, NULL, "IPv6 address of the network service"},
    {"pattern-mb", CONF_INT, FIELD(pattern_mb), "-1", -1, 16777216, NULL,
     "size of the self-checking pattern; -1: a quarter of memory"},
    {"pattern-rate", CONF_INT, FIELD(pattern_rate), "2000", 0, 10000000, NULL,
     "pattern pages stepped per second"},
    {"dirty-rate", CONF_INT, FIELD(dirty_rate), "0", 0, 10000000, NULL,
     "pages per second that the dirtier writes"},
    {"dirty-span-mb", CONF_INT, FIELD(dirty_span_mb), "4", 1, 16777216, NULL,
     "memory that the dirtier writes to"},
    {"dirty-order", CONF_CHOICE, FIELD(order), "random", 0, 0, order_names,
     "seq, random, or hot (nine writes of ten to a tenth of the span)"},
    {"content", CONF_CHOICE, FIELD(content), "random", 0, 0, content_names,
     "what the dirtier writes: zero, sparse (32 octets of a page), text or random"},
    {"seed", CONF_INT, FIELD(seed), "1", 0, INT64_MAX, NULL, "seed of all that looks random"},
    {0},
};

static json_t *member(const struct conf_key *key, const struct sim_vm_conf *conf)
{
    const void *field = (const char *)conf + key->offset;

    if (key->type == CONF_INT)
        return json_integer(*(const int64_t *)field);
    if (key->type == CONF_CHOICE)
        return json_string(key->choices[*(const int *)field]);
    return json_string(field);
}

char *sim_desc_format(const struct sim_vm_conf *conf)
{
    json_t *desc = json_object();
    char *text = NULL;

    for (const struct conf_key *key = sim_vm_keys; key->name; key++) {
        if (json_object_set_new(desc, key->name, member(key, conf)))
            goto out;
    }
    text = json_dumps(desc, JSON_COMPACT);
out:
    json_decref(desc);
    if (!text)
        errno = ENOMEM;
    return text;
}

/* One option from one member; NULL when the value is of no usable type. */
static char *option(const char *key, const json_t *value)
{
    char *text = NULL;
    int n = -1;

    if (json_is_integer(value))
        n = asprintf(&text, "--%s=%lld", key, (long long)json_integer_value(value));
    else if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
        n = asprintf(&text, "--%s=%s", key, json_string_value(value));
    return n < 0 ? NULL : text;
}

/* The options as lines that conf_parse reads: the same rules hold for both. */
static int check_options(char **options, struct sim_vm_conf *ret, struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    FILE *lines = open_memstream(&text, &len);

    if (!lines)
        return err_errno(err, "", "description");
    for (size_t i = 0; options[i]; i++) {
        if (strchr(options[i], '\n')) {
            fclose(lines);
            free(text);
            errno = EINVAL;
            return err_set(err, "", "description: line break in a value");
        }
        fprintf(lines, "%s\n", options[i] + 2);
    }
    int rc = fclose(lines) ? err_errno(err, "", "description")
                           : conf_parse(sim_vm_keys, "description", text, len, ret, err);
    free(text);
    return rc;
}

static char **options_of(json_t *desc, struct err *err)
{
    char **options = calloc(json_object_size(desc) + 1, sizeof(*options));
    size_t n = 0;
    const char *key;
    json_t *value;

    if (!options) {
        err_errno(err, "", "description");
        return NULL;
    }
    json_object_foreach(desc, key, value)
    {
        options[n] = option(key, value);
        if (!options[n++]) {
            errno = EINVAL;
            err_set(err, "", "description: bad value of \"%.40s\"", key);
            sim_desc_free(options);
            return NULL;
        }
    }
    return options;
}

char **sim_desc_options(const void *desc, size_t len, struct sim_vm_conf *ret, struct err *err)
{
    json_error_t why;
    json_t *root = json_loadb(desc, len, JSON_REJECT_DUPLICATES, &why);
    char **options = NULL;

    if (!json_is_object(root)) {
        errno = EINVAL;
        err_set(err, "", "description is not a JSON object: %.100s",
                root ? "other type" : why.text);
        goto out;
    }
    options = options_of(root, err);
    if (options && check_options(options, ret, err)) {
        sim_desc_free(options);
        options = NULL;
    }
out:
    json_decref(root);
    return options;
}

void sim_desc_free(char **options)
{
    if (!options)
        return;
    for (size_t i = 0; options[i]; i++)
        free(options[i]);
    free(options);
}
