/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_FILEWRITER_IMPL_H
#define REMUS_FILEWRITER_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

/*
 * Between filewriter.c and the process that writes, filewriter_proc.c. To it: blocks of a uint32_t
 * length and as many octets; length 0 says that all of the file has been sent, an end without it
 * that the file is given up. From it: one struct filewriter_report.
 */
#define FILEWRITER_END 0u

struct filewriter_report {
    bool done;
    struct err err; /* unless done */
};

/** The process's whole life. `fd` is its end of the pair. */
_Noreturn void filewriter_proc(int fd, const char *path, bool replace);

#endif
