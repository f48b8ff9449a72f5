/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_BENCH_CODEC_H
#define REMUS_BENCH_CODEC_H

#include <stdio.h>

/**
 * Measures the page codec on one core, for each kind of content a dirty page may have, and writes
 * one JSON object per kind and line: bench "codec", kind, pages, repetitions; encode, decode
 * page_encode and page_decode; lz4_encode, lz4_decode  plain LZ4 on the same pages, each coded
 * whole; memcpy, digest        the same pages copied, and hashed as for an epoch's digest: the
 * limits. Each of these is {median, min, max} in 1e9 octets of pages per second, or null where
 * there is nothing to decode. ratio and lz4_ratio are coded octets per octet of pages; codings
 * counts the choices. Returns 0, or -1 with errno: no memory, a failed write, or (EPROTO) a page
 * that did not come back.
 */
int bench_codec(FILE *json_out);

#endif
