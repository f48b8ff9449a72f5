/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/hv/hv_fault.h"

#define RULES_MAX 32
#define ERRNO_MAX 134

struct rule {
    char op[24];
    unsigned nth; /* 0: every call */
    int error;
    unsigned calls;
};

/* One per process, as the file is. */
static struct {
    struct rule rule[RULES_MAX];
    size_t count;
    unsigned bad_line; /* 0: all lines are good */
    struct stat seen;
} plan;

static int errno_of(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end > text && !*end)
        return number > 0 && number < ERRNO_MAX ? (int)number : 0;
    for (int e = 1; e < ERRNO_MAX; e++) {
        const char *name = strerrorname_np(e);
        if (name && strcmp(name, text) == 0)
            return e;
    }
    return 0;
}

/* One line without comment; an empty one adds no rule. */
static bool add_rule(const char *line)
{
    char op[24], word[2][24];
    int n = sscanf(line, "%23s %23s %23s", op, word[0], word[1]);

    if (n <= 0)
        return true;
    if (n == 1 || plan.count == RULES_MAX)
        return false;
    struct rule *r = &plan.rule[plan.count++];
    *r = (struct rule){.error = errno_of(word[n - 2])};
    memcpy(r->op, op, sizeof(op));
    if (n == 3)
        r->nth = (unsigned)strtoul(word[0], NULL, 10);
    return r->error && (n == 2 || r->nth);
}

static void parse(FILE *from)
{
    char line[128];
    unsigned number = 0;

    plan.count = 0;
    plan.bad_line = 0;
    while (fgets(line, sizeof(line), from)) {
        number++;
        line[strcspn(line, "#\n")] = '\0';
        if (!add_rule(line) && !plan.bad_line)
            plan.bad_line = number;
    }
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void refresh(void)
{
    const char *path = getenv("REMUS_HV_FAULT_FILE");
    FILE *from = path ? fopen(path, "re") : NULL;
    struct stat now;

    if (!from) {
        memset(&plan, 0, sizeof(plan));
        return;
    }
    if (fstat(fileno(from), &now) == 0 && !same(&now, &plan.seen)) {
        parse(from);
        plan.seen = now;
    }
    fclose(from);
}

int hv_fault_due(const char *op, struct err *err)
{
    refresh();
    errno = EINVAL;
    if (plan.bad_line)
        return err_set(err, "", "REMUS_HV_FAULT_FILE: line %u is wrong", plan.bad_line);
    for (size_t i = 0; i < plan.count; i++) {
        struct rule *r = &plan.rule[i];
        if (strcmp(r->op, op) != 0)
            continue;
        r->calls++;
        if (r->nth && r->calls != r->nth)
            continue;
        errno = r->error;
        return err_errno(err, "", "fault injected into %s", op);
    }
    return 0;
}
