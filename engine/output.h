/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_OUTPUT_H
#define REMUS_OUTPUT_H

#include <event2/event.h>

#include "engine/hv/hv.h"
#include "engine/net/addrs.h"
#include "engine/net/frameq.h"
#include "engine/net/port.h"
#include "proto/wire.h"

/**
 * The guest's frames at the primary (I1). While taken, every frame the guest sends is tagged with
 * the epoch in progress and waits here: for its epoch's records (hold=backup) or for the seal
 * (hold=primary). With hold=none the interface is never taken. A frame not yet read at the cut
 * counts to the next epoch, which only delays it.
 */
struct output {
    struct event_base *base;
    enum wire_hold hold;
    char net[HV_NET_MAX]; /* where the guest's network is reached from this host */
    struct hv_vm *vm;
    struct port *nic, *outside;
    struct event *nic_ev, *outside_ev;
    bool taken; /* the interface is off its own network, whether `nic` is open or not */
    struct frameq held;
    struct addrs addrs;
    uint64_t epoch; /* the one in progress: frames read now belong to it */
    uint64_t sent_frames, out_dropped, in_frames, in_dropped;
    void (*on_trouble)(const char *text, void *arg);
    void *trouble_arg;
    bool mute; /* the last frame could not leave by `outside`, nor can the next one */
    uint8_t buf[PORT_FRAME_MAX];
};

void output_init(struct output *o, struct event_base *base, struct hv_vm *vm, enum wire_hold hold,
                 const struct hv_info *info, size_t held_limit);

/**
 * `fn` is told what is wrong with the port outside, in words, and NULL when it works again. Taking
 * and giving back the interface end such trouble as well, without a call.
 */
void output_on_trouble(struct output *o, void (*fn)(const char *text, void *arg), void *arg);

/**
 * Takes the interface (and opens the port outside, unless frames travel to the backup); from here
 * on frames are held. 0 when it was taken already, or when nothing is held at all.
 */
int output_take(struct output *o, struct err *err) MUST_CHECK;

/** Gives the interface back to its own network; held frames are dropped and counted. */
int output_give(struct output *o, struct err *err) MUST_CHECK;

/** Closes without giving back: the guest is left without network. */
void output_close(struct output *o);

/** The frame stream is cut: what is read from now on belongs to the epoch after `epoch`. */
void output_cut(struct output *o, uint64_t epoch);

/** hold=primary: lets at most `most` frames of epochs <= `sealed` out. Returns how many left. */
size_t output_release(struct output *o, uint64_t sealed, size_t most);

/** A frame for the guest; dropped and counted when the guest is not taking any. */
void output_inject(struct output *o, const void *frame, size_t len);

#endif
