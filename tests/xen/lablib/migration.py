# SPDX-License-Identifier: GPL-2.0-or-later
"""`xl migrate` of the guest from one host to the other, over plain TCP."""

from lablib.layout import GUEST, HOSTS, LabError, host_ip

PORT, LOG = 9000, "/tmp/migrate.log"


def migrate(lab, source, target, limit_s):
    """Raises what xl said on both hosts when it does not succeed."""
    receive = f'EXEC:"xl migrate-receive",nofork >{LOG} 2>&1'
    send = f"socat STDIO TCP:{host_ip(target, 'repl')}:{PORT},nodelay,retry=50,interval=0.2"
    status, said = lab.run(target, f"socat TCP-LISTEN:{PORT},reuseaddr,nodelay {receive} &")
    if status == 0:
        status, said = lab.run(source, f"xl migrate -s '' {GUEST} '{send}' >{LOG} 2>&1", limit_s)
    if status != 0:
        raise LabError(said + "".join(f"{host}: {lab.run(host, f'cat {LOG}')[1]}" for host in HOSTS))
