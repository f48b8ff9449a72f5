# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            build everything into $(BUILD)
# make deps       install the Debian packages that building and testing need, when one is missing
# make check      deps, build, run every test and the lint; ONLY=PATTERN chooses tests
# make check-asan the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
# make check-tsan the test of what has threads under ThreadSanitizer
# make check-xen  all tests on two emulated Xen hosts, also the long ones that check leaves out (tests/xen/README.md)
# make demo       a VM outlives the SIGKILL of its host, on two emulated Xen hosts; DEMO_ARGS=... (--help)
# make lint       only the lint
# make fuzz       FUZZ_SECONDS=N for each target, FUZZ=NAME for one (tests/fuzz/fuzz_NAME.c)
# make bench      BENCH_ARGS=... are handed to remus-bench
# make install    PREFIX, DESTDIR, SYSCONFDIR, UNITDIR, XENSCRIPTDIR; make uninstall takes away the same files
# make format     clang-format on all C files
# V=1 shows the commands, CC=clang changes the compiler, WERROR= builds despite warnings.

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
XENSCRIPTDIR ?= $(SYSCONFDIR)/xen/scripts
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/remus
COMPDIR    ?= $(PREFIX)/share/bash-completion/completions
UNITDIR    ?= $(PREFIX)/lib/systemd/system
DESTDIR    ?=
BUILD      ?= build
CC         ?= gcc
AR         ?= ar
PKG_CONFIG ?= pkg-config
WERROR     ?= -Werror
SANITIZE   ?=
CFLAGS     ?= -O2 -g
VERSION    := 0.1.0

ifeq ($(V),1)
Q :=
else
Q := @
endif

PKGS := libevent_core jansson liblz4 libxxhash
WARN := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 $(WERROR)
override CFLAGS += -std=gnu11 $(WARN) -fno-strict-aliasing -I. -D_GNU_SOURCE -DREMUS_VERSION='"$(VERSION)"' \
	$(SANITIZE) $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
LDLIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
LDFLAGS += $(SANITIZE)

# The xen backend is built where Xen's development files are (Debian: libxen-dev).
XEN_PKGS := xencontrol xenguest xenforeignmemory xenevtchn xendevicemodel xenstore xenlight xentoollog
HAVE_XEN := $(shell $(PKG_CONFIG) --exists $(XEN_PKGS) 2>/dev/null && echo y)
ifeq ($(HAVE_XEN),y)
XEN_RELEASE := $(shell $(PKG_CONFIG) --modversion xencontrol | cut -d. -f1,2)
override CFLAGS += -DREMUS_XEN -DREMUS_XEN_RELEASE='"$(XEN_RELEASE)"' $(shell $(PKG_CONFIG) --cflags $(XEN_PKGS))
# engine/hv refers to it weakly: a program that is to have it must name it.
XEN_LDLIBS := -Wl,-u,hv_xen_ops $(shell $(PKG_CONFIG) --libs $(XEN_PKGS))
XEN_LIB    := engine/hv/xen
endif

# ---- libraries: one per folder; main programs are named *_main.c and stay out of them ----

