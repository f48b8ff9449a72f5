/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simswitch_log.h"

#include <net/ethernet.h>

#include "engine/base/mono.h"
#include "engine/net/port.h"

#define TAG_LEN   4
#define VID_MASK  0x0fff
#define MAC_TEXT  18
#define VLAN_TEXT 8

static unsigned get16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

static const char *mac_text(char *buf, const uint8_t *mac)
{
    snprintf(buf, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
    return buf;
}

void simswitch_log_frame(FILE *log, uint32_t port, const uint8_t *frame, size_t len)
{
    const uint8_t *eth = frame + PORT_VNET_LEN, *type = eth + 2 * ETH_ALEN;
    char src[MAC_TEXT], dst[MAC_TEXT], vlan[VLAN_TEXT] = "null";

    if (get16(type) == ETHERTYPE_VLAN && len >= PORT_VNET_LEN + ETH_HLEN + TAG_LEN) {
        snprintf(vlan, sizeof(vlan), "%u", get16(type + 2) & VID_MASK);
        type += TAG_LEN;
    }
    fprintf(log,
            "{\"mono_ns\":%lld,\"port\":%u,\"src\":\"%s\",\"dst\":\"%s\",\"ethertype\":%u,"
            "\"vlan\":%s,\"len\":%zu}\n",
            (long long)mono_now().ns, port, mac_text(src, eth + ETH_ALEN), mac_text(dst, eth),
            get16(type), vlan, len - PORT_VNET_LEN);
}

void simswitch_log_port(FILE *log, uint32_t port, const char *event, pid_t pid)
{
    fprintf(log, "{\"mono_ns\":%lld,\"port\":%u,\"event\":\"%s\",\"pid\":%d}\n",
            (long long)mono_now().ns, port, event, (int)pid);
}
