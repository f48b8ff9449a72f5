/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backupd/backupd_conf.h"
#include "engine/remusd_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union any_conf {
    struct remusd_conf remusd;
    struct backupd_conf backupd;
};

static int parse(const struct conf_key *keys, const char *text, size_t len, union any_conf *out)
{
    struct err err;

    memset(out, 0, sizeof(*out));
    int rc = conf_parse(keys, "input", text, len, out, &err);
    /* A refusal has one line of text that names the file. */
    if (rc && (strncmp(err.text, "input:", 6) != 0 || strchr(err.text, '\n')))
        abort();
    return rc;
}

/* What was accepted prints to a text that means the same. */
static void there_and_back(const struct conf_key *keys, const char *text, size_t len)
{
    static union any_conf first, second;
    char *printed;
    size_t printed_len;

    if (parse(keys, text, len, &first))
        return;
    FILE *to = open_memstream(&printed, &printed_len);
    if (!to)
        return;
    conf_print(keys, &first, to);
    fclose(to);
    if (parse(keys, printed, printed_len, &second) || memcmp(&first, &second, sizeof(first)) != 0)
        abort();
    free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    union any_conf conf;

    there_and_back(remusd_conf_keys, (const char *)data, size);
    there_and_back(backupd_conf_keys, (const char *)data, size);
    if (parse(remusd_conf_keys, (const char *)data, size, &conf) == 0)
        (void)!remusd_conf_check(&conf.remusd, &err);
    if (parse(backupd_conf_keys, (const char *)data, size, &conf) == 0)
        (void)!backupd_conf_check(&conf.backupd, &err);
    return 0;
}
