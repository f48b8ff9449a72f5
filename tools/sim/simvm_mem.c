/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_mem.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A sealed memfd of `size` octets, mapped. Descriptor or -1 with errno. */
static int map_memfd(const char *name, size_t size, void **ret)
{
    int saved, fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)size) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        goto fail;
    *ret = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (*ret != MAP_FAILED)
        return fd;
fail:
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int gmem_open(struct gmem *m, uint64_t pages)
{
    void *map;

    memset(m, 0, sizeof(*m));
    m->pages = pages;
    m->size = pages * SIM_PAGE_SIZE;
    m->mem_fd = map_memfd("guest-memory", m->size, &map);
    if (m->mem_fd < 0)
        return -1;
    m->base = map;
    m->log_size = SIM_LOG_OFFSET + (pages + 63) / 64 * 8;
    m->log_fd = map_memfd("dirty-log", m->log_size, &map);
    if (m->log_fd < 0) {
        int saved = errno;
        munmap(m->base, m->size);
        close(m->mem_fd);
        errno = saved;
        return -1;
    }
    m->shared = map;
    m->shared->pages = pages;
    m->log = (uint64_t *)((uint8_t *)map + SIM_LOG_OFFSET);
    return 0;
}

void gmem_close(struct gmem *m)
{
    munmap(m->base, m->size);
    munmap(m->shared, m->log_size);
    close(m->mem_fd);
    close(m->log_fd);
}

static void mark(struct gmem *m, uint64_t pfn)
{
    uint64_t bit = 1ull << (pfn % 64), *word = &m->log[pfn / 64];

    /* A set bit needs no write; but it must be seen after the page's new content is. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
        __atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
}

void gmem_write(struct gmem *m, uint64_t addr, const void *src, size_t len)
{
    if (!len)
        return;
    memcpy(m->base + addr, src, len);
    if (!__atomic_load_n(&m->shared->logging, __ATOMIC_RELAXED))
        return;
    for (uint64_t pfn = addr / SIM_PAGE_SIZE; pfn <= (addr + len - 1) / SIM_PAGE_SIZE; pfn++)
        mark(m, pfn);
}

void gmem_write64(struct gmem *m, uint64_t addr, uint64_t value)
{
    uint64_t le = htole64(value);

    gmem_write(m, addr, &le, sizeof(le));
}

uint64_t gmem_read64(const struct gmem *m, uint64_t addr)
{
    uint64_t le;

    memcpy(&le, m->base + addr, sizeof(le));
    return le64toh(le);
}

void gmem_log(struct gmem *m, bool on)
{
    if (on) {
        for (uint64_t pfn = 0; pfn < m->pages; pfn += 64) {
            uint64_t left = m->pages - pfn;
            uint64_t word = left >= 64 ? ~0ull : (1ull << left) - 1;
            __atomic_store_n(&m->log[pfn / 64], word, __ATOMIC_RELAXED);
        }
    }
    __atomic_store_n(&m->shared->logging, on, __ATOMIC_SEQ_CST);
}

bool gmem_attention(const struct gmem *m)
{
    return __atomic_load_n(&m->shared->attention, __ATOMIC_RELAXED);
}

void gmem_attention_clear(struct gmem *m)
{
    __atomic_store_n(&m->shared->attention, 0, __ATOMIC_RELAXED);
}
