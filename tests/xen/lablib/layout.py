# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the laboratory keeps things, and the addresses that everything in it agrees on."""

import hashlib
import os
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent
HOSTS = ("A", "B")
GUEST = "guest"
LINKS = ("front", "repl")       # cables that can be cut; n0 and n1 of each emulator
NICS = LINKS + ("mgmt",)        # mgmt carries the commands of `lab run`, nothing else
BRIDGES = {nic: f"br-{nic}" for nic in NICS}
SUBNET = {"front": "10.77.0", "repl": "10.77.1", "mgmt": "10.77.2"}
CLIENT_IP, CLIENT_IP6 = "10.77.0.1", "fd77::1"
GUEST_IP, GUEST_IP6 = "10.77.0.20", "fd77::20"
AGENT_PORT = 7001
ECHO_PORT, NUMBERED_PORT, PATTERN_PORT, GAP_PORT, DIRTIER_PORT = 7, 8, 9, 10, 11
VECTOR_PORT, CLOCKS_PORT, DISKCHECK_PORT, TRANSACTION_PORT = 12, 13, 14, 15  # programs that tests start
MAX_SOCKET_PATH = 90            # of 107, with room for a socket's name


class LabError(Exception):
    """Something the user can act on; the text is the whole message."""


class Unavailable(LabError):
    """This machine or its network cannot give what the laboratory is made of: tests are skipped. By any other
    LabError they fail."""


def host_ip(host, nic):
    return f"{SUBNET[nic]}.{11 + HOSTS.index(host)}"


def mac(host, nic):
    return f"52:54:00:00:{NICS.index(nic):02x}:{0x0a + HOSTS.index(host):02x}"


def tap_name(host, nic):
    return f"{nic}{host}"


def chosen_dir(variable, default):
    """Commas and colons separate words in option lists that these paths go into."""
    chosen = os.environ.get(variable)
    path = Path(chosen).resolve() if chosen else Path(default)
    if set(str(path)) & set(",:\n"):
        raise LabError(f"{variable} must not hold a comma, a colon or a line end: {path}")
    return path


def cache_dir():
    return chosen_dir("REMUS_LAB_CACHE", Path.home() / ".cache" / "remus-lab")


def run_dir():
    """Sockets, logs and process ids of one running laboratory."""
    path = chosen_dir("REMUS_LAB_DIR", f"/tmp/remus-lab.{os.getuid()}")
    if len(str(path)) > MAX_SOCKET_PATH:
        raise LabError(f"REMUS_LAB_DIR is too long for socket paths: {path}")
    return path


def make_run_dir(path):
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise LabError(f"{path} belongs to someone else; set REMUS_LAB_DIR")


def digest(texts):
    total = hashlib.sha256()
    for text in texts:
        total.update(len(text).to_bytes(8, "little") + text)
    return total.hexdigest()[:16]


def digest_files(paths):
    return digest(part for path in sorted(paths)
                  for part in (path.name.encode(), path.read_bytes()))
