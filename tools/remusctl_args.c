/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/remusctl_args.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT_MS 30000
#define TIMEOUT_MAX_S      86400

struct parse {
    struct ctl_args *args;
    const struct ctl_command *table, *command;
    int words;
};

int ctl_usage_error(const char *hint, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("remusctl: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    if (hint)
        fprintf(stderr, "  hint: %s\n", hint);
    return CTL_USAGE;
}

static bool parse_int(const char *text, int min, int max, int *ret)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < min || value > max)
        return false;
    *ret = (int)value;
    return true;
}

static void set_timeout(struct argp_state *state, struct ctl_args *args, const char *text)
{
    int seconds;
    if (!parse_int(text, 0, TIMEOUT_MAX_S, &seconds))
        argp_error(state, "--timeout %s: seconds from 0 (for ever) to %d", text, TIMEOUT_MAX_S);
    else
        args->timeout_ms = seconds ? seconds * 1000 : -1;
    args->timeout_given = true;
}

static error_t parse_global(int key, char *value, struct argp_state *state)
{
    struct ctl_args *args = ((struct parse *)state->input)->args;
    switch (key) {
    case OPT_SOCKET:
        args->socket = value;
        return 0;
    case OPT_BACKUP:
        args->backup = true;
        return 0;
    case OPT_JSON:
        args->json = true;
        return 0;
    case OPT_TIMEOUT:
        set_timeout(state, args, value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_word(struct parse *parse, char *value, struct argp_state *state)
{
    if (parse->words == parse->command->words_max) {
        argp_error(state, "unexpected argument: %s", value);
        return EINVAL;
    }
    if (!*value)
        argp_error(state, "%s is empty", parse->words ? "FILE" : "VM");
    if (parse->words++)
        parse->args->file = value;
    else
        parse->args->vm = value;
    return 0;
}

static void set_epoch(struct ctl_args *args, const char *text)
{
    if (!parse_int(text, 1, 10000, &args->epoch_ms))
        exit(ctl_usage_error("--epoch takes milliseconds from 1 to 10000; 25 is usual",
                             "epoch length %s ms is out of range", text));
}

static error_t parse_command_option(int key, char *value, struct argp_state *state)
{
    struct parse *parse = state->input;
    struct ctl_args *args = parse->args;
    switch (key) {
    case OPT_TO:
        args->to = value;
        return 0;
    case OPT_EPOCH:
        set_epoch(args, value);
        return 0;
    case OPT_HOLD:
        args->hold = value;
        return 0;
    case OPT_SUSPEND:
        args->suspend = value;
        return 0;
    case OPT_UNSAFE:
        args->unsafe = true;
        return 0;
    case OPT_WAIT:
        args->wait = true;
        return 0;
    case OPT_FORCE:
        args->force = true;
        return 0;
    case OPT_WATCH:
        args->watch = true;
        return 0;
    case OPT_FOLLOW:
        args->follow = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_command(int key, char *value, struct argp_state *state)
{
    struct parse *parse = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case ARGP_KEY_ARG:
        return parse_word(parse, value, state);
    case ARGP_KEY_END:
        if (parse->words < parse->command->words_min)
            argp_error(state,
                       parse->words ? "name the file to write" : "name a VM, by name or by UUID");
        return 0;
    default:
        return parse_command_option(key, value, state);
    }
}

static const struct argp_option global_options[] = {
    {"socket", OPT_SOCKET, "PATH", 0, "Talk to the daemon at this Unix socket", 0},
    {"backup", OPT_BACKUP, NULL, 0, "Talk to backupd instead of remusd", 0},
    {"json", OPT_JSON, NULL, 0, "Print JSON instead of text", 0},
    {"timeout", OPT_TIMEOUT, "S", 0,
     "Wait S seconds for a reply; 0: for ever (default 30; unprotect: 90)", 0},
    {0},
};
static const struct argp global_argp = {global_options, parse_global, NULL, NULL, NULL, NULL, NULL};

/* The words after the command's name, with the command's own options. */
static void parse_rest(struct parse *parse, int argc, char **argv)
{
    static const struct argp_child children[] = {{&global_argp, 0, "Options of every command:", 1},
                                                 {0}};
    const struct ctl_command *c = parse->command;
    const struct argp argp = {c->options, parse_command, c->args_doc, c->doc, children, NULL, NULL};
    static char name[64];
    snprintf(name, sizeof(name), "remusctl %s", c->name);
    argv[0] = name;
    argp_parse(&argp, argc, argv, 0, NULL, parse);
}

static error_t choose_command(struct parse *parse, char *name, struct argp_state *state)
{
    for (const struct ctl_command *c = parse->table; c->name; c++) {
        if (strcmp(c->name, name) != 0)
            continue;
        parse->command = c;
        parse_rest(parse, state->argc - state->next + 1, &state->argv[state->next - 1]);
        state->next = state->argc;
        return 0;
    }
    argp_error(state, "no such command: %s", name);
    return EINVAL;
}

static error_t parse_top(int key, char *value, struct argp_state *state)
{
    struct parse *parse = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        return choose_command(parse, value, state);
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a command");
        return EINVAL;
    default:
        return parse_global(key, value, state);
    }
}

const struct ctl_command *ctl_args_parse(int argc, char **argv, const struct ctl_command *table,
                                         const char *doc, struct ctl_args *ret)
{
    struct parse parse = {.args = ret, .table = table};
    const struct argp argp = {global_options, parse_top, "COMMAND [ARGUMENT...]", doc, NULL,
                              NULL,           NULL};

    *ret = (struct ctl_args){.timeout_ms = TIMEOUT_DEFAULT_MS};
    argp_err_exit_status = CTL_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &parse);
    return parse.command;
}
