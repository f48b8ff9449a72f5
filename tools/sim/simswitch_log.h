/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_SIMSWITCH_LOG_H
#define REMUS_SIMSWITCH_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/** The lines that simswitch.h describes. `frame` has a vnet header and at least an Ethernet header.
 */
void simswitch_log_frame(FILE *log, uint32_t port, const uint8_t *frame, size_t len);
void simswitch_log_port(FILE *log, uint32_t port, const char *event, pid_t pid);

#endif
