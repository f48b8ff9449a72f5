# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with the suspend driver: under load, checking itself, suspended by tools in dom0, moved by xl."""

import shlex
import signal
import subprocess
import sys

from lablib import kernel_log, transfer
from lablib.fixture import until
from lablib.layout import ECHO_PORT, GUEST_IP, HOSTS, SOURCES, LabError, host_ip
from lablib.migration import migrate
from lablib.protect import default_build
from lablib.selfchecks import ANSWER_S, SelfChecks, numbers

TOOLS = ("suspender", "meddler", "guest_avx", "hold_cpu")
NODE = "device/suspend/event-channel"
CAPABILITIES = "plain-resume restore refusal"
PARAMETERS = "/sys/module/remus_suspend/parameters"
DISK, SAVED = "/tmp/disk", "/tmp/guest.save"
# A check of all of the memory takes its time in emulation.
DEFAULTS = {"driver": 1, "memory": 160, "pattern_mb": 4, "pattern_rate": 100, "disk": DISK, "tsc": "native"}
# By its path: its shell would run it without a process. The other programs leave next to nothing to a storm of their
# priority; a dense one leaves little to them.
FORKS = "renice -n {} $$; while [ ! -e /tmp/rest ]; do /bin/busybox true; /bin/busybox true; usleep {}; done"
STORM, DENSE_STORM = FORKS.format(0, 50_000), FORKS.format(-5, 5000)
START_S, MOVE_S, TOOL_S = 900, 1800, 3600
PORT = 9000
REST_MS = 10  # where a guest need not do much between two checkpoints; density.py has more
SLACK_MS = 3000


class Flood:
    """TCP in both directions, every octet compared (flood.py), in a process on the outer machine."""

    def __init__(self, lab, directory):
        self.log = directory / "flood.log"
        with open(self.log, "wb") as out:
            self.process = lab.client([sys.executable, SOURCES / "lablib/flood.py", GUEST_IP, str(ECHO_PORT)],
                                      stdout=out, stderr=subprocess.STDOUT)
        until("a stream comes about", self.octets, ANSWER_S)

    def octets(self):
        text = self.log.read_text()
        assert self.process.poll() is None, f"the stream ended: {text[-300:]}"
        lines = text.split("\n")[:-1]
        return int(lines[-1]) if lines else 0

    def goes_on(self):
        before = self.octets()
        return until("the stream goes on", lambda: (now := self.octets()) > before and now, ANSWER_S)

    def end(self):
        """The number of octets that went round."""
        self.goes_on()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(ANSWER_S) == 0, self.log.read_text()[-300:]
        return int(self.log.read_text().split()[-1])

    def close(self):
        self.process.kill()
        self.process.wait()


