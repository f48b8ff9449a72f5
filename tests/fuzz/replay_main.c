/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/**
 * Stands in for libFuzzer where that is not to be had: gives every file named, and every file in a
 * directory named, to a fuzz target once. A target that finds something does not return.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count;
static int failed;

static uint8_t *read_file(const char *path, size_t *ret_size)
{
    struct stat st;
    FILE *f = fopen(path, "rb");

    if (!f)
        return NULL;
    uint8_t *data = NULL;
    if (fstat(fileno(f), &st) == 0 && (data = malloc((size_t)st.st_size + 1))) {
        *ret_size = fread(data, 1, (size_t)st.st_size, f);
        if (ferror(f)) {
            free(data);
            data = NULL;
        }
    }
    fclose(f);
    return data;
}

/** The target gets a block of exactly the input's size, so that a sanitizer sees the first octet
 * too far. */
static void replay(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t size;
    uint8_t *data = read_file(path, &size);
    uint8_t *exact = data ? malloc(size ? size : 1) : NULL;

    count++;
    if (exact) {
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
    } else {
        failed = 1;
    }
    printf("%s %u - %s\n", exact ? "ok" : "not ok", count, name);
    fflush(stdout);
    free(exact);
    free(data);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_directory(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, visible, alphasort);

    if (n < 0) {
        perror(path);
        failed = 1;
    }
    for (int i = 0; i < n; i++) {
        char file[4096];
        if (snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name) < (int)sizeof(file))
            replay(file);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            replay_directory(argv[i]);
        else
            replay(argv[i]);
    }
    printf("1..%u\n", count);
    return failed;
}
