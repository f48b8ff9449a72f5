/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_REMUSD_H
#define REMUS_REMUSD_H

#include "engine/remusd_conf.h"

/** The parent: control socket, one child per protected VM. `config` (may be NULL) is for children.
 */
int remusd_run(const struct remusd_conf *conf, const char *config);

#endif
