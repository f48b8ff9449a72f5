/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_FILE_H
#define REMUS_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "engine/base/compiler.h"

/**
 * Reads a whole file of at most `max` bytes into *ret (the caller's to free; a NUL follows the
 * last byte, *len does not count it). -1 with errno; EFBIG when it is longer.
 */
int file_read(const char *path, size_t max, char **ret, size_t *len) MUST_CHECK;

/** Writes all of `len` bytes, whatever write(2) says in between. -1 with errno. */
int file_write_all(int fd, const void *data, size_t len) MUST_CHECK;

/** fsync of a directory: makes creations, renames and removals in it durable. */
int file_sync_dir(const char *path) MUST_CHECK;

/**
 * Creates `path` and what is missing above it with `mode`, durably; existing directories are
 * success.
 */
int file_mkdirs(const char *path, mode_t mode) MUST_CHECK;

/** As file_mkdirs for the directory that `path` is to be created in. */
int file_mkdirs_above(const char *path, mode_t mode) MUST_CHECK;

#endif
