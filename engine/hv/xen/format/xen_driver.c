/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The first version that keeps what a checkpoint needs. */
static const struct {
    unsigned long major, minor;
} oldest = {0, 1};

/* Digits only, as strtoul alone would not have it. */
static bool number(const char *text, const char **end, unsigned long *ret)
{
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret = strtoul(text, (char **)end, 10);
    return errno == 0;
}

static bool parse_port(const char *text, uint32_t *ret)
{
    const char *end;
    unsigned long port;

    if (!number(text, &end, &port) || *end || port == 0 || port >= XEN_PORT_MAX)
        return false;
    *ret = (uint32_t)port;
    return true;
}

static bool parse_version(const char *text, unsigned long *major, unsigned long *minor)
{
    return strlen(text) < HV_VERSION_MAX && strspn(text, "0123456789.") == strlen(text) &&
           number(text, &text, major) && *text == '.' && number(text + 1, &text, minor);
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text ? text : ""; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        if (len == n && memcmp(at, word, n) == 0)
            return true;
        at += len;
    }
    return false;
}

static const char *refusal(enum hv_suspend suspend, const struct xen_driver_says *says,
                           uint32_t *ret_port)
{
    unsigned long major, minor;

    if (suspend == HV_SUSPEND_COOPERATIVE)
        return "suspend = cooperative";
    if (!says->port || !*says->port)
        return "there is no driver in the guest";
    if (!parse_port(says->port, ret_port))
        return "the guest's driver names no event channel";
    if (!says->version || !parse_version(says->version, &major, &minor))
        return "the guest's driver tells no version";
    if (major < oldest.major || (major == oldest.major && minor < oldest.minor))
        return "the guest's driver is too old";
    if (!has_word(says->capabilities, "restore"))
        return "the guest's driver does not outlive a failover";
    return NULL;
}

struct xen_driver_choice xen_driver_choose(enum hv_suspend suspend,
                                           const struct xen_driver_says *says)
{
    struct xen_driver_choice c = {0};

    c.why = refusal(suspend, says, &c.port);
    if (c.why)
        return c;
    c.use = true;
    c.plain = has_word(says->capabilities, "plain-resume");
    c.refuses = has_word(says->capabilities, "refusal");
    strcpy(c.version, says->version);
    return c;
}
