/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_avx DOMID: tells Xen that the guest has AVX switched on, which is for Xen to know: it keeps
 * the upper halves of the vector registers only then, and switches AVX off under a guest of which
 * it does not know. QEMU's emulation lets a guest execute XSETBV without Xen being told, so that it
 * never does. Once, after the guest's kernel has come up and before any program uses AVX; it is
 * part of what is saved and restored afterwards. Prints vcpus=N known=N: of how many Xen knew
 * already.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/hvm/save.h>

/* As in Intel's manual: x87, SSE and AVX state in the standard form of the XSAVE area. */
enum { X87_SSE = 3, X87_SSE_AVX = 7, AVX_OFFSET = 576, AVX_SIZE = 256 };

struct avx_record {
    struct hvm_save_descriptor head;
    struct hvm_hw_cpu_xsave state;
    uint8_t upper_halves[AVX_SIZE];
} __attribute__((packed));

_Static_assert(sizeof(((struct hvm_hw_cpu_xsave *)0)->save_area) == AVX_OFFSET, "XSAVE area");

struct context {
    uint8_t *octets;
    size_t size;
};

struct found {
    unsigned vcpus, known;
    size_t end; /* where the record that ends the context begins */
};

/* 0, or -1 when the records do not end with the one that should. */
static int look_through(const struct context *c, struct found *f)
{
    struct hvm_save_descriptor head;

    for (size_t at = 0; at + sizeof(head) <= c->size; at += sizeof(head) + head.length) {
        memcpy(&head, c->octets + at, sizeof(head));
        f->end = at;
        f->vcpus += head.typecode == HVM_SAVE_CODE(CPU);
        f->known += head.typecode == CPU_XSAVE_CODE;
        if (head.typecode == HVM_SAVE_CODE(END))
            return 0;
    }
    return -1;
}

/* The registers stay as the CPU's own record has them; the upper halves become zero. */
static void make_record(struct avx_record *r, const struct hvm_save_descriptor *cpu)
{
    memset(r, 0, sizeof(*r));
    r->head.typecode = CPU_XSAVE_CODE;
    r->head.instance = cpu->instance;
    r->head.length = sizeof(*r) - sizeof(r->head);
    r->state.xcr0 = r->state.xcr0_accum = X87_SSE_AVX;
    r->state.save_area.xsave_hdr.xstate_bv = X87_SSE;
    memcpy(&r->state.save_area.fpu_sse,
           (const uint8_t *)(cpu + 1) + offsetof(struct hvm_hw_cpu, fpu_regs),
           sizeof(r->state.save_area.fpu_sse));
}

/* A record for each CPU, in front of the end. */
static int add_records(struct context *c, const struct found *f)
{
    const size_t added = f->vcpus * sizeof(struct avx_record);
    uint8_t *octets = calloc(1, c->size + added);
    struct avx_record record;
    size_t to = f->end;

    if (!octets)
        return -1;
    memcpy(octets, c->octets, f->end);
    for (size_t at = 0; at < f->end;) {
        const struct hvm_save_descriptor *head = (const void *)(c->octets + at);

        if (head->typecode == HVM_SAVE_CODE(CPU)) {
            make_record(&record, head);
            memcpy(octets + to, &record, sizeof(record));
            to += sizeof(record);
        }
        at += sizeof(*head) + head->length;
    }
    memcpy(octets + to, c->octets + f->end, c->size - f->end);
    free(c->octets);
    c->octets = octets;
    c->size += added;
    return 0;
}

static int read_context(xc_interface *xch, uint32_t domid, struct context *c)
{
    int size = xc_domain_hvm_getcontext(xch, domid, NULL, 0);

    c->octets = size > 0 ? calloc(1, (size_t)size) : NULL;
    if (c->octets)
        size = xc_domain_hvm_getcontext(xch, domid, c->octets, (uint32_t)size);
    c->size = size > 0 ? (size_t)size : 0;
    return c->octets && c->size ? 0 : -1;
}

/* The guest is paused meanwhile. */
static int teach(xc_interface *xch, uint32_t domid, struct found *f)
{
    struct context c;
    int rc = read_context(xch, domid, &c);

    if (rc == 0)
        rc = look_through(&c, f);
    if (rc == 0 && f->known == 0) {
        rc = add_records(&c, f);
        if (rc == 0)
            rc = xc_domain_hvm_setcontext(xch, domid, c.octets, (uint32_t)c.size);
    }
    free(c.octets);
    return rc;
}

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    struct found f = {0};

    if (argc != 2 || !xch)
        return 2;
    uint32_t domid = (uint32_t)atoi(argv[1]);
    if (xc_domain_pause(xch, domid)) {
        fprintf(stderr, "guest_avx: domain %u: %s\n", domid, strerror(errno));
        return 1;
    }
    int rc = teach(xch, domid, &f);
    if (rc)
        fprintf(stderr, "guest_avx: domain %u: the CPUs' state: %s\n", domid, strerror(errno));
    if (xc_domain_unpause(xch, domid))
        rc = 1;
    printf("vcpus=%u known=%u\n", f.vcpus, f.known);
    return rc != 0;
}
