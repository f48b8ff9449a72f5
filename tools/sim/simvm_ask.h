/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMVM_ASK_H
#define REMUS_SIMVM_ASK_H

#include "tools/sim/simvm_opts.h"

/** Sends one request to a running VM and prints the answer as JSON. The process's exit status. */
int simvm_ask(const struct simvm_opts *opts);

#endif
