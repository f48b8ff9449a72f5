/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <errno.h>

/*
 * The VM was resumed here, or may have been. A hypervisor that cannot answer for a moment changes
 * nothing of what was known before.
 */
#define RETRY_MS 1000

enum standby_vm standby_look_for_vm(struct standby *s)
{
    struct err err;
    bool absent = hv_check_absent(s->hv, &s->child.uuid, &err) == 0; /* errno counts if not */

    if (!absent && errno != EEXIST) {
        child_degrade(&s->child, "hypervisor", "nobody can tell whether the VM is here: %s",
                      err.text);
        return STANDBY_VM_UNKNOWN;
    }
    child_restore(&s->child, "hypervisor");
    return absent ? STANDBY_VM_ABSENT : STANDBY_VM_HERE;
}

static void watch_active(struct standby *s)
{
    switch (standby_look_for_vm(s)) {
    case STANDBY_VM_HERE:
        child_restore(&s->child, "vm-gone");
        break;
    case STANDBY_VM_ABSENT:
        child_degrade(&s->child, "vm-gone", "the VM that was resumed here is gone");
        break;
    case STANDBY_VM_UNKNOWN: /* as it was when that was last known */
        break;
    }
    standby_watch_after(s, STANDBY_ACTIVE_NS);
}

/** The record says that the VM was about to be activated when the child before this one died. */
static void judge_interrupted(struct standby *s)
{
    switch (standby_look_for_vm(s)) {
    case STANDBY_VM_HERE:
        s->phase = STANDBY_ACTIVE;
        if (standby_record(s, VM_ACTIVE, s->rec.generation) == 0)
            child_event(&s->child, LOG_LEVEL_WARN, "activated",
                        "the VM runs here under generation %llu; the process that resumed it died",
                        (unsigned long long)s->rec.generation);
        standby_watch_after(s, STANDBY_ACTIVE_NS);
        break;
    case STANDBY_VM_ABSENT:
        s->phase = STANDBY_FAILED;
        child_degrade(&s->child, "activation",
                      "a takeover was interrupted and the VM does not run here: decide which copy "
                      "is good, then remusctl --backup forget");
        break;
    case STANDBY_VM_UNKNOWN:
        standby_watch_after(s, RETRY_MS * NS_PER_MS);
        break;
    }
}

void standby_watch_active(struct standby *s)
{
    if (s->phase == STANDBY_UNSURE)
        judge_interrupted(s);
    else
        watch_active(s);
}
