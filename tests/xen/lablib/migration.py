# SPDX-License-Identifier: GPL-2.0-or-later
"""`xl migrate` of the guest from one host to the other, over plain TCP; at once, or with a halt in the middle."""

import shlex

from lablib.fixture import until
from lablib.layout import GUEST, HOSTS, LabError, host_ip

PORT, LOG = 9000, "/tmp/migrate.log"
HALF, GATE, STATUS = "/tmp/migrate.half", "/tmp/migrate.gate", "/tmp/migrate.status"
BLOCKS = 64     # writes of xl's that pass before the halt: memory is being sent by then


def listen(lab, target):
    receive = f'EXEC:"xl migrate-receive",nofork >{LOG} 2>&1'
    status, said = lab.run(target, f"socat TCP-LISTEN:{PORT},reuseaddr,nodelay {receive} &")
    if status != 0:
        raise LabError(said)


def command(target, before=""):
    """`before`: what xl's octets pass through first."""
    send = f"{before}socat STDIO TCP:{host_ip(target, 'repl')}:{PORT},nodelay,retry=50,interval=0.2"
    return f"xl migrate -s '' {GUEST} {shlex.quote(send)} >{LOG} 2>&1"


def check(lab, status):
    """Raises what xl said on both hosts when it did not succeed."""
    if status != 0:
        raise LabError("".join(f"{host}: {lab.run(host, f'cat {LOG}')[1]}" for host in HOSTS))


def migrate(lab, source, target, limit_s):
    listen(lab, target)
    check(lab, lab.run(source, command(target), limit_s)[0])


def begin(lab, source, target):
    """Returns when xl stands still in the first round of the guest's memory, which runs on meanwhile."""
    halt = f"(dd bs=64k count={BLOCKS}; touch {HALF}; until [ -e {GATE} ]; do sleep 1; done; exec cat) | "
    listen(lab, target)
    lab.run(source, f"({command(target, halt)}; echo $? >{STATUS}) &")
    until("the migration is under way", lambda: lab.run(source, f"test -e {HALF}")[0] == 0)


def finish(lab, source):
    """What was begun comes to its end."""
    lab.run(source, f"touch {GATE}")
    status = until("the migration ends", lambda: lab.run(source, f"cat {STATUS} 2>/dev/null")[1])
    check(lab, int(status))
