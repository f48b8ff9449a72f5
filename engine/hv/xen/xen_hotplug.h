/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_HOTPLUG_H
#define REMUS_XEN_HOTPLUG_H

/** What the daemons and the hotplug program vif-remus tell each other. */

/**
 * A bridge that is never up. What a member receives goes to packet sockets and no further, so dom0
 * neither sees nor answers a frame of a guest whose interface was taken. It stays there until it is
 * given back, whatever a hotplug program is told meanwhile.
 */
#define XEN_HOLD_BRIDGE "remus-hold"

/** Below the interface's backend in xenstore: the bridge that a taken interface goes back to. */
#define XEN_KEY_BRIDGE "remus-bridge"

/**
 * /libxl/DOMID/...: the bridge of a domain that is being activated, in place of the one in its
 * configuration, which is the primary's. Removed when it runs.
 */
#define XEN_KEY_ACTIVATE_BRIDGE "remus/activate-bridge"

#endif
