/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/bench_codec.h"
#include "bench/bench_rig.h"

static int pass_on(struct bench *b, FILE *lines, struct err *err)
{
    json_t *line;

    while ((line = json_loadf(lines, JSON_DISABLE_EOF_CHECK, NULL))) {
        printf("%-10s %7.2f %7.2f %9.2f %9.2f %8.2f %7.2f %9.4f %9.4f\n",
               json_string_value(json_object_get(line, "kind")),
               rig_number(line, "encode", "median"), rig_number(line, "decode", "median"),
               rig_number(line, "lz4_encode", "median"), rig_number(line, "lz4_decode", "median"),
               rig_number(line, "digest", "median"), rig_number(line, "memcpy", "median"),
               rig_number(line, "ratio", NULL), rig_number(line, "lz4_ratio", NULL));
        if (bench_emit(b, line, err) < 0)
            return -1;
    }
    return 0;
}

int bench_codec_kinds(struct bench *b, struct err *err)
{
    FILE *lines = tmpfile();

    if (!lines)
        return err_errno(err, "", "a temporary file");
    printf("content     encode  decode LZ4 enc.  LZ4 dec.   digest  memcpy     ratio LZ4 ratio "
           "(GB/s)\n");
    int rc = bench_codec(lines) < 0 ? err_errno(err, "", "codec") : 0;
    rewind(lines);
    if (rc == 0)
        rc = pass_on(b, lines, err);
    fclose(lines);
    return rc;
}
