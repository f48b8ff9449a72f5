/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sim/simclient.h"

#define DEFAULT_SECONDS 10
#define PROBE_HEAD      12

static const char help[] =
    "Usage: remus-simclient MODE --switch PATH --mac MAC --ip IP --target IP [options]\n"
    "       remus-simclient MODE --switch PATH --mac MAC --ip6 IP --target6 IP [options]\n"
    "A station on a remus-simswitch that talks to a built-in VM and prints a summary as JSON.\n"
    "\n"
    "Modes:\n"
    "  counter            clients increment the VM's counter; their answers are then checked: no\n"
    "                     increment lost, repeated or reordered (linearizability)\n"
    "  echo               numbered datagrams to UDP port 7 and back\n"
    "  reflect            numbered frames of ethertype 0x88B5 and back\n"
    "  ping6              as echo, over IPv6 only\n"
    "\n"
    "Options:\n"
    "  --switch PATH      socket of the switch\n"
    "  --mac MAC          own address, as 52:54:00:12:34:56\n"
    "  --ip IP            own IPv4 address\n"
    "  --target IP        the VM's IPv4 address\n"
    "  --ip6 IP           own IPv6 address\n"
    "  --target6 IP       the VM's IPv6 address\n"
    "  --vlan ID          tag all frames, 1 to 4094\n"
    "  --seconds N        length of the load (default 10 unless --count is given)\n"
    "  --count N          stop after N increments or probes\n"
    "  --interval-ms N    between two requests of a client (default 1) or two probes (default "
    "10);\n"
    "                     0: a client asks again at once\n"
    "  --retry-ms N       repeat an unanswered request after this (default 200)\n"
    "  --timeout-ms N     give a request up after this (default 10000)\n"
    "  --clients N        counter: concurrent clients, 1 to 128 (default 4)\n"
    "  --shared           counter: others increment it too, so do not compare totals\n"
    "  --history FILE     counter: write each operation as a JSON line\n"
    "  --size N           probes: payload octets, 12 to 1400 (default 64)\n"
    "  --live             a line of progress on stderr every second\n"
    "  --help             print this and exit\n"
    "  --version          print the version and exit\n"
    "\n"
    "SIGTERM and SIGINT end the load early.\n"
    "Exit status: 0 good; 1 a violation or a corrupted answer; 2 could not run; 3 nothing was\n"
    "answered; 4 counter: no violation, but the last read was not answered.\n";

enum {
    OPT_SWITCH = 1,
    OPT_MAC,
    OPT_IP,
    OPT_TARGET,
    OPT_IP6,
    OPT_TARGET6,
    OPT_VLAN,
    OPT_SECONDS,
    OPT_COUNT,
    OPT_INTERVAL,
    OPT_RETRY,
    OPT_TIMEOUT,
    OPT_CLIENTS,
    OPT_SHARED,
    OPT_HISTORY,
    OPT_SIZE,
    OPT_LIVE,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option longs[] = {{"switch", required_argument, NULL, OPT_SWITCH},
                                      {"mac", required_argument, NULL, OPT_MAC},
                                      {"ip", required_argument, NULL, OPT_IP},
                                      {"target", required_argument, NULL, OPT_TARGET},
                                      {"ip6", required_argument, NULL, OPT_IP6},
                                      {"target6", required_argument, NULL, OPT_TARGET6},
                                      {"vlan", required_argument, NULL, OPT_VLAN},
                                      {"seconds", required_argument, NULL, OPT_SECONDS},
                                      {"count", required_argument, NULL, OPT_COUNT},
                                      {"interval-ms", required_argument, NULL, OPT_INTERVAL},
                                      {"retry-ms", required_argument, NULL, OPT_RETRY},
                                      {"timeout-ms", required_argument, NULL, OPT_TIMEOUT},
                                      {"clients", required_argument, NULL, OPT_CLIENTS},
                                      {"shared", no_argument, NULL, OPT_SHARED},
                                      {"history", required_argument, NULL, OPT_HISTORY},
                                      {"size", required_argument, NULL, OPT_SIZE},
                                      {"live", no_argument, NULL, OPT_LIVE},
                                      {"help", no_argument, NULL, OPT_HELP},
                                      {"version", no_argument, NULL, OPT_VERSION},
                                      {0}};

/** What has been given, besides what is in the configuration at once. */
struct given {
    bool mac, ip, target, ip6, target6;
};

PRINTF_LIKE(1, 2)
static void refuse(const char *fmt, ...)
{
    va_list args;

    fputs("remus-simclient: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("; see --help\n", stderr);
    exit(CLIENT_ERROR);
}

static void print_and_exit(const char *text)
{
    fputs(text, stdout);
    exit(CLIENT_GOOD);
}

static int64_t number(const char *name, const char *text, int64_t min, int64_t max)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < min || n > max)
        refuse("--%s needs a number from %lld to %lld, not '%s'", name, (long long)min,
               (long long)max, text);
    return n;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    unsigned v[6];
    char more;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
               &more) != 6)
        return false;
    for (int i = 0; i < 6; i++)
        mac[i] = (uint8_t)v[i];
    return !(mac[0] & 1);
}

