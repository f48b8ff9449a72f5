/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/ctl_parse.h"

#include <string.h>

#include "engine/base/ctl.h"

static enum ctl_parsed parse_line(const char *line, size_t len, json_t **request, struct err *err)
{
    static const char hint[] = "a request is one JSON object per line: {\"cmd\": NAME, ...}";
    json_error_t why;

    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    if (!object) {
        err_set(err, hint, "request is not JSON: %.120s (column %d)", why.text, why.column);
        return CTL_PARSED_BAD;
    }
    json_t *cmd = json_object_get(object, "cmd");
    size_t cmd_len = json_is_string(cmd) ? json_string_length(cmd) : 0;
    if (cmd_len == 0 || cmd_len > CTL_CMD_MAX) {
        err_set(err, hint, "request has no usable \"cmd\"");
        json_decref(object);
        return CTL_PARSED_BAD;
    }
    *request = object;
    return CTL_PARSED_REQUEST;
}

enum ctl_parsed ctl_parse(const char *data, size_t len, size_t *used, json_t **request,
                          struct err *err)
{
    const char *end = len ? memchr(data, '\n', len) : NULL;
    size_t line = end ? (size_t)(end - data) : len;

    *used = 0;
    *request = NULL;
    if (line > CTL_LINE_MAX) {
        *used = len;
        err_set(err, NULL, "request has more than %d bytes", CTL_LINE_MAX);
        return CTL_PARSED_TOO_LONG;
    }
    if (!end)
        return CTL_PARSED_MORE;
    *used = line + 1;
    return parse_line(data, line, request, err);
}
