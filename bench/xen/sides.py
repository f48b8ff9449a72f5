# SPDX-License-Identifier: GPL-2.0-or-later
"""The two that are compared. Each protects the laboratory's guest on A, with B as its backup.

start(epoch_ms) returns when checkpoints are being made; stop() leaves the guest running on A.
"""

import re

import costs
from lablib.layout import LabError, host_ip
from lablib.protect import Protection

GUEST = "guest"
PAGE = 4096
START_LIMIT_S = 400     # a first copy in deterministic emulation on a busy machine
XL_PORT = 9000
XL_FIRST_EPOCHS = 3
LOG = "/tmp/xl.log"
# Of 3 s each: for socat, which knows no name for TCP_USER_TIMEOUT.
KEEPALIVE = ",keepalive,keepidle=1,keepintvl=1,keepcnt=2"
USER_TIMEOUT = ",setsockopt-int=6:18:3000"


class Bare:
    """Nobody: the guest is only paused, as the limit of what a pause can cost."""
    name, title = "bare", "bare pause"

    def __init__(self, lab):
        self.lab = lab

    def start(self, epoch_ms):
        """Nothing to start."""

    def stop(self):
        """Nothing to stop."""

    def measure(self, epoch_ms, workload):
        return costs.bare(self.lab, epoch_ms, workload)

    @staticmethod
    def said():
        return ""


class Remus:
    """This engine, output held at the backup."""
    name, title = "remus", "remus"

    def __init__(self, lab, build, timing, **conf):
        self.lab, self.timing, self.conf = lab, timing, conf
        self.protection = Protection(lab, build)

    def install(self):
        self.protection.install()

    def start(self, epoch_ms):
        self.protection.start(timing=self.timing, **self.conf)
        self.protection.protect(epoch_ms=epoch_ms, limit_s=START_LIMIT_S)

    def stop(self):
        self.protection.unprotect("--force")
        self.protection.wait("A", lambda status: status is None, START_LIMIT_S)
        self.protection.stop()

    def measure(self, epoch_ms, workload):
        return costs.measure(self.lab, self, epoch_ms, workload)

    def account(self):
        """What it tells itself."""
        status = self.protection.status("A")
        if status is None:
            raise LabError("remusd does not know the guest any more:\n" + self.protection.log("remusd"))
        return {key: status[key] for key in
                ("pause_us", "handshake_us", "own_us", "fetch_us", "copy_us", "state_us", "resume_us",
                 "dirty_pages", "ack_us", "epochs_sealed", "missed_deadlines", "bytes_content", "coding", "suspend")}

    @staticmethod
    def pages_between(before, after):
        """Of an epoch, on average."""
        epochs = after["epochs_sealed"] - before["epochs_sealed"]
        return (after["bytes_content"] - before["bytes_content"]) / PAGE / epochs if epochs else None

    def said(self):
        alive = [d for d in ("remusd", "backupd") if self.lab.machine(self.protection.host_of(d)).alive()]
        return "".join(self.protection.log(daemon) for daemon in alive)


class XlRemus:
    """Stock `xl remus` as Debian ships it: no output buffering, plain TCP through socat."""
    name, title = "xl-remus", "xl remus"

    def __init__(self, lab, keepalive=True, user_timeout=False):
        """keepalive: of the receiver, without which it does not notice the sender's death; user_timeout: of the
        sender, which else waits a quarter of an hour when what it sends is not acknowledged. Users must set both."""
        self.lab, self.keepalive, self.user_timeout = lab, keepalive, user_timeout

    def install(self):
        pass

    def must_run(self, host, command):
        status, text = self.lab.run(host, command)
        if status != 0:
            raise LabError(f"host {host}: {command}: status {status}: {text}")
        return text

    def start(self, epoch_ms):
        keepalive = KEEPALIVE if self.keepalive else ""
        user_timeout = USER_TIMEOUT if self.user_timeout else ""
        self.must_run("B", f'socat TCP-LISTEN:{XL_PORT},reuseaddr,nodelay{keepalive} '
                           f'EXEC:"xl migrate-receive -r",nofork >{LOG} 2>&1 &')
        Protection.until("socat listens",
                         lambda: f":{XL_PORT} " in self.lab.run("B", "netstat -ltn")[1], START_LIMIT_S)
        self.must_run("A", f'xl remus -F -n -d -i {epoch_ms} -s "" {GUEST} '
                           f'"socat STDIO TCP:{host_ip("B", "repl")}:{XL_PORT},nodelay{user_timeout}" >{LOG} 2>&1 &')
        Protection.until("xl remus makes checkpoints", self.is_going, START_LIMIT_S)

    def pages(self):
        """Of each checkpoint so far, from its own log."""
        text = self.must_run("A", f"tr '\\r' '\\n' <{LOG} | grep 'Checkpointed save' || true")
        return [int(number) for number in re.findall(r"save: \d+/(\d+)\s+100%", text)]

    def runs(self):
        """`xl create` waits in the background as long as a guest with the driver lives: that one does not count."""
        return self.lab.run("A", "ps | grep -q '[x]l remus\\|[l]ibxl-save-helper'")[0] == 0

    def is_going(self):
        if not self.runs():
            raise LabError("xl remus ended: " + self.said())
        return len(self.pages()) >= XL_FIRST_EPOCHS

    def measure(self, epoch_ms, workload):
        return costs.measure(self.lab, self, epoch_ms, workload)

    def account(self):
        return {"checkpoint_pages": self.pages()}

    @staticmethod
    def pages_between(before, after):
        new = after["checkpoint_pages"][len(before["checkpoint_pages"]):]
        return sum(new) / len(new) if new else None

    def stop(self):
        """The receiver first, or it would take over."""
        self.must_run("B", "killall -9 xl libxl-save-helper; xl destroy guest--incoming")
        Protection.until("xl remus ends", lambda: not self.runs(), START_LIMIT_S)
        Protection.until("the guest runs on",
                         lambda: re.search(rf"^{GUEST} .*[-r][-b]----", self.must_run("A", "xl list"), re.MULTILINE),
                         START_LIMIT_S)
        # Killed while it sent, it may leave the dirty log on; then nobody else is let in.
        self.must_run("A", f"bare_pause $(xl domid {GUEST}) 0 0")

    def said(self):
        return "".join(self.lab.run(host, f"tail -20 {LOG}")[1] for host in "AB"
                       if self.lab.machine(host).alive())
