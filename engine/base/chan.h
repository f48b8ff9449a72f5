/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_CHAN_H
#define REMUS_CHAN_H

#include <event2/event.h>
#include <jansson.h>

#include "engine/base/compiler.h"

/**
 * Messages between a daemon and its VM children: one JSON object per SOCK_SEQPACKET message, with
 * at most one descriptor attached.
 */
#define CHAN_MESSAGE_MAX 65536

struct chan;

/** `message` (an object) is borrowed. `fd` is -1 or the callee's to close. May call chan_free. */
typedef void (*chan_message_cb)(struct chan *chan, json_t *message, int fd, void *arg);

/** The other end is gone; told once. The callee may call chan_free. */
typedef void (*chan_closed_cb)(struct chan *chan, void *arg);

/**
 * Takes over `fd` (made non-blocking and close-on-exec). NULL with errno on failure, `fd` then
 * still the caller's.
 */
struct chan *chan_new(struct event_base *base, int fd, chan_message_cb on_message,
                      chan_closed_cb on_closed, void *arg);
void chan_free(struct chan *chan); /* NULL is allowed */

/**
 * Sends `message` (borrowed) and `fd` (-1: none; stays the caller's). -1 with errno; EAGAIN when
 * the other side does not read: the caller decides whether the message matters.
 */
int chan_send(struct chan *chan, const json_t *message, int fd) MUST_CHECK;

/**
 * Delivers everything that has arrived and the end if it is there, without waiting for the loop.
 * For whoever just learned that the other side is dead and wants its last words first.
 */
void chan_drain(struct chan *chan);

/**
 * fork + exec of /proc/self/exe with `argv` (argv[0] included, NULL-ended); the child finds its end
 * of a SEQPACKET pair as descriptor CHAN_CHILD_FD and nothing else above stderr. The child gets
 * SIGKILL'ed by nobody: it sees EOF when the parent dies. *ret_fd is the parent's end.
 * Returns the pid or -1 with errno.
 */
pid_t chan_spawn_self(char *const argv[], int *ret_fd) MUST_CHECK;
#define CHAN_CHILD_FD 3

#endif
