/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/remusd_request.h"

#include <string.h>

#include "engine/dial.h"
#include "proto/wire.h"

static int word_parse(const char *const *names, const char *text, int *ret)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    return -1;
}

int protect_request_parse(const struct remusd_conf *conf, json_t *request,
                          struct protect_request *ret, const char **code, struct err *err)
{
    const char *hold = NULL, *suspend = NULL;
    int unsafe = 0;

    *ret = (struct protect_request){
        .epoch_ms = conf->epoch_ms, .hold = conf->hold, .suspend = conf->suspend};
    *code = "bad-request";
    if (json_unpack(request, "{s:s, s:s, s?I, s?s, s?s, s?b}", "vm", &ret->vm, "to", &ret->to,
                    "epoch_ms", &ret->epoch_ms, "hold", &hold, "suspend", &suspend, "unsafe",
                    &unsafe) < 0)
        return err_set(err, "see docs/control.md", "protect needs 'vm' and 'to'");
    if (dial_check(ret->to, err) < 0)
        return -1;
    if (ret->epoch_ms < 1 || ret->epoch_ms > 10000)
        return err_set(err, "25 is a good start", "epoch of %lld ms: 1 to 10000 are possible",
                       (long long)ret->epoch_ms);
    if (hold && word_parse(remusd_hold_names, hold, &ret->hold) < 0)
        return err_set(err, "backup, primary or none", "unknown hold '%s'", hold);
    if (suspend && word_parse(remusd_suspend_names, suspend, &ret->suspend) < 0)
        return err_set(err, "auto, cooperative or driver", "unknown suspend '%s'", suspend);
    *code = "unsafe";
    if (ret->hold == WIRE_HOLD_NONE && !unsafe)
        return err_set(err, "add --unsafe if clients may see output of a lost state",
                       "hold=none lets output out before the backup has sealed it");
    return 0;
}
