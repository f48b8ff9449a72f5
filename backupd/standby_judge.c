/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backupd/standby.h"

#include <stdio.h>
#include <string.h>

/* What a hypervisor adds to a VM's own memory, and what changes its place while the VM runs. */
#define EXTRA_PAGES 256
/* The addresses of a Xen guest reach to 4 GiB at least, however little memory it has. */
#define HOLES_MAX (4096ull * 256)

#define REFUSE(why, c, ...) ((why)->code = (c), (void)err_set(&(why)->err, "", __VA_ARGS__))

/** The VM was, or may have been, activated here. */
static void judge_activated(struct standby *s, struct refusal *why)
{
    if (s->phase == STANDBY_ACTIVATING || s->forced) {
        REFUSE(why, WIRE_REJECT_BUSY, "a takeover is under way here");
        return;
    }
    if (s->rec.state != VM_ACTIVATING && s->rec.state != VM_ACTIVE)
        return;
    switch (standby_look_for_vm(s)) {
    case STANDBY_VM_HERE:
        REFUSE(why, WIRE_REJECT_FENCED, "the VM runs here under generation %llu",
               (unsigned long long)s->rec.generation);
        break;
    case STANDBY_VM_ABSENT:
        REFUSE(
            why, WIRE_REJECT_FAILED,
            "the VM was taken over here but does not run here now: decide which copy is good, then "
            "'remusctl --backup forget' here");
        break;
    case STANDBY_VM_UNKNOWN:
        REFUSE(why, WIRE_REJECT_BUSY,
               "the VM was taken over here, and the hypervisor cannot tell whether it runs");
        break;
    }
}

/** "HOST" of "HOST:PORT" is equal. */
static bool same_host(const char *a, const char *b)
{
    const char *pa = strrchr(a, ':'), *pb = strrchr(b, ':');
    return pa && pb && pa - a == pb - b && strncmp(a, b, (size_t)(pa - a)) == 0;
}

uint64_t standby_memory_max(const struct standby *s)
{
    return (uint64_t)s->conf->replica_max_mb * 256 + EXTRA_PAGES;
}

static void judge_size(const struct standby *s, const struct msg_hello *m, struct refusal *why)
{
    struct hv_size size;

    if (hv_replica_size(s->hv, m->desc, m->desc_len, &size, &why->err) < 0)
        why->code = WIRE_REJECT_FAILED;
    else if (size.pages != m->pages)
        REFUSE(why, WIRE_REJECT_FAILED, "the VM is described with another size than it has");
    else if (size.memory > standby_memory_max(s))
        REFUSE(why, WIRE_REJECT_TOO_LARGE, "the VM has %llu MiB, replica_max_mb here allows %lld",
               (unsigned long long)(size.memory / 256), (long long)s->conf->replica_max_mb);
    else if (size.pages > standby_memory_max(s) + HOLES_MAX)
        REFUSE(why, WIRE_REJECT_TOO_LARGE,
               "the VM's addresses reach to %llu MiB, replica_max_mb here allows %lld and some "
               "holes",
               (unsigned long long)(size.pages / 256), (long long)s->conf->replica_max_mb);
}

void standby_judge(struct standby *s, struct link *link, const struct session_event *ev,
                   struct refusal *why)
{
    const struct msg_hello *m = &ev->u.hello;

    judge_activated(s, why);
    if (why->code)
        return;
    if (m->version_min > WIRE_VERSION_MAX || m->version_max < WIRE_VERSION_MIN)
        REFUSE(why, WIRE_REJECT_VERSION, "protocol version %d needed, %d..%d offered",
               WIRE_VERSION_MAX, m->version_min, m->version_max);
    else if (ev->generation <= s->rec.generation)
        REFUSE(why, WIRE_REJECT_GENERATION, "generation %llu is known here already",
               (unsigned long long)s->rec.generation);
    else if (s->link && s->phase == STANDBY_READY && !same_host(s->peer, link_peer(link)))
        REFUSE(why, WIRE_REJECT_BUSY, "the VM is protected by %s", s->peer);
    else if (strcmp(m->backend, s->conf->backend) != 0)
        REFUSE(why, WIRE_REJECT_FAILED, "hypervisor is %s here, %s there", s->conf->backend,
               m->backend);
    else
        judge_size(s, m, why);
}
