/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/compiler.h"
#include "engine/base/log.h"

#define RULES_MAX     16
#define RULE_TEXT_MAX 128

enum fault_action { ACTION_KILL, ACTION_KILL_PID, ACTION_FAIL, ACTION_SLEEP_MS };

struct rule {
    enum fault_point point;
    enum fault_action action;
    long arg;
    long nth, hits;
};

static const char *const point_names[] = {
#define X(name) #name,
    FAULT_POINTS(X)
#undef X
};

static const struct {
    const char *name;
    bool takes_arg;
} actions[] = {
    [ACTION_KILL] = {"kill", false},
    [ACTION_KILL_PID] = {"kill-pid", true},
    [ACTION_FAIL] = {"fail", false},
    [ACTION_SLEEP_MS] = {"sleep-ms", true},
};

static struct rule rules[RULES_MAX];
static size_t rule_count;
static bool armed[FAULT_POINT_COUNT];
static bool begun;            /* hits count */
static enum fault_point from; /* the point that begins it */

static int parse_positive(const char *text, long *ret)
{
    char *end;

    errno = 0;
    *ret = strtol(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || *ret < 1 || *ret > INT32_MAX)
        return -1;
    return 0;
}

static int parse_point(const char *text, enum fault_point *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(point_names); i++) {
        if (strcmp(text, point_names[i]) == 0) {
            *ret = (enum fault_point)i;
            return 0;
        }
    }
    return -1;
}

/* "ACTION" or "ACTION=ARG" */
static int parse_action(char *text, struct rule *rule)
{
    char *arg = strchr(text, '=');

    if (arg)
        *arg++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (strcmp(text, actions[i].name) != 0)
            continue;
        rule->action = (enum fault_action)i;
        if (actions[i].takes_arg != (arg != NULL))
            return -1;
        return arg ? parse_positive(arg, &rule->arg) : 0;
    }
    return -1;
}

/* "NAME[:NTH[:ACTION[=ARG]]]" */
static int parse_rule(char *text, struct rule *rule)
{
    char *nth = strchr(text, ':');
    char *action = NULL;

    *rule = (struct rule){.action = ACTION_KILL, .nth = 1};
    if (nth) {
        *nth++ = '\0';
        action = strchr(nth, ':');
        if (action)
            *action++ = '\0';
    }
    if (parse_point(text, &rule->point) || (nth && parse_positive(nth, &rule->nth)))
        return -1;
    return action ? parse_action(action, rule) : 0;
}

static int add_rule(const char *text, size_t len)
{
    char copy[RULE_TEXT_MAX];

    if (len >= sizeof(copy) || rule_count == RULES_MAX)
        return -1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (parse_rule(copy, &rules[rule_count]))
        return -1;
    armed[rules[rule_count].point] = true;
    rule_count++;
    return 0;
}

static int init_from(void)
{
    const char *text = getenv("REMUS_FAULT_FROM");

    begun = !text;
    if (!text || parse_point(text, &from) == 0)
        return 0;
    log_errx("REMUS_FAULT_FROM: \"%s\" is no known name (--list-faults lists names)", text);
    return -1;
}

int fault_init(void)
{
    const char *text = getenv("REMUS_FAULT");

    rule_count = 0;
    memset(armed, 0, sizeof(armed));
    if (init_from())
        return -1;
    while (text && *text) {
        size_t len = strcspn(text, ",");
        if (add_rule(text, len)) {
            log_errx("REMUS_FAULT: \"%.*s\" is not NAME[:NTH[:ACTION[=ARG]]] with a known name and "
                     "action, or one more than %d (--list-faults lists names)",
                     (int)len, text, RULES_MAX);
            return -1;
        }
        text += len;
        text += *text == ',';
    }
    return 0;
}

static void sleep_ms(long ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

/* Among all processes that share the file of REMUS_FAULT_ONCE, or no such file is named. */
static bool first_to_fire(void)
{
    const char *path = getenv("REMUS_FAULT_ONCE");

    if (!path)
        return true;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        return close(fd) == 0;
    if (errno != EEXIST)
        log_warn("REMUS_FAULT_ONCE: %s", path);
    return false;
}

static bool fire(const struct rule *rule)
{
    if (!first_to_fire())
        return false;
    log_warnx("fault point %s: %s", point_names[rule->point], actions[rule->action].name);
    switch (rule->action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        return false;
    case ACTION_KILL_PID:
        if (kill((pid_t)rule->arg, SIGKILL))
            log_warn("fault point %s: kill %ld", point_names[rule->point], rule->arg);
        return false;
    case ACTION_SLEEP_MS:
        sleep_ms(rule->arg);
        return false;
    case ACTION_FAIL:
        return true;
    }
    return false;
}

bool fault_hit(enum fault_point point)
{
    bool fail = false;
    int saved = errno;

    if (!begun && point == from)
        begun = true;
    if (!begun || !armed[point])
        return false;
    for (size_t i = 0; i < rule_count; i++) {
        if (rules[i].point == point && ++rules[i].hits == rules[i].nth)
            fail |= fire(&rules[i]);
    }
    errno = saved;
    return fail;
}

void fault_list(FILE *to)
{
    for (size_t i = 0; i < ARRAY_LEN(point_names); i++)
        fprintf(to, "%s\n", point_names[i]);
}
