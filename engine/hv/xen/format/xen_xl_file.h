/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_XL_FILE_H
#define REMUS_XEN_XL_FILE_H

#include "engine/hv/xen/format/xen_rec.h"

/**
 * What `xl save` writes before libxl's stream and `xl restore` reads (Xen: tools/xl/xl.h, struct
 * save_file_header; tools/xl/xl_saverestore.c): a header, then as optional data the length and the
 * octets of the VM's configuration. `config`: libxl_domain_config as JSON.
 */
void xen_xl_file_head(struct xen_buf *b, const char *config);

#endif