class DriverGuest:
    """One guest, called `guest`; `host` is where it is now."""

    def __init__(self, lab, directory):
        self.lab, self.directory, self.host = lab, directory, "A"
        self.checks = SelfChecks(lab, self.run)
        self.vector, self.flood = "vector", None

    # ---- starting ----

    def install(self, *hosts):
        tools = [default_build() / "helpers/xen" / name for name in TOOLS]
        for host in hosts:
            transfer.put(self.lab, host, tools, "/usr/sbin", with_libraries=True)

    def start(self, **settings):
        """Keys as lab-guest has them; with a disk, and the driver loaded, unless told otherwise."""
        words = [f"{key}={value}" for key, value in (DEFAULTS | settings).items()]
        self.checks.threads = settings.get("vcpus", 1)
        self.must_run(self.host, f"rm -f {DISK}; {shlex.join(['lab-guest', *words])}")
        self.await_answer()

    def await_answer(self):
        until("the guest runs commands", self.answers, START_S)

    def answers(self):
        try:
            return self.lab.run_guest("true", 10)[0] == 0
        except LabError:
            return False

    def load(self, disk="disk", vector="vector", dense=False):
        """fork and exec without end, TCP, the self-checks, until unload(); disk: the one for it, None: no disk is used.
        An emulated CPU is to be busy, not out of breath: whoever asks a self-check is to get an answer. dense: for
        density.py. Returns what they say."""
        self.vector = vector
        if vector == "avx":
            self.must_run(self.host, f"guest_avx {self.domid()}")
        self.checks.start(vector, "clocks", *([disk] if disk else []))
        self.begin(DENSE_STORM if dense else STORM)
        self.flood = Flood(self.lab, self.directory)
        said = self.checks.check()
        assert vector != "avx" or said["avx"]["bits"] == 256, said
        return said

    def begin(self, program):
        """A shell's, that ends when it finds /tmp/rest."""
        self.run(f"setsid sh -c {shlex.quote(program)} >/dev/null 2>&1 &")

    def unload(self):
        """Everything owed must come then. Returns how many octets the stream had."""
        self.checks.check()
        octets, self.flood = self.flood.end(), None
        self.run("touch /tmp/rest")
        self.checks.stop(self.vector)
        self.checks.check_owed()
        self.checks.check()
        return octets

    def processes(self):
        """How many there have been since the guest was booted."""
        return int(self.run("grep processes /proc/stat").split()[1])

    def close(self):
        if self.flood:
            self.flood.close()

    # ---- commands ----

    def must_run(self, host, command, limit_s=ANSWER_S):
        status, text = self.lab.run(host, command, limit_s)
        assert status == 0, f"{host}: {command}: {status}: {text}"
        return text

    def run(self, command, limit_s=ANSWER_S):
        """Once more where no connection comes about in time: a guest that is stopped all the time is slow."""
        def attempt():
            try:
                return self.lab.run_guest(command, limit_s)
            except LabError as error:
                print(f"# once more: {error}", flush=True)
                return None

        status, text = until(f"guest: {command}", attempt, limit_s)
        assert status == 0, f"guest: {command}: {status}: {text}"
        return text

    def domid(self):
        return int(self.must_run(self.host, "xl domid guest"))

    def published(self):
        return self.must_run(self.host, f"xenstore-read /local/domain/{self.domid()}/{NODE}").strip()

    def is_suspended(self):
        """xl's letters: r b p s c d."""
        return "s" in self.must_run(self.host, "xl list guest | tail -n 1").split()[4]

    def suspender(self, count, how="plain", rest_ms=REST_MS, log=""):
        """KEY=NUMBER of what the tool printed."""
        return numbers(self.must_run(self.host, f"suspender {self.domid()} {count} {how} {rest_ms} {log}", TOOL_S))

    def meddler(self, mode, count=1):
        return numbers(self.must_run(self.host, f"meddler {mode} {self.domid()} {count}", TOOL_S))

    def counter(self, name):
        return int(self.run(f"cat {PARAMETERS}/{name}"))

    def log(self):
        """What the driver has to say in the kernel's log."""
        return kernel_log.drivers_lines(self.run("dmesg"))

    def check_published(self):
        """What its README says of the nodes; the line that it logged last has the port."""
        port, version = self.published(), self.run("cat /sys/module/remus_suspend/version").strip()
        assert int(port) > 0 and self.log()[-1].endswith(f" listening on event channel {port}"), (port, self.log())
        for name, value in {"version": version, "capabilities": CAPABILITIES, "resume-plain": "1"}.items():
            node = f"/local/domain/{self.domid()}/{NODE}/{name}"
            assert self.must_run(self.host, f"xenstore-read {node}").strip() == value, (node, value)

    # ---- moving ----

    def save_and_restore(self):
        self.must_run(self.host, f"xl save guest {SAVED}", MOVE_S)
        self.restore()

    def restore(self):
        self.must_run(self.host, f"xl restore {SAVED}; s=$?; rm {SAVED}; exit $s", MOVE_S)
        self.await_return()

    def other(self):
        return HOSTS[1 - HOSTS.index(self.host)]

    def send(self, other, path, command):
        """`command` writes into a pipe; what it writes is `path` at the other host."""
        self.must_run(other, f"rm -f /tmp/whole; {{ socat -u TCP-LISTEN:{PORT},reuseaddr CREATE:{path}; "
                             "touch /tmp/whole; } >/dev/null 2>&1 &")
        self.must_run(self.host, "rm -f /tmp/pipe; mkfifo /tmp/pipe; socat -u STDIN "
                                 f"TCP:{host_ip(other, 'repl')}:{PORT},retry=50,interval=0.2 </tmp/pipe & "
                                 f"{command} && wait", MOVE_S)
        until("all has arrived", lambda: self.lab.run(other, "test -e /tmp/whole")[0] == 0, MOVE_S)

    def carry(self):
        """Saved, file and disk taken to the other host, restored there."""
        other = self.other()
        self.send(other, SAVED, "xl save guest /tmp/pipe")
        self.send(other, DISK, f"cat {DISK} >/tmp/pipe")
        self.host = other
        self.restore()

    def migrate(self):
        """By xl; its disk, which must not be used meanwhile, is not taken along."""
        other = self.other()
        self.must_run(other, f"[ -e {DISK} ] || dd if=/dev/zero of={DISK} bs=1M count=16 2>/dev/null")
        migrate(self.lab, self.host, other, MOVE_S)
        self.host = other
        self.await_return()

    def await_return(self):
        """The driver publishes a port again when the devices are connected."""
        until("the driver publishes again", lambda: self.published() != "", MOVE_S)
        self.await_answer()

    def check_wall_clock(self):
        """It is dom0's, whatever time the guest has spent in a file."""
        def dom0():
            return int(self.must_run(self.host, "date +%s")) * 1000

        earliest, now, latest = dom0(), self.checks.answer("clocks")["realtime_ms"], dom0()
        assert earliest - SLACK_MS <= now <= latest + SLACK_MS, (earliest, now, latest)
