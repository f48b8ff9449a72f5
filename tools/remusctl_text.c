/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/remusctl_text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/compiler.h"

void text_clean(char *s)
{
    for (unsigned char *p = (unsigned char *)s; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080..U+009F */
            p[0] = p[1] = '?';
    }
}

struct text text_of(const char *fmt, ...)
{
    struct text t;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t.s, sizeof(t.s), fmt, ap);
    va_end(ap);
    text_clean(t.s);
    return t;
}

static bool number(const json_t *object, const char *key, double *ret)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return false;
    *ret = json_number_value(value);
    return true;
}

struct text text_str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return text_of("%s", s && *s ? s : "-");
}

struct text text_num(const json_t *object, const char *key, int decimals)
{
    double value;
    return number(object, key, &value) ? text_of("%.*f", decimals, value) : text_of("-");
}

struct text text_bytes(const json_t *object, const char *key)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value;
    size_t i = 0;

    if (!number(object, key, &value))
        return text_of("-");
    while (value >= 1024 && i + 1 < ARRAY_LEN(unit)) {
        value /= 1024;
        i++;
    }
    return text_of("%.*f %s", i == 0 || value >= 100 ? 0 : 1, value, unit[i]);
}

struct text text_ms(const json_t *object, const char *key)
{
    double ms;
    if (!number(object, key, &ms))
        return text_of("-");
    if (ms < 1000)
        return text_of("%.0f ms", ms);
    if (ms < 120e3)
        return text_of("%.1f s", ms / 1000);
    if (ms < 7200e3)
        return text_of("%.0f min", ms / 60e3);
    return text_of("%.0f h", ms / 3600e3);
}

struct text text_us_as_ms(const json_t *stats, const char *key)
{
    double us;
    return number(stats, key, &us) ? text_of("%.2f", us / 1000) : text_of("-");
}

struct line {
    bool note;
    struct text *cells;
};

struct table {
    size_t columns, lines, room;
    struct line *line;
};

static void *need(void *memory)
{
    if (memory)
        return memory;
    fputs("remusctl: out of memory\n", stderr);
    exit(1);
}

struct table *table_new(size_t columns)
{
    struct table *t = need(calloc(1, sizeof(*t)));
    t->columns = columns;
    return t;
}

static void add_line(struct table *t, bool note, const struct text *cells, size_t n)
{
    if (t->lines == t->room) {
        t->room = t->room ? 2 * t->room : 16;
        t->line = need(reallocarray(t->line, t->room, sizeof(*t->line)));
    }
    struct line *line = &t->line[t->lines++];
    line->note = note;
    line->cells = need(calloc(n, sizeof(*cells)));
    memcpy(line->cells, cells, n * sizeof(*cells));
}

void table_row(struct table *t, const struct text *cells)
{
    add_line(t, false, cells, t->columns);
}

void table_note(struct table *t, const struct text *note)
{
    add_line(t, true, note, 1);
}

/* Code points, not octets. */
static size_t width_of(const char *s)
{
    size_t width = 0;
    for (; *s; s++)
        width += ((unsigned char)*s & 0xc0) != 0x80;
    return width;
}

static size_t column_width(const struct table *t, size_t column)
{
    size_t width = 0;
    for (size_t i = 0; i < t->lines; i++) {
        size_t w = t->line[i].note ? 0 : width_of(t->line[i].cells[column].s);
        width = w > width ? w : width;
    }
    return width;
}

static void print_row(const struct table *t, const struct line *line, const size_t *width)
{
    for (size_t c = 0; c + 1 < t->columns; c++) {
        size_t pad = width[c] - width_of(line->cells[c].s) + 2;
        printf("%s%*s", line->cells[c].s, (int)pad, "");
    }
    puts(line->cells[t->columns - 1].s);
}

void table_print(struct table *t)
{
    size_t *width = need(calloc(t->columns, sizeof(*width)));
    for (size_t c = 0; c < t->columns; c++)
        width[c] = column_width(t, c);
    for (size_t i = 0; i < t->lines; i++) {
        if (t->line[i].note)
            puts(t->line[i].cells[0].s);
        else
            print_row(t, &t->line[i], width);
        free(t->line[i].cells);
    }
    fflush(stdout);
    free(width);
    free(t->line);
    free(t);
}