lib_srcs = $(filter-out %_main.c,$(wildcard $(1)/*.c))
LIBDIRS := proto engine/base engine/net engine/detect engine/hv engine/hv/sim engine/hv/xen/format $(XEN_LIB) \
	engine/link engine backupd tools tools/sim bench
libname = $(BUILD)/lib$(subst /,-,$(1)).a
objs_of = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# $(call libs,dir...) : archives for a set of folders
libs = $(foreach d,$(1),$(call libname,$(d)))

BASE_LIBS    := engine/base
CORE_LIBS    := engine/link engine/hv engine/hv/sim engine/net engine/detect proto engine/base
XEN_LIBS     := $(if $(XEN_LIB),$(XEN_LIB) engine/hv/xen/format)
remusd_LIBS    := engine $(CORE_LIBS) $(XEN_LIBS)
backupd_LIBS   := backupd $(CORE_LIBS) $(XEN_LIBS)
remusd_LDLIBS  := $(XEN_LDLIBS)
backupd_LDLIBS := $(XEN_LDLIBS)
remusctl_LIBS  := tools proto $(BASE_LIBS)
remus-simvm_LIBS     := tools/sim engine/hv engine/hv/sim engine/net $(BASE_LIBS)
remus-simswitch_LIBS := tools/sim engine/net $(BASE_LIBS)
remus-simclient_LIBS := tools/sim engine/net $(BASE_LIBS)
remus-bench_LIBS     := bench engine $(CORE_LIBS)
vif-remus_LIBS       := engine/net $(BASE_LIBS)
vif-remus_LDLIBS     := -Wl,--as-needed $(if $(XEN_LIB),$(shell $(PKG_CONFIG) --libs xenstore))

remusd_MAIN    := engine/remusd_main.c
backupd_MAIN   := backupd/backupd_main.c
remusctl_MAIN  := tools/remusctl_main.c
remus-simvm_MAIN     := tools/sim/simvm_main.c
remus-simswitch_MAIN := tools/sim/simswitch_main.c
remus-simclient_MAIN := tools/sim/simclient_main.c
remus-bench_MAIN     := bench/bench_main.c
vif-remus_MAIN       := $(if $(XEN_LIB),engine/hv/xen/vif_remus_main.c)

ALL_PROGRAMS := remusd backupd remusctl remus-simvm remus-simswitch remus-simclient remus-bench vif-remus
# A program is built once its main exists.
PROGRAMS := $(foreach p,$(ALL_PROGRAMS),$(if $(wildcard $($(p)_MAIN)),$(p)))

# ---- tests: unit/test_NAME.c, fuzz/fuzz_NAME.c, process/NAME.c (helper programs of process tests) ----

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(FUZZERS:%=$(BUILD)/fuzz/%.replay)
HELPERS    := $(patsubst tests/process/%.c,$(BUILD)/helpers/%,$(wildcard tests/process/*.c))
# Programs that tests put on the laboratory's Xen hosts.
XEN_HELPERS := $(if $(XEN_LIB),$(patsubst tests/xen/tools/%.c,$(BUILD)/helpers/xen/%,$(wildcard tests/xen/tools/*.c)))
# Programs that `remus-bench xen` puts on the laboratory's hosts.
BENCH_XEN  := $(patsubst bench/xen/%.c,$(BUILD)/bench-xen/%,$(wildcard bench/xen/*.c))
# The xen backend without its libraries: what a test takes of it finds a Xen of the test's own.
TEST_LIBS  := $(call libs,engine backupd tools tools/sim $(XEN_LIB) engine/hv/xen/format $(CORE_LIBS))

.PHONY: all tests check check-asan check-tsan check-xen demo lint fuzz fuzzers bench deps install uninstall clean format
.PHONY: libs-found FORCE
all: $(PROGRAMS:%=$(BUILD)/%) $(BENCH_XEN)
tests: $(UNIT_TESTS) $(FUZZ_REPLAY) $(HELPERS) $(XEN_HELPERS)

libs-found:
	$(Q)$(PKG_CONFIG) --exists $(PKGS) || { echo "a library of: $(PKGS) is missing; run: make deps" >&2; exit 1; }

# Objects made with other flags are made anew.
$(BUILD)/flags: export FLAGS_NOW = $(CC) $(CFLAGS)
$(BUILD)/flags: FORCE | libs-found
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS_NOW" | cmp -s - $@ || printf '%s\n' "$$FLAGS_NOW" >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

define lib_rule
$(call libname,$(1)): $(call objs_of,$(call lib_srcs,$(1)))
	$$(if $$(Q),@echo "  AR      $$@")
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(foreach d,$(LIBDIRS),$(eval $(call lib_rule,$(d))))

# $(call link,archives,extra) : the first .o files of the rule against the archives
link = $(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(1) -Wl,--end-group $(LDLIBS) $(2) -lm

define program_rule
$(BUILD)/$(1): $(call objs_of,$($(1)_MAIN)) $(call libs,$($(1)_LIBS))
	$$(if $$(Q),@echo "  LD      $$@")
	$$(Q)$$(call link,$$(filter %.a,$$^),$$($(1)_LDLIBS))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(TEST_LIBS)
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(call link,$(TEST_LIBS),-lcmocka)

$(BUILD)/helpers/%: $(BUILD)/obj/tests/process/%.o $(TEST_LIBS)
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(call link,$(TEST_LIBS))

$(BUILD)/helpers/xen/%: $(BUILD)/obj/tests/xen/tools/%.o
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(call link,,$(XEN_LDLIBS))

$(BUILD)/bench-xen/%: $(BUILD)/obj/bench/xen/%.o
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(call link)

$(BUILD)/fuzz/%.replay: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay_main.o $(TEST_LIBS)
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(call link,$(TEST_LIBS))

# ---- running tests ----

# deps and the rest are makes of their own: pkg-config is asked when a make reads this file.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
ONLY ?=
RUN_ALL_ARGS ?=
check:
	+$(Q)$(MAKE) --no-print-directory deps
	+$(Q)$(MAKE) --no-print-directory $(JOBS) all tests
	$(Q)tests/run_all.py --build $(BUILD) $(if $(ONLY),--only '$(ONLY)') $(RUN_ALL_ARGS)

# The lint reads sources only: once, in `check`, is enough. Sanitized programs are too much for the memory and the
# speed of an emulated host's dom0; and they keep a processor busy for twice as long.
check-asan:
	+$(Q)$(MAKE) --no-print-directory check BUILD=build-asan \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" \
		CFLAGS="-O1 -g -fno-omit-frame-pointer" RUN_ALL_ARGS="--no-lint --no-xen --time-factor 3 --waiters 2"

# Of what has threads, and no more of the libraries than that needs: names are resolved in one.
THREADED      := test_dial
THREADED_LIBS := engine engine/base
check-tsan:
	+$(Q)$(MAKE) --no-print-directory $(JOBS) build-tsan/tests/$(THREADED) BUILD=build-tsan \
		TEST_LIBS='$(patsubst $(BUILD)/%,build-tsan/%,$(call libs,$(THREADED_LIBS)))' \
		SANITIZE=-fsanitize=thread CFLAGS="-O1 -g -fno-omit-frame-pointer"
	$(Q)tests/run_all.py --build build-tsan --no-lint --no-xen --only '^unit/$(THREADED)$$'

# All on two emulated Xen hosts (tests/xen/README.md), also those that `check` leaves out because they take many minutes.
check-xen: all tests
	$(Q)tests/run_all.py --build $(BUILD) --no-lint --on-request --only '^xen/$(ONLY)'

DEMO_ARGS ?=
demo: DEMO_BEGAN := $(shell date +%s)
demo:
	+$(Q)$(MAKE) --no-print-directory deps DEB_PACKAGES='$(DEB_DEMO)'
	+$(Q)$(MAKE) --no-print-directory $(JOBS) all
	$(Q)REMUS_BUILD=$(abspath $(BUILD)) tests/xen/demo.py --began $(DEMO_BEGAN) $(DEMO_ARGS)

lint:
	$(Q)tests/lint/lint.py

FUZZ_SECONDS ?= 60
FUZZ         ?=
fuzz:
	+$(Q)$(MAKE) --no-print-directory $(JOBS) fuzzers BUILD=build-fuzz CC=clang \
		SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" \
		CFLAGS="-O1 -g -fno-omit-frame-pointer"
	$(Q)for name in $(if $(FUZZ),$(FUZZ),$(FUZZERS:fuzz_%=%)); do \
		echo "== $$name: $(FUZZ_SECONDS) s"; \
		mkdir -p build-fuzz/found/$$name; \
		build-fuzz/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
			-print_final_stats=1 -artifact_prefix=build-fuzz/crash-$$name- \
			build-fuzz/found/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

fuzzers: $(FUZZERS:%=$(BUILD)/fuzz/%)
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(TEST_LIBS)
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(call link,$(TEST_LIBS),-fsanitize=fuzzer)

BENCH_ARGS ?= sim
bench: all $(XEN_HELPERS)
	$(Q)REMUS_BUILD=$(abspath $(BUILD)) REMUS_SOURCE=$(CURDIR) $(BUILD)/remus-bench $(BENCH_ARGS)

# ---- the host ----

# What the programs are built of and the emulated hosts need; then what testing needs.
DEB_DEMO := gcc libc6-dev make pkg-config libevent-dev libjansson-dev liblz4-dev libxxhash-dev libxen-dev \
	python3 iproute2
DEB_PACKAGES := $(DEB_DEMO) clang libclang-rt-dev libcmocka-dev clang-format cppcheck shellcheck pyflakes3 mandoc
deps:
	$(Q)command -v dpkg >/dev/null || { \
		echo "make deps knows Debian only; install the like of: $(DEB_PACKAGES)" >&2; exit 1; }; \
	missing=; \
	for p in $(DEB_PACKAGES); do \
		dpkg -s $$p 2>/dev/null | grep -q '^Status: .* installed$$' || missing="$$missing $$p"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	sudo=; \
	if [ "$$(id -u)" != 0 ]; then \
		command -v sudo >/dev/null || { \
			echo "missing packages:$$missing; run make deps as root" >&2; exit 1; }; \
		sudo=sudo; \
	fi; \
	echo "installing:$$missing"; \
	$$sudo apt-get update -q && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing || { \
		echo "could not install:$$missing" >&2; exit 1; }

SBIN_PROGRAMS := $(filter remusd backupd,$(PROGRAMS))
BIN_PROGRAMS  := $(filter-out remusd backupd vif-remus,$(PROGRAMS))
XEN_SCRIPTS   := $(filter vif-remus,$(PROGRAMS))
MAN_PAGES     := $(wildcard docs/man/*.[158])
UNITS         := $(wildcard tools/systemd/*.service)
man_target     = $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))

install: all
	$(Q)install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(UNITDIR) \
		$(DESTDIR)$(COMPDIR) $(DESTDIR)$(SYSCONFDIR)/remus
	$(Q)$(foreach p,$(SBIN_PROGRAMS),install -m 755 $(BUILD)/$(p) $(DESTDIR)$(SBINDIR)/$(p) &&) true
	$(Q)$(foreach p,$(BIN_PROGRAMS),install -m 755 $(BUILD)/$(p) $(DESTDIR)$(BINDIR)/$(p) &&) true
	$(Q)$(foreach p,$(XEN_SCRIPTS),install -D -m 755 $(BUILD)/$(p) $(DESTDIR)$(XENSCRIPTDIR)/$(p) &&) true
	$(Q)$(foreach m,$(MAN_PAGES),install -D -m 644 $(m) $(call man_target,$(m)) &&) true
	$(Q)$(foreach p,$(SBIN_PROGRAMS),$(BUILD)/$(p) --print-defaults >$(DESTDIR)$(DOCDIR)/$(p).conf &&) true
	$(Q)$(foreach u,$(UNITS),sed 's,/usr/local/sbin/,$(SBINDIR)/,' $(u) \
		>$(DESTDIR)$(UNITDIR)/$(notdir $(u)) &&) true
	$(Q)install -m 644 tools/completions/remusctl.bash $(DESTDIR)$(COMPDIR)/remusctl

# Configuration in $(SYSCONFDIR)/remus is the administrator's and stays.
uninstall:
	$(Q)rm -f $(SBIN_PROGRAMS:%=$(DESTDIR)$(SBINDIR)/%) $(BIN_PROGRAMS:%=$(DESTDIR)$(BINDIR)/%) \
		$(XEN_SCRIPTS:%=$(DESTDIR)$(XENSCRIPTDIR)/%) \
		$(foreach m,$(MAN_PAGES),$(call man_target,$(m))) $(UNITS:tools/systemd/%=$(DESTDIR)$(UNITDIR)/%) \
		$(SBIN_PROGRAMS:%=$(DESTDIR)$(DOCDIR)/%.conf) $(DESTDIR)$(COMPDIR)/remusctl

format:
	$(Q)find proto engine backupd tools tests bench -name '*.[ch]' -exec clang-format -i {} +

.SECONDARY:
clean:
	rm -rf build build-*

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
