/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/digest.h"

#include <stdlib.h>
#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h> /* same values, computed with the widest vectors the CPU has */
#endif

struct digest {
    XXH3_state_t *xxh; /* its library allocates it, for the alignment */
};

struct digest *digest_new(void)
{
    struct digest *d = malloc(sizeof(*d));

    if (!d)
        return NULL;
    d->xxh = XXH3_createState();
    if (!d->xxh) {
        free(d);
        return NULL;
    }
    XXH3_128bits_reset(d->xxh);
    return d;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    XXH3_freeState(d->xxh);
    free(d);
}

static void put_le(uint8_t *p, uint64_t v, unsigned octets)
{
    for (unsigned i = 0; i < octets; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

void digest_reset(struct digest *d, uint64_t generation, uint64_t epoch)
{
    uint8_t head[16];

    put_le(head, generation, 8);
    put_le(head + 8, epoch, 8);
    XXH3_128bits_reset(d->xxh);
    XXH3_128bits_update(d->xxh, head, sizeof(head));
}

void digest_page(struct digest *d, uint64_t pfn, const uint8_t *page)
{
    uint8_t head[9] = {'P'};

    put_le(head + 1, pfn, 8);
    XXH3_128bits_update(d->xxh, head, sizeof(head));
    XXH3_128bits_update(d->xxh, page, WIRE_PAGE_SIZE);
}

static void tagged(struct digest *d, uint8_t tag, const void *data, size_t len)
{
    uint8_t head[5] = {tag};

    put_le(head + 1, len, 4);
    XXH3_128bits_update(d->xxh, head, sizeof(head));
    if (len)
        XXH3_128bits_update(d->xxh, data, len);
}

void digest_state(struct digest *d, const void *state, size_t len)
{
    tagged(d, 'S', state, len);
}

void digest_frame(struct digest *d, const void *frame, size_t len)
{
    tagged(d, 'F', frame, len);
}

void digest_final(const struct digest *d, uint8_t ret[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(d->xxh));
    memcpy(ret, canonical.digest, sizeof(canonical.digest));
}

void digest_image_reset(struct digest *d)
{
    XXH3_128bits_reset(d->xxh);
    XXH3_128bits_update(d->xxh, "I", 1);
}

void digest_image_page(struct digest *d, const uint8_t *page)
{
    XXH3_128bits_update(d->xxh, page, WIRE_PAGE_SIZE);
}
