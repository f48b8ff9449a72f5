# SPDX-License-Identifier: GPL-2.0-or-later
"""Python for a dom0, which has none: as much of this machine's as `python3 -c` with ctypes needs."""

import sys
import sysconfig
from pathlib import Path

from lablib import transfer

PACKAGES = ("collections", "ctypes", "encodings", "importlib", "lib-dynload", "re")


def put(lab, host):
    stdlib, program = Path(sysconfig.get_path("stdlib")), Path(sys.executable).resolve()
    files = [*stdlib.glob("*.py"), *(stdlib / name for name in PACKAGES if (stdlib / name).exists())]
    transfer.put(lab, host, files, f"/usr/lib/{stdlib.name}")
    needed = [program, *(stdlib / "lib-dynload").glob("_ctypes.*")]
    transfer.put(lab, host, needed, "/usr/bin", with_libraries=True)
    status, text = lab.run(host, f"ln -sf {program.name} /usr/bin/python3 && python3 -c 'import ctypes'")
    assert status == 0, text
