/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSD_REQUEST_H
#define REMUS_REMUSD_REQUEST_H

#include <jansson.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"
#include "engine/remusd_conf.h"

/** What a `protect` request asks for (docs/control.md), with the configuration's values for what it
 * does not name. Strings are the request's. */
struct protect_request {
    const char *vm, *to;
    json_int_t epoch_ms;
    int hold, suspend; /* enum wire_hold, enum hv_suspend */
};

/** Everything about it that can be wrong without asking the VM or the backup. -1: `code` and `err`
 * are for the answer. */
int protect_request_parse(const struct remusd_conf *conf, json_t *request,
                          struct protect_request *ret, const char **code,
                          struct err *err) MUST_CHECK;

#endif
