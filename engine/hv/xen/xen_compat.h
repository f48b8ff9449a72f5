/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN_COMPAT_H
#define REMUS_XEN_COMPAT_H

/**
 * The only place that includes Xen's headers, and where differences between Xen 4.17 and 4.20 are
 * settled. What this backend uses has the same form in all of them: domains are listed by
 * xc_domain_getinfolist (xc_domain_getinfo is gone from 4.18 on), page types are read by the
 * hypercall itself (libxc exports its wrapper but does not declare it), as are a domain's
 * information and CPU state and the plain resume (libxc's functions take longer), and libxl's
 * interface is pinned below. libxc's own interface is not stable: build against the release that
 * runs.
 */
#define LIBXL_API_VERSION 0x041400

#include <libxl.h>
#include <libxl_utils.h>
#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenguest.h>
#include <xenstore.h>
#include <xentoollog.h>

#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>

#endif
