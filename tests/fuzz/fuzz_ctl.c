/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/ctl.h"
#include "engine/base/ctl_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A request survives being written and read again. */
static void there_and_back(const json_t *request)
{
    json_t *again;
    struct err err;
    size_t used;

    char *text = json_dumps(request, JSON_COMPACT);
    if (!text)
        return;
    size_t len = strlen(text);
    text[len] = '\n'; /* in the place of the NUL */
    if (len <= CTL_LINE_MAX) {
        if (ctl_parse(text, len + 1, &used, &again, &err) != CTL_PARSED_REQUEST ||
            used != len + 1 || !json_equal(request, again))
            abort();
        json_decref(again);
    }
    free(text);
}

/* One line off the front; how much of the input is done with. */
static size_t take(const char *data, size_t len)
{
    json_t *request, *same;
    struct err err = {0};
    size_t used, used_again;

    enum ctl_parsed parsed = ctl_parse(data, len, &used, &request, &err);
    if (used > len || (parsed == CTL_PARSED_MORE) != (used == 0) ||
        (parsed == CTL_PARSED_REQUEST) != (request != NULL))
        abort();
    if ((parsed == CTL_PARSED_BAD || parsed == CTL_PARSED_TOO_LONG) && !err.text[0])
        abort();
    if (!request)
        return used ? used : len;
    /* Nothing behind the line may matter. */
    if (ctl_parse(data, used, &used_again, &same, &err) != parsed || used_again != used ||
        !json_equal(request, same))
        abort();
    there_and_back(request);
    json_decref(request);
    json_decref(same);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;

    while (size) {
        size_t used = take(at, size);
        at += used;
        size -= used;
    }
    return 0;
}
