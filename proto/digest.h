/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_DIGEST_H
#define REMUS_DIGEST_H

#include "proto/wire.h"

/**
 * XXH3-128 over an epoch's decoded content, in stream order: it guards against errors of codec,
 * delta base and transport, not against an attacker (that is TLS' work). Each element is prefixed
 * so that elements cannot be confused: see docs/protocol.md, "Epoch digest".
 */
struct digest;

struct digest *digest_new(void); /* NULL: no memory */
void digest_free(struct digest *d);
void digest_reset(struct digest *d, uint64_t generation, uint64_t epoch);
void digest_page(struct digest *d, uint64_t pfn, const uint8_t *page);
void digest_state(struct digest *d, const void *state, size_t len);
void digest_frame(struct digest *d, const void *frame, size_t len);
void digest_final(const struct digest *d, uint8_t ret[16]);

/** Digest of a whole image: page 0..n-1 in order (holes are zero pages). */
void digest_image_reset(struct digest *d);
void digest_image_page(struct digest *d, const uint8_t *page);

#endif