static bool parse_address(int family, const char *text, uint8_t ip[16])
{
    if (inet_pton(family, text, ip) == 1)
        return true;
    refuse("'%s' is no IPv%d address", text, family == AF_INET ? 4 : 6);
    return false;
}

static void take_number(struct client_conf *conf, int option, const char *name, const char *text)
{
    const int64_t hour_ms = 3600000;

    switch (option) {
    case OPT_VLAN:
        conf->path.vlan = (uint16_t)number(name, text, 1, 4094);
        break;
    case OPT_SECONDS:
        conf->seconds = number(name, text, 1, 1000000);
        break;
    case OPT_COUNT:
        conf->count = number(name, text, 1, 1000000000);
        break;
    case OPT_INTERVAL:
        conf->interval_ms = number(name, text, 0, hour_ms);
        break;
    case OPT_RETRY:
        conf->retry_ms = number(name, text, 1, hour_ms);
        break;
    case OPT_TIMEOUT:
        conf->timeout_ms = number(name, text, 1, hour_ms);
        break;
    case OPT_CLIENTS:
        conf->clients = number(name, text, 1, CLIENTS_MAX);
        break;
    case OPT_SIZE:
        conf->size = number(name, text, PROBE_HEAD, WIRE_PAYLOAD_MAX);
        break;
    }
}

static void take(struct client_conf *conf, struct given *given, int option, const char *name)
{
    switch (option) {
    case OPT_SWITCH:
        conf->sw = optarg;
        break;
    case OPT_MAC:
        given->mac = parse_mac(optarg, conf->path.us.mac);
        break;
    case OPT_IP:
        given->ip = parse_address(AF_INET, optarg, conf->path.us.ip);
        break;
    case OPT_TARGET:
        given->target = parse_address(AF_INET, optarg, conf->path.them.ip);
        break;
    case OPT_IP6:
        given->ip6 = parse_address(AF_INET6, optarg, conf->path.us.ip);
        break;
    case OPT_TARGET6:
        given->target6 = parse_address(AF_INET6, optarg, conf->path.them.ip);
        break;
    case OPT_SHARED:
        conf->shared = true;
        break;
    case OPT_HISTORY:
        conf->history = optarg;
        break;
    case OPT_LIVE:
        conf->live = true;
        break;
    case OPT_HELP:
        print_and_exit(help);
        break;
    case OPT_VERSION:
        print_and_exit("remus-simclient " REMUS_VERSION "\n");
        break;
    default:
        take_number(conf, option, name, optarg);
    }
}

static const struct client_mode *find_mode(const char *name)
{
    static const struct client_mode *const modes[] = {&client_counter, &client_echo,
                                                      &client_reflect, &client_ping6};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcmp(modes[i]->name, name) == 0)
            return modes[i];
    refuse("'%s' is no mode", name);
    return NULL;
}

static void complete(struct client_conf *conf, const struct given *given)
{
    if (!conf->sw || !given->mac)
        refuse("--switch and a unicast --mac are needed");
    if ((given->ip || given->target) == (given->ip6 || given->target6) ||
        given->ip != given->target || given->ip6 != given->target6)
        refuse("either --ip and --target or --ip6 and --target6 are needed");
    conf->path.v6 = given->ip6;
    if (conf->mode->v6_only && !conf->path.v6)
        refuse("mode %s needs --ip6 and --target6", conf->mode->name);
    if (conf->interval_ms < 0)
        conf->interval_ms = conf->mode->interval_ms;
    if (!conf->count && !conf->seconds)
        conf->seconds = DEFAULT_SECONDS;
}

void client_parse(int argc, char **argv, struct client_conf *conf)
{
    struct given given = {0};
    int index = 0;

    *conf = (struct client_conf){
        .clients = 4, .retry_ms = 200, .timeout_ms = 10000, .interval_ms = -1, .size = 64};
    for (int c; (c = getopt_long(argc, argv, "", longs, &index)) != -1;) {
        if (c == '?')
            exit(CLIENT_ERROR);
        take(conf, &given, c, longs[index].name);
    }
    if (optind + 1 != argc)
        refuse("exactly one MODE is needed");
    conf->mode = find_mode(argv[optind]);
    complete(conf, &given);
}
