/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TESTS_MESSAGE_CHECKS_H
#define REMUS_TESTS_MESSAGE_CHECKS_H

#include "proto/message.h"
#include "tests/unit/proto_samples.h"

/** How a message's codec is tried: out and in again, fields at and past their limits, other
 * lengths. */

static uint8_t buf[WIRE_PAYLOAD_MAX + 4096];
static size_t len;

static struct wcur *writer(void)
{
    static struct wcur w;

    w = (struct wcur){.p = buf, .end = buf + sizeof(buf)};
    return &w;
}

#define PUT(type, m)                                                                               \
    ({                                                                                             \
        struct wcur *w_ = writer();                                                                \
        bool ok_ = msg_##type##_put(w_, (m));                                                      \
        len = (size_t)(w_->p - buf);                                                               \
        ok_;                                                                                       \
    })

/** Reads the first `n` octets of buf from a block of exactly that size. */
#define GET_N(type, m, n)                                                                          \
    ({                                                                                             \
        size_t n_ = (n);                                                                           \
        uint8_t *exact_ = test_malloc(n_ + 1);                                                     \
        memcpy(exact_ + 1, buf, n_);                                                               \
        struct rcur r_ = {.p = exact_ + 1, .end = exact_ + 1 + n_};                                \
        bool ok_ = msg_##type##_get(&r_, (m));                                                     \
        test_free(exact_);                                                                         \
        ok_;                                                                                       \
    })
#define GET(type, m) GET_N(type, m, len)

/** Of what was put last, every other length is refused. */
#define ONLY_THIS_LENGTH(type, m)                                                                  \
    do {                                                                                           \
        for (size_t cut_ = 0; cut_ < len; cut_++)                                                  \
            assert_false(GET_N(type, m, cut_));                                                    \
        buf[len] = 0;                                                                              \
        assert_false(GET_N(type, m, len + 1));                                                     \
    } while (0)

/** A field out of range is neither written nor read. `at` is its place, `octets` its width. */
static void poke(size_t at, unsigned octets, uint64_t v)
{
    for (unsigned i = 0; i < octets; i++)
        buf[at + i] = (uint8_t)(v >> (8 * i));
}

#define REFUSED(type, good, field, bad, at, octets)                                                \
    do {                                                                                           \
        __typeof__(good) m_ = (good);                                                              \
        m_.field = (bad);                                                                          \
        assert_false(PUT(type, &m_));                                                              \
        m_ = (good);                                                                               \
        assert_true(PUT(type, &m_));                                                               \
        poke((at), (octets), (uint64_t)(bad));                                                     \
        assert_false(GET(type, &m_));                                                              \
    } while (0)

#define ACCEPTED(type, good, field, value)                                                         \
    do {                                                                                           \
        __typeof__(good) m_ = (good), got_;                                                        \
        m_.field = (value);                                                                        \
        assert_true(PUT(type, &m_));                                                               \
        assert_true(GET(type, &got_));                                                             \
        assert_true(got_.field == m_.field);                                                       \
    } while (0)

#endif
