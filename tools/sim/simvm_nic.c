/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "engine/base/log.h"
#include "tools/sim/simvm_machine.h"

#define BATCH   32
#define DOWN_NS (100 * NS_PER_MS) /* a TAP interface that is down is always "ready" */

static int use(struct machine *m, struct port *port)
{
    if (!port)
        return -1;
    port_close(m->nic);
    m->nic = port;
    m->nic_again = mono_now();
    return 0;
}

int nic_open(struct machine *m, const char *spec, struct err *err)
{
    return use(m, port_open(spec, err));
}

int nic_take(struct machine *m, int fd)
{
    return use(m, port_from_fd(fd, "taken"));
}

void nic_close(struct machine *m)
{
    int saved = errno;

    port_close(m->nic);
    m->nic = NULL;
    m->nic_owner = NULL;
    errno = saved;
}

static void lose(struct machine *m)
{
    log_info("network interface unplugged: %s is gone", port_name(m->nic));
    nic_close(m);
}

int nic_fd(const struct machine *m)
{
    if (!m->running || !m->nic || mono_before(mono_now(), m->nic_again))
        return -1;
    return port_fd(m->nic);
}

/* -1: the other side is gone. */
static int answer(struct machine *m, size_t len)
{
    size_t out = guest_frame(&m->guest, m->frame, len, sizeof(m->frame));

    if (!out)
        return 0;
    if (port_write(m->nic, m->frame, out) == 0) {
        m->frames_out++;
        return 0;
    }
    m->frames_dropped++;
    return errno == EPIPE ? -1 : 0;
}

void nic_ready(struct machine *m)
{
    for (int i = 0; i < BATCH && !gmem_attention(&m->mem); i++) {
        ssize_t n = port_read(m->nic, m->frame, sizeof(m->frame));
        if (n < 0 && errno != EPIPE)
            m->nic_again = mono_add(mono_now(), DOWN_NS);
        if (n == 0 || (n < 0 && errno != EPIPE))
            return;
        m->frames_in += n > 0;
        if (n < 0 || answer(m, (size_t)n)) {
            lose(m);
            return;
        }
    }
}
