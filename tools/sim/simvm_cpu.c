/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/sim/simvm_cpu.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define STATE_MAGIC   0x5550435653554d45ull
#define STATE_VERSION 1u
#define STATE_WORDS   (sizeof(struct vcpu) / 8)

struct head {
    uint64_t magic;
    uint32_t version, words;
};

void vcpu_reset(struct vcpu *cpu, uint64_t seed)
{
    memset(cpu, 0, sizeof(*cpu));
    cpu->rng = seed * 0x9e3779b97f4a7c15ull + 1;
    if (!cpu->rng)
        cpu->rng = 1;
}

uint64_t vcpu_random(struct vcpu *cpu)
{
    uint64_t x = cpu->rng;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    cpu->rng = x;
    return x * 0x2545f4914f6cdd1dull;
}

static struct head expected_head(void)
{
    return (struct head){htole64(STATE_MAGIC), htole32(STATE_VERSION), htole32(STATE_WORDS)};
}

static uint64_t checksum(const uint8_t *state)
{
    return htole64(XXH3_64bits(state, VCPU_STATE_LEN - 8));
}

void vcpu_save(const struct vcpu *cpu, uint8_t *state)
{
    struct head head = expected_head();
    uint64_t words[STATE_WORDS], sum;

    memcpy(words, cpu, sizeof(words));
    for (size_t i = 0; i < STATE_WORDS; i++)
        words[i] = htole64(words[i]);
    memcpy(state, &head, sizeof(head));
    memcpy(state + sizeof(head), words, sizeof(words));
    sum = checksum(state);
    memcpy(state + VCPU_STATE_LEN - 8, &sum, sizeof(sum));
}

int vcpu_load(struct vcpu *cpu, const uint8_t *state, size_t len, struct err *err)
{
    struct head head = expected_head();
    uint64_t words[STATE_WORDS], sum;

    errno = EINVAL;
    if (len != VCPU_STATE_LEN || memcmp(state, &head, sizeof(head)) != 0)
        return err_set(err, "", "vCPU state is not of this version of remus-simvm");
    sum = checksum(state);
    if (memcmp(state + VCPU_STATE_LEN - 8, &sum, sizeof(sum)) != 0)
        return err_set(err, "", "vCPU state has a wrong checksum");
    memcpy(words, state + sizeof(head), sizeof(words));
    for (size_t i = 0; i < STATE_WORDS; i++)
        words[i] = le64toh(words[i]);
    memcpy(cpu, words, sizeof(words));
    return 0;
}
