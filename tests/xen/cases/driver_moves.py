# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's suspend driver where its guest finds itself in another domain: restored again and again, on the same
host and on the other, with requests to its disk and a TCP stream under way, and more checkpoints after each.
"""

from lablib.density import Density
from lablib.driver_guest import MOVE_S, NODE, SAVED
from lablib.fixture import until

CLOCKS = ("monotonic_ms", "boottime_ms", "realtime_ms")
CONSOLE_LOG = "/var/log/xen/console/guest-guest.log"
KINDS, CONNECTED = ("vif", "vbd"), "4"
THAWED = "Restarting tasks"
PUBLISHED = """xl unpause guest; i=0
until [ -n "$(xenstore-read {node})" ]; do [ $((i+=1)) -lt 10000 ] || exit 1; done
xenstore-read {states}"""


def restored(scene, restores, checkpoints, dense=False, **settings):
    """Each is a restore of the one before."""
    guest = scene.guest(**settings)
    first = guest.load(dense=dense)
    tool = Density(guest) if dense else guest
    for number in range(1, restores + 1):
        (guest.carry if number % 2 else guest.save_and_restore)()
        guest.flood.goes_on()
        print(f"# {number}, at {guest.host}: {tool.suspender(checkpoints)}", flush=True)
        print(f"# {guest.flood.goes_on()} octets echoed; {guest.checks.check()}", flush=True)
        assert guest.counter("restores") == number
        assert guest.counter("checkpoints") == number * checkpoints
    guest.checks.check_work(first)
    guest.unload()
    if dense:
        tool.require()


def restored_on_one_host(scene):
    """Where the wall clock is the same one: it has not stood still in the file."""
    guest = scene.guest()
    guest.checks.start("clocks")
    guest.check_wall_clock()
    guest.save_and_restore()
    guest.check_wall_clock()
    guest.check_published()


def use_console(guest, number):
    """A shell is there: it is told to compute something."""
    tty = guest.must_run(guest.host, f"xenstore-read /local/domain/{guest.domid()}/console/tty").strip()
    guest.must_run(guest.host, f"echo 'echo $(({number} * 1000)) computed' >{tty}")
    until("the console's shell answers", lambda: f"{number * 1000} computed" in
          guest.must_run(guest.host, f"tail {CONSOLE_LOG}"))


def use_xenstore(guest, number):
    """A watch of the kernel's fires, which reads the key and takes it away in a transaction."""
    guest.must_run(guest.host, "xl sysrq guest h")
    until("the key is answered", lambda: guest.run("dmesg").count("sysrq: HELP") == number)
    key = f"/local/domain/{guest.domid()}/control/sysrq"
    assert guest.must_run(guest.host, f"xenstore-read {key}").strip() in ("", "\\000"), "the key was not taken away"


def restored_with_console_and_xenstore(scene):
    guest = scene.guest()
    for number in range(1, 4):
        use_console(guest, number)
        use_xenstore(guest, number)
        (guest.carry if number % 2 else guest.save_and_restore)()
    use_console(guest, 4)
    use_xenstore(guest, 4)


def hide(guest):
    """xl finds no port then, and asks the guest's kernel."""
    guest.must_run(guest.host, f"xenstore-write /local/domain/{guest.domid()}/{NODE} ''")


def frontends(guest):
    """Paths of what the guest says of its devices."""
    devices = f"/local/domain/{guest.domid()}/device"
    return [f"{devices}/{kind}/{name}/state" for kind in KINDS
            for name in guest.must_run(guest.host, f"xenstore-list {devices}/{kind}").split()]


def published_at_last(guest):
    """The guest goes on; what it says of its devices as soon as its driver has published a port."""
    node = f"/local/domain/{guest.domid()}/{NODE}"
    return guest.must_run(guest.host, PUBLISHED.format(node=node, states=" ".join(frontends(guest))), MOVE_S).split()


def restored_by_the_kernel(scene):
    """Not by the driver, which is loaded; it publishes when the kernel has its devices again."""
    guest = scene.guest()
    first = guest.load()
    for number in range(1, 3):
        thawed = guest.run("dmesg").count(THAWED)
        guest.suspender(20)
        hide(guest)
        guest.must_run(guest.host, f"xl save guest {SAVED} && xl restore -p {SAVED} && rm {SAVED}", MOVE_S)
        states = published_at_last(guest)
        assert len(states) > 1 and set(states) == {CONNECTED}, states
        scene.restored_by_kernel += 1
        guest.await_answer()
        until("its tasks go on", lambda: guest.run("dmesg").count(THAWED) > thawed)
        guest.check_published()
        print(f"# {number}: {guest.suspender(20)}; {guest.flood.goes_on()} octets echoed", flush=True)
        guest.checks.check()
        guest.save_and_restore()
        assert guest.counter("restores") == number and guest.counter("checkpoints") == number * 40
    guest.checks.check_work(first)
    guest.unload()


def uptime_ms(guest):
    return float(guest.must_run(guest.host, "cat /proc/uptime").split()[0]) * 1000


def migrated(scene, checkpoints):
    """To a host that has been up for less time than the guest, and back."""
    guest = scene.guest()
    lab = scene.need()
    lab.kill("B")
    lab.up(fresh=True)  # its snapshot was made when it had been up for a while
    guest.install("B")
    first = guest.load(disk=None)
    for _ in range(2):
        before = guest.checks.check()
        guest.migrate()
        uptime, after = uptime_ms(guest), guest.checks.check()
        print(f"# {guest.host} has been up for {uptime:.0f} ms; the guest: {after['clocks']}", flush=True)
        assert guest.host == "A" or uptime < after["clocks"]["monotonic_ms"], "it was to be up for less time"
        for clock in CLOCKS:
            assert after["clocks"][clock] > before["clocks"][clock], (clock, before, after)
        print(f"# {guest.suspender(checkpoints)}; {guest.flood.goes_on()} octets echoed", flush=True)
    guest.checks.check_work(first)
    guest.unload()


TESTS = [("3 times restored under load, in turn on either host, 40 checkpoints after each",
          lambda scene: restored(scene, 3, 40)),
         ("restored: the wall clock is right", restored_on_one_host),
         ("twice restored in the kernel's own way with the driver loaded, and by the driver after each",
          restored_by_the_kernel),
         ("restored 3 times: console, xenstore's watches and transactions", restored_with_console_and_xenstore),
         ("migrated by xl to a host that was started later, and back", lambda scene: migrated(scene, 40))]
LONG_TESTS = [("20 times restored under load, in turn on either host, 200 checkpoints after each",
               lambda scene: restored(scene, 20, 200, dense=True))]
