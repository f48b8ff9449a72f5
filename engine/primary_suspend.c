/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary.h"

#include <string.h>

/**
 * By what the VM is stopped for an epoch. A guest without a driver is the ordinary case: told, but
 * nothing that is missing. A driver that was given up, or asked for and is not there, is degraded.
 */
void primary_suspend_look(struct primary *p)
{
    const struct hv_suspend_now *now = hv_suspend_now(p->vm), *before = &p->suspend;
    bool missed = now->failed || (!now->driver && p->rec.suspend == HV_SUSPEND_DRIVER);

    if (now->driver == before->driver && strcmp(now->why, before->why) == 0 &&
        strcmp(now->version, before->version) == 0)
        return;
    p->suspend = *now;
    if (missed) {
        child_degrade(&p->child, "suspend", "epochs have long pauses, without the driver: %s",
                      now->why);
        return;
    }
    child_restore(&p->child, "suspend");
    if (now->driver)
        child_event(&p->child, LOG_LEVEL_INFO, "suspend",
                    "the VM is stopped by the driver in the guest, version %s", now->version);
    else
        child_event(&p->child, LOG_LEVEL_INFO, "suspend",
                    "the VM is stopped as its kernel does it: %s", now->why);
}

json_t *primary_suspend_status(const struct primary *p)
{
    const struct hv_suspend_now *now = &p->suspend;

    return json_pack("{s:s, s:o, s:o}", "mode", now->driver ? "driver" : "cooperative", "version",
                     now->version[0] ? json_string(now->version) : json_null(), "why",
                     now->why[0] ? json_string(now->why) : json_null());
}
