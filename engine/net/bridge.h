/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BRIDGE_H
#define REMUS_BRIDGE_H

#include <net/if.h>
#include <stdbool.h>

#include "engine/base/compiler.h"
#include "engine/base/err.h"

/**
 * The kernel's bridges and their members, by ioctl and sysfs: no program is started. Functions
 * return -1 with errno and `err`.
 */

/** The bridge that interface `name` is a member of now. False: of none. */
bool bridge_of(const char *name, char bridge[IFNAMSIZ]);

bool bridge_is(const char *name);

/** Makes bridge `name`, down, unless it is there. */
int bridge_make(const char *name, struct err *err) MUST_CHECK;

/** From whatever bridge `name` is on to `bridge`; on -1 it is where it was. */
int bridge_move(const char *name, const char *bridge, struct err *err) MUST_CHECK;

/**
 * Sets interface `name` up as a port of `bridge` should be that carries a guest's frames only: with
 * the bridge's MTU, and so that this host has no address there and says nothing.
 */
int bridge_port_up(const char *name, const char *bridge, struct err *err) MUST_CHECK;

/** Gives an interface that is down another name. Success when it has it already; EEXIST. */
int bridge_port_rename(const char *name, const char *to, struct err *err) MUST_CHECK;

/** Off its bridge, and down. Success when it is gone. */
int bridge_port_down(const char *name, struct err *err) MUST_CHECK;

#endif
