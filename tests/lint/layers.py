# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may include whom: the layer table of docs/architecture.md."""

import re

import source

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
CORE = ("engine/base/", "engine/net/", "engine/detect/", "engine/link/", "proto/", "engine/hv/hv.h")

# folder: (paths from the root that its files may include, libraries whose headers they may include).
# A folder may always include its own files; a path that ends in "/" stands for the folder's own
# files, not for folders below it.
LAYERS = {
    "proto": ((), ("lz4", "xxhash")),
    "engine/base": ((), ("event2", "jansson", "xxhash")),
    "engine/net": (("engine/base/",), ("event2",)),
    "engine/detect": (("engine/base/",), ("jansson",)),
    "engine/hv": (("engine/base/", "engine/net/", "engine/hv/sim/"), ("jansson",)),
    "engine/hv/sim": (("engine/base/", "engine/net/", "engine/hv/"), ("jansson",)),
    "engine/link": (("engine/base/", "proto/"), ("event2",)),
    "engine": (CORE, ("event2", "jansson")),
    "backupd": (CORE, ("event2", "jansson")),
    "tools": (("engine/base/", "proto/"), ("jansson",)),
    "tools/sim": (("engine/base/", "engine/net/", "engine/hv/sim/sim_proto.h", "proto/"),
                  ("event2", "jansson", "xxhash")),
    "bench": (None, ("event2", "jansson", "lz4", "xxhash")),
    "tests": (None, ("event2", "jansson", "lz4", "xxhash", "cmocka")),
}
XEN_HEADERS = "engine/hv/xen/xen_compat.h"  # the one file of the engine that may
LIBRARIES = {
    "event2": re.compile(r"^(event2/|evutil|event\.h)"),
    "jansson": re.compile(r"^jansson"),
    "lz4": re.compile(r"^lz4"),
    "xxhash": re.compile(r"^xxhash"),
    "cmocka": re.compile(r"^cmocka"),
    "xen": re.compile(r"^(xen|libxl|_libxl|libxen)"),
}


def folder_of(path):
    """The longest folder of the table that holds `path`."""
    parts = path.split("/")[:-1]
    for length in range(len(parts), 0, -1):
        if "/".join(parts[:length]) in LAYERS:
            return "/".join(parts[:length])
    return None


def may_include(folder, allowed, target):
    if allowed is None or folder_of(target) == folder:
        return True
    return any(target == a or (a.endswith("/") and folder_of(target) == a[:-1]) for a in allowed)


def check_system(path, libraries, name):
    for library, pattern in LIBRARIES.items():
        if not pattern.match(name) or library in libraries:
            continue
        if library == "xen" and (path == XEN_HEADERS or path.startswith("tests/xen/")):
            continue
        yield f"{path}: <{name}>: this folder may not use {library}"


def check_file(path):
    folder = folder_of(path)
    allowed, libraries = LAYERS[folder]
    for kind, name in INCLUDE.findall(source.read(path)):
        if kind == "<":
            yield from check_system(path, libraries, name)
        elif not (source.ROOT / name).is_file():
            yield f'{path}: "{name}": no such file; includes are written from the root of the tree'
        elif not may_include(folder, allowed, name):
            yield f'{path}: "{name}": {folder}/ may not include it'


def check():
    for path in source.program_files():
        yield from check_file(path)
