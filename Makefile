# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            build everything into $(BUILD)
# make check      install what is missing (Debian, root), build, run every test and the lint
# make check-asan the same suite under AddressSanitizer and UndefinedBehaviorSanitizer
# V=1 shows the commands, CC=clang changes the compiler, WERROR= builds despite warnings.

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
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

# ---- libraries: one per folder; main programs are named *_main.c and stay out of them ----

lib_srcs = $(filter-out %_main.c,$(wildcard $(1)/*.c))
LIBDIRS := proto engine/base engine/net engine/detect engine/hv engine/hv/sim engine/link engine backupd tools tools/sim bench
libname = $(BUILD)/lib$(subst /,-,$(1)).a
objs_of = $(patsubst %.c,$(BUILD)/%.o,$(1))

# $(call libs,dir...) : archives for a set of folders
libs = $(foreach d,$(1),$(call libname,$(d)))

BASE_LIBS    := engine/base
CORE_LIBS    := engine/link engine/hv engine/hv/sim engine/net engine/detect proto engine/base
remusd_LIBS    := engine $(CORE_LIBS)
backupd_LIBS   := backupd $(CORE_LIBS)
remusctl_LIBS  := tools proto $(BASE_LIBS)
remus-simvm_LIBS     := tools/sim engine/hv engine/hv/sim engine/net $(BASE_LIBS)
remus-simswitch_LIBS := tools/sim engine/net $(BASE_LIBS)
remus-simclient_LIBS := tools/sim engine/net $(BASE_LIBS)
remus-bench_LIBS     := bench tools/sim $(CORE_LIBS)

remusd_MAIN    := engine/remusd_main.c
backupd_MAIN   := backupd/backupd_main.c
remusctl_MAIN  := tools/remusctl_main.c
remus-simvm_MAIN     := tools/sim/simvm_main.c
remus-simswitch_MAIN := tools/sim/simswitch_main.c
remus-simclient_MAIN := tools/sim/simclient_main.c
remus-bench_MAIN     := bench/bench_main.c

ALL_PROGRAMS := remusd backupd remusctl remus-simvm remus-simswitch remus-simclient remus-bench
# A program is built once its main exists.
PROGRAMS := $(foreach p,$(ALL_PROGRAMS),$(if $(wildcard $($(p)_MAIN)),$(p)))

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(FUZZERS:%=$(BUILD)/fuzz/%.replay)
TEST_LIBS  := $(call libs,engine backupd tools tools/sim $(CORE_LIBS))

.PHONY: all check check-asan test lint fuzz bench deps install clean format
all: $(PROGRAMS:%=$(BUILD)/%)
tests: $(UNIT_TESTS) $(FUZZ_REPLAY)

$(BUILD)/%.o: %.c
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

define program_rule
$(BUILD)/$(1): $(call objs_of,$($(1)_MAIN)) $(call libs,$($(1)_LIBS))
	$$(if $$(Q),@echo "  LD      $$@")
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LDLIBS) -lm
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(TEST_LIBS)
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(TEST_LIBS) -Wl,--end-group $(LDLIBS) -lcmocka -lm

$(BUILD)/fuzz/%.replay: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay_main.o $(TEST_LIBS)
	$(if $(Q),@echo "  LD      $@")
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(TEST_LIBS) -Wl,--end-group $(LDLIBS) -lm

.SECONDARY:
clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
