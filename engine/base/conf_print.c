/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/base/conf.h"

#include <inttypes.h>

void conf_print(const struct conf_key *keys, const void *conf, FILE *to)
{
    for (; keys->name; keys++) {
        const void *field = (const char *)conf + keys->offset;

        fprintf(to, "# %s\n%s = ", keys->help, keys->name);
        switch (keys->type) {
        case CONF_INT:
            fprintf(to, "%" PRId64 "\n", *(const int64_t *)field);
            break;
        case CONF_STR:
            fprintf(to, "%s\n", (const char *)field);
            break;
        case CONF_BOOL:
            fprintf(to, "%s\n", *(const int *)field ? "yes" : "no");
            break;
        case CONF_CHOICE:
            fprintf(to, "%s\n", keys->choices[*(const int *)field]);
            break;
        }
    }
}
