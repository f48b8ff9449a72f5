/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/hv/xen/format/xen_xl_file.h"

#include <string.h>

#define BYTE_ORDER_MARK 0x01020304
#define CONFIG_IS_JSON  (1u << 0)
#define STREAM_IS_V2    (1u << 1)

/* 32 octets, no NUL at the end. What passes it through as text does not leave it as it is. */
static const char magic[32] = "Xen saved domain, xl format\n \0 \r";

void xen_xl_file_head(struct xen_buf *b, const char *config)
{
    uint32_t config_len = (uint32_t)strlen(config) + 1;

    xen_buf_put(b, magic, sizeof(magic));
    xen_buf_u32(b, BYTE_ORDER_MARK);
    xen_buf_u32(b, CONFIG_IS_JSON | STREAM_IS_V2); /* a reader that does not know these refuses */
    xen_buf_u32(b, 0);
    xen_buf_u32(b, sizeof(config_len) + config_len);
    xen_buf_u32(b, config_len);
    xen_buf_put(b, config, config_len);
}
