/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAGES_PER_MB 256u

static int parse_mac(const char *text, const char *uuid_text, uint8_t mac[6], struct err *err)
{
    struct uuid uuid;
    int end = 0;

    if (!*text) {
        if (uuid_parse(uuid_text, &uuid))
            return err_errno(err, "", "uuid");
        mac[0] = 2; /* locally administered */
        memcpy(mac + 1, uuid.byte, 5);
        return 0;
    }
    int n = sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
                   &mac[3], &mac[4], &mac[5], &end);
    if (n == 6 && !text[end] && !(mac[0] & 1))
        return 0;
    errno = EINVAL;
    return err_set(err, "write it as 02:00:00:00:00:01", "\"%.40s\" is no unicast MAC address",
                   text);
}

static int parse_ip(int family, const char *text, uint8_t *ip, bool *has, struct err *err)
{
    *has = *text;
    if (!*text || inet_pton(family, text, ip) == 1)
        return 0;
    errno = EINVAL;
    return err_set(err, "", "\"%.60s\" is no %s address", text,
                   family == AF_INET ? "IPv4" : "IPv6");
}

static int init_net(struct guest *g, const struct sim_vm_conf *conf, struct err *err)
{
    g->net.mem = g->mem;
    if (parse_mac(conf->mac, conf->uuid, g->net.mac, err) ||
        parse_ip(AF_INET, conf->ip, g->net.ip, &g->net.has_ip, err) ||
        parse_ip(AF_INET6, conf->ip6, g->net.ip6, &g->net.has_ip6, err))
        return -1;
    return 0;
}

static int init_layout(struct guest *g, const struct sim_vm_conf *conf, struct err *err)
{
    uint64_t pages = g->mem->pages;
    uint64_t pattern = conf->pattern_mb < 0 ? pages / 4 : (uint64_t)conf->pattern_mb * PAGES_PER_MB;
    uint64_t span = (uint64_t)conf->dirty_span_mb * PAGES_PER_MB;

    if (!conf->dirty_rate)
        span = 1;
    if (GUEST_PATTERN_PAGE + pattern + span > pages) {
        errno = EINVAL;
        return err_set(err, "lower pattern-mb or dirty-span-mb, or raise mem-mb",
                       "pattern and dirtier do not fit into memory");
    }
    g->pattern = (struct pattern){GUEST_PATTERN_PAGE, pattern, (uint64_t)conf->seed};
    g->dirtier = (struct dirtier){pages - span, span, (enum sim_order)conf->order,
                                  (enum sim_content)conf->content};
    return 0;
}

int guest_init(struct guest *g, struct gmem *mem, const struct sim_vm_conf *conf, struct err *err)
{
    struct mono now = mono_now();

    memset(g, 0, sizeof(*g));
    g->mem = mem;
    if (init_net(g, conf, err) || init_layout(g, conf, err))
        return -1;
    vcpu_reset(&g->cpu, (uint64_t)conf->seed);
    pace_init(&g->pattern_pace, g->pattern.pages ? conf->pattern_rate : 0, now);
    pace_init(&g->dirty_pace, conf->dirty_rate, now);
    return 0;
}

void guest_slice(struct guest *g, struct mono until)
{
    struct mono now = mono_now();
    bool worked = true;

    while (worked && mono_before(now, until) && !gmem_attention(g->mem)) {
        worked = false;
        if (pace_take(&g->pattern_pace, now)) {
            pattern_step(&g->pattern, g->mem, &g->cpu);
            worked = true;
        }
        if (pace_take(&g->dirty_pace, now)) {
            dirtier_write(&g->dirtier, g->mem, &g->cpu);
            worked = true;
        }
        now = mono_now();
    }
}

int64_t guest_wait(struct guest *g, struct mono now)
{
    int64_t a = pace_wait(&g->pattern_pace, now), b = pace_wait(&g->dirty_pace, now);

    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

int guest_load(struct guest *g, const uint8_t *state, size_t len, struct err *err)
{
    struct vcpu cpu;

    if (vcpu_load(&cpu, state, len, err))
        return -1;
    if (!cpu.rng || cpu.dirty_pos >= g->dirtier.pages ||
        (cpu.cursor && cpu.cursor >= g->pattern.pages)) {
        errno = EINVAL;
        return err_set(err, "", "vCPU state is not one of this VM");
    }
    g->cpu = cpu;
    return 0;
}

size_t guest_frame(struct guest *g, uint8_t *frame, size_t len, size_t cap)
{
    size_t answer = net_answer(&g->net, frame, len, cap);

    g->cpu.answered += answer > 0;
    return answer;
}
