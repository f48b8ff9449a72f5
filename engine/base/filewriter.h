/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_FILEWRITER_H
#define REMUS_FILEWRITER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * A large file, written by a process of its own so that a slow disk never blocks an event loop.
 * It has mode 0600 and gets its name only once it is complete and durable. Until then it is called
 * PATH.partial-XXXXXX, and is removed when writing fails, when it is given up, and when the
 * process that fills it dies.
 */
struct filewriter;

struct filewriter_ops {
    /** Little is left to write: call filewriter_put or filewriter_finish. */
    void (*room)(void *arg);
    /** Called once: the file is in place (NULL), or it is not and never will be. Then call
     * filewriter_free. */
    void (*end)(const struct err *err, void *arg);
};

/**
 * `path` is absolute. `replace`: it may be a regular file that is there already. Makes the process
 * ignore SIGPIPE. NULL with errno and `err`; what is wrong with the path comes later, by `end`.
 */
struct filewriter *filewriter_new(struct event_base *base, const char *path, bool replace,
                                  const struct filewriter_ops *ops, void *arg,
                                  struct err *err) MUST_CHECK;

/** Takes over `data` (malloc), at least one octet. -1 with errno=ENOMEM, `data` freed. */
int filewriter_put(struct filewriter *w, void *data, size_t len) MUST_CHECK;

/** Octets put that the other process has not taken yet. */
size_t filewriter_queued(const struct filewriter *w);

/** All is put: `end` will tell. -1 with errno=ENOMEM. */
int filewriter_finish(struct filewriter *w) MUST_CHECK;

/** Before `end` was called: gives the file up, without waiting for its removal. NULL is allowed. */
void filewriter_free(struct filewriter *w);

#endif
