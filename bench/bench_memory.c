/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FD_MAX 64 /* a VM opens its memory first */

static int open_memory(pid_t vm)
{
    char path[64], target[PATH_MAX];

    for (int fd = 3; fd < FD_MAX; fd++) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)vm, fd);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
            continue;
        target[n] = '\0';
        if (strncmp(target, "/memfd:guest-memory", 19) == 0)
            return open(path, O_RDWR | O_CLOEXEC);
    }
    errno = ENOENT;
    return -1;
}

uint8_t *memory_map(pid_t vm, size_t size, struct err *err)
{
    int fd = open_memory(vm);
    void *map = MAP_FAILED;

    if (fd >= 0) {
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    if (map != MAP_FAILED)
        return map;
    (void)err_errno(err, "", "memory of the VM");
    return NULL;
}

void memory_unmap(uint8_t *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

uint8_t *memory_new(size_t size, struct err *err)
{
    void *map =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (map != MAP_FAILED)
        return map;
    (void)err_errno(err, "", "%zu octets of memory", size);
    return NULL;
}

int memory_warm(size_t size, struct err *err)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED)
        return err_errno(err, "", "%zu octets of memory", size);
    /* In large pages where there are any: those are what hosts take back and must give again. */
    (void)madvise(map, size, MADV_HUGEPAGE);
    int rc = madvise(map, size, MADV_POPULATE_WRITE);
    if (rc < 0)
        (void)err_errno(err, "", "%zu octets of memory", size);
    munmap(map, size);
    return rc;
}
