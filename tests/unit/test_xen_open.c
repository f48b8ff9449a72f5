/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_XEN
#include <stdio.h>

int main(void)
{
    puts("built without Xen");
    return 77;
}
#else
#include "tests/unit/fake_xen_util.h"

/* Why this host's Xen cannot be used is found out and named when the backend is opened. */

#define VERSION(major, minor) ((major) << 16 | (minor))

/** An errno for each step that may fail; 0: it does not. */
struct trouble {
    int device, library, memory, xenstore, domains, vcpus;
    bool libxl;
    int version; /* -1: not told */
};

static struct host {
    struct trouble trouble;
    int open; /* handles */
} host;

/* ---- this host ---- */

static int fails_with(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static void *handle(int error)
{
    if (fails_with(error))
        return NULL;
    host.open++;
    return &host;
}

int access(const char *path, int mode)
{
    assert_string_equal(path, "/dev/xen/privcmd");
    assert_int_equal(mode, R_OK | W_OK);
    return fails_with(host.trouble.device);
}

xentoollog_logger_stdiostream *xtl_createlogger_stdiostream(FILE *f, xentoollog_level level,
                                                            unsigned flags)
{
    (void)f;
    (void)level;
    (void)flags;
    return handle(0);
}

void xtl_logger_destroy(struct xentoollog_logger *logger)
{
    (void)logger;
    host.open--;
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild,
                                unsigned flags)
{
    (void)logger;
    (void)dombuild;
    (void)flags;
    return handle(host.trouble.library);
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    host.open--;
    return 0;
}

xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return handle(host.trouble.memory);
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    (void)fmem;
    host.open--;
    return 0;
}

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return handle(host.trouble.xenstore);
}

void xs_close(struct xs_handle *h)
{
    (void)h;
    host.open--;
}

int xc_vcpu_getinfo(xc_interface *xch, uint32_t domid, uint32_t vcpu, xc_vcpuinfo_t *info)
{
    (void)xch;
    (void)domid;
    (void)vcpu;
    (void)info;
    return fails_with(host.trouble.vcpus);
}

int xc_version(xc_interface *xch, int cmd, void *arg)
{
    (void)xch;
    (void)arg;
    assert_int_equal(cmd, XENVER_version);
    errno = 0; /* whatever it was */
    return host.trouble.version;
}

int libxl_ctx_alloc(libxl_ctx **ctx, int version, unsigned flags, xentoollog_logger *logger)
{
    (void)flags;
    (void)logger;
    assert_int_equal(version, LIBXL_VERSION);
    if (host.trouble.libxl)
        return ERROR_VERSION;
    *ctx = handle(0);
    return 0;
}

int libxl_ctx_free(libxl_ctx *ctx)
{
    (void)ctx;
    host.open--;
    return 0;
}

static int open_at(const struct trouble *t, struct xen_hv *x, struct err *err)
{
    fake_start();
    host = (struct host){.trouble = *t};
    fake.list_error = t->domains;
    *x = (struct xen_hv){0};
    int rc = xen_handles_open(x, err), saved = errno;
    fake_end();
    errno = saved;
    return rc;
}

/* ---- tests ---- */

static void all_handles_are_had_and_closed(void **state)
{
    const struct trouble none = {.version = VERSION(4, 17)};
    struct xen_hv x;
    struct err err;
    (void)state;

    assert_int_equal(open_at(&none, &x, &err), 0);
    assert_true(x.log && x.xch && x.fmem && x.xs && x.ctx);
    assert_int_equal(host.open, 5);
    xen_handles_close(&x);
    assert_int_equal(host.open, 0);
}

static void each_cause_is_named(void **state)
{
    static const struct {
        struct trouble at;
        int error;
        const char *text, *hint;
    } cases[] = {
        {{.device = ENOENT}, ENOENT, "does not run Xen", "dom0"},
        {{.device = EACCES}, EACCES, "no right to use Xen's interfaces", "root"},
        {{.library = ENOMEM}, ENOMEM, "libraries cannot be used", "lines above"},
        {{.memory = EMFILE}, EMFILE, "libraries cannot be used", "lines above"},
        {{.xenstore = ECONNREFUSED}, ECONNREFUSED, "xenstore does not answer", "start xenstored"},
        {{.xenstore = EACCES}, EACCES, "no right to use Xen's interfaces", "root"},
        {{.domains = EPERM}, EPERM, "may not control the others", "dom0"},
        {{.vcpus = EPERM}, EPERM, "may not control the others", "dom0"},
        {{.domains = EACCES, .version = VERSION(4, 19)},
         EACCES,
         "built for Xen " REMUS_XEN_RELEASE ", and Xen 4.19 runs here",
         "install the build for the Xen that runs; after an upgrade: reboot"},
        {{.vcpus = EACCES, .version = VERSION(4, 20)},
         EACCES,
         "built for Xen " REMUS_XEN_RELEASE ", and Xen 4.20 runs here",
         "install the build for the Xen that runs; after an upgrade: reboot"},
        {{.vcpus = EACCES, .version = -1},
         EACCES,
         "and Xen of another release runs here",
         "reboot"},
        {{.libxl = true}, EIO, "libraries cannot be used", "lines above"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct xen_hv x;
        struct err err;
        assert_int_equal(open_at(&cases[i].at, &x, &err), -1);
        assert_int_equal(errno, cases[i].error);
        assert_int_equal(host.open, 0);
        if (!strstr(err.text, cases[i].text) || !strstr(err.hint, cases[i].hint))
            fail_msg("case %zu: %s; %s", i, err.text, err.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_handles_are_had_and_closed),
        cmocka_unit_test(each_cause_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
