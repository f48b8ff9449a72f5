# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes an initramfs (cpio "newc", gzip) without root, cpio or device nodes on this machine.

Source of the format: the Linux kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import gzip
import os
import stat
from pathlib import PurePosixPath


class Archive:
    def __init__(self):
        self.entries = {}

    def add(self, path, mode, data=b"", device=(0, 0)):
        """The last entry for a path wins; directories above it are made."""
        path = str(path).lstrip("/")
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            self.entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b"", (0, 0)))
        self.entries[path] = (mode, data, device)

    def directory(self, path, mode=0o755):
        self.add(path, stat.S_IFDIR | mode)

    def link(self, path, target):
        self.add(path, stat.S_IFLNK | 0o777, str(target).encode())

    def file(self, path, source, executable=False):
        data = source if isinstance(source, bytes) else source.read_bytes()
        on_disk = not isinstance(source, bytes) and os.access(source, os.X_OK)
        self.add(path, stat.S_IFREG | (0o755 if executable or on_disk else 0o644), data)

    def console(self):
        self.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))

    def tree(self, source, below):
        """Everything under the directory `source`, at the path `below`."""
        for path in sorted(source.rglob("*")):
            target = f"{below}/{path.relative_to(source)}"
            if path.is_symlink():
                self.link(target, os.readlink(path))
            elif path.is_dir():
                self.directory(target)
            else:
                self.file(target, path)

    def bytes(self):
        parts = [record(number, path, *entry)
                 for number, (path, entry) in enumerate(self.entries.items(), 1)]
        parts.append(record(0, "TRAILER!!!", 0, b"", (0, 0)))
        return b"".join(parts)

    def write(self, path):
        path.write_bytes(gzip.compress(self.bytes(), compresslevel=6, mtime=0))


def padded(data):
    return data + bytes(-len(data) % 4)


def record(number, path, mode, data, device):
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return padded(header + name) + padded(data)
