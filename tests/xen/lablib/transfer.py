# SPDX-License-Identifier: GPL-2.0-or-later
"""Files to and from a host's dom0, as tar streams through its agent."""

import shlex
import subprocess
import tarfile
import tempfile
from pathlib import Path

from lablib.layout import LabError

LIMIT_S = 300
LDD_LIMIT_S = 20
LIBRARY_DIR = "usr/lib/x86_64-linux-gnu"


def libraries(program):
    """Shared libraries of a program built on this machine: name to path."""
    got = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=LDD_LIMIT_S)
    found = [line.split("=>")[1].split() for line in got.stdout.splitlines() if "=>" in line]
    missing = [line.strip() for line in got.stdout.splitlines() if "not found" in line]
    if missing:
        raise LabError(f"{program}: {'; '.join(missing)}")
    return {Path(words[0]).name: words[0] for words in found if words and words[0].startswith("/")}


def pack(files, dest, with_libraries, present):
    """A tar of `files` below the directory `dest`, and of libraries that dom0 has not got."""
    stream = tempfile.TemporaryFile()
    with tarfile.open(fileobj=stream, mode="w", dereference=True, format=tarfile.GNU_FORMAT) as tar:
        needed = {}
        for file in files:
            tar.add(file, arcname=f"{dest.strip('/')}/{Path(file).name}".lstrip("/"))
            if with_libraries:
                needed |= libraries(file)
        for name in sorted(set(needed) - present):
            tar.add(Path(needed[name]).resolve(), arcname=f"{LIBRARY_DIR}/{name}")
    stream.seek(0)
    return stream


def put(lab, host, files, dest, with_libraries=False):
    machine, said = lab.running(host), []
    present = machine.build.dom0_libraries()
    try:
        stream = pack(files, dest, with_libraries, present)
    except OSError as error:
        raise LabError(str(error)) from None
    with stream:
        status = lab.command(machine, f"mkdir -p {shlex.quote(dest)} && tar -xf - -C /", stream,
                             err=said.append, limit_s=LIMIT_S)
    if status != 0:
        raise LabError(f"host {host}: {b''.join(said).decode(errors='replace').strip()}")


def get(lab, host, files, directory):
    """Each file into `directory`, without the path that it had."""
    said = []
    for file in files:
        path = Path(file)
        with tempfile.TemporaryFile() as stream:
            status = lab.command(lab.running(host),
                                 f"tar -cf - -C {shlex.quote(str(path.parent))} {shlex.quote(path.name)}",
                                 out=stream.write, err=said.append, limit_s=LIMIT_S)
            if status != 0:
                raise LabError(f"host {host}: {b''.join(said).decode(errors='replace').strip()}")
            stream.seek(0)
            with tarfile.open(fileobj=stream, mode="r") as tar:
                # Python 3.11.2 of Debian 12 has no filters yet.
                tar.extractall(directory, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
