# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of the laboratory."""

import argparse
import os
import shlex
import signal
import subprocess
import sys

from lablib import agent, console, images, kernels, transfer
from lablib.laboratory import RUN_LIMIT_S, Laboratory
from lablib.layout import CLIENT_IP, GUEST, GUEST_IP, HOSTS, LINKS, NICS, LabError, Unavailable, host_ip
from lablib.machine import Mode

EXIT_LAB, EXIT_TIMEOUT, EXIT_UNAVAILABLE = 125, 124, 77
SIGNALLED = 128
CLIENT = "client"


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def build(lab, args):
    print(images.ensure(say).path)


def up(lab, args):
    lab.up(Mode(args.memory, args.icount, args.cpus, args.paced), args.fresh, args.owner)
    say(f"up; client {CLIENT_IP}, guest {GUEST_IP}, hosts " + ", ".join(
        f"{host} {host_ip(host, 'front')} (repl {host_ip(host, 'repl')})" for host in HOSTS))


def down(lab, args):
    say("down" if lab.down() else "nothing was running")


def status(lab, args):
    for machine in lab.machines().values():
        if not machine.alive():
            print(f"{machine.name}: off")
            continue
        print(f"{machine.name}: {machine.condition()}, {machine.mode.name()}, " + ", ".join(
            f"{nic} {host_ip(machine.name, nic)}" for nic in NICS) + f", console log {machine.log}")
    print(f"network: nsenter --net=/proc/{lab.namespace.pid()}/ns/net")
    print(f"packages: {machine.build.root.path}")


def run_client(lab, command, stdin, limit_s):
    """As agentd does: a session of its own, which time's end, or ours, ends with all that is in it."""
    process = lab.client(["sh", "-c", command], stdin=stdin or subprocess.DEVNULL, start_new_session=True)
    try:
        status = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise agent.TimedOut(f"{CLIENT}: the command was ended after {limit_s:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return status if status >= 0 else SIGNALLED - status


def run(lab, args):
    words = args.command
    command = words[0] if len(words) == 1 else shlex.join(words)
    stdin = sys.stdin.buffer if args.stdin else None
    if args.host == CLIENT:
        return run_client(lab, command, stdin, args.timeout)
    if args.host == GUEST:
        return lab.guest_command(command, stdin, agent.to_stdout, agent.to_stderr, args.timeout)
    return lab.command(lab.running(args.host), command, stdin, agent.to_stdout, agent.to_stderr,
                       args.timeout)


def put(lab, args):
    transfer.put(lab, args.host, args.file, args.dest, args.libs)


def get(lab, args):
    transfer.get(lab, args.host, args.file, args.dest)


def kill(lab, args):
    if not lab.kill(args.host):
        raise LabError(f"host {args.host} was off already")


def freeze(lab, args):
    lab.signal(args.host, signal.SIGSTOP)


def thaw(lab, args):
    lab.signal(args.host, signal.SIGCONT)


def cut(lab, args):
    lab.set_link(args.link, False)


def heal(lab, args):
    lab.set_link(args.link, True)


def snapshot(lab, args):
    lab.snapshot(args.name)


def restore(lab, args):
    lab.restore(args.name)


def forget(lab, args):
    lab.forget(args.name)


def kernel(lab, args):
    print(kernels.make(args.directory, args.flavour, args.backports, say))


def attach(lab, args):
    console.attach(lab.running(args.host))


def parser():
    top = argparse.ArgumentParser(prog="lab", description="Two emulated Xen hosts, A and B, and a "
                                  "client on one network segment; tests/xen/README.md explains.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function, text, *arguments, name=None):
        sub = commands.add_parser(name or function.__name__, help=text, description=text)
        for argument in arguments:
            sub.add_argument(argument)
        sub.set_defaults(function=function)
        return sub

    command(build, "downloads packages and makes the images, if not in the cache; prints where")
    sub = command(up, "starts the hosts that are off, from a snapshot of booted hosts if there is one")
    sub.add_argument("--fresh", action="store_true", help="boot, whatever snapshot there is")
    sub.add_argument("--memory", type=int, default=1536, metavar="MB", help="of each host")
    sub.add_argument("--icount", action="store_true", help="deterministic time, for measurements")
    sub.add_argument("--cpus", type=int, default=1, metavar="N",
                     help="of each host; more than one only with --icount")
    sub.add_argument("--paced", action="store_true",
                     help="with --icount: an idle host's clock goes no faster than ours")
    sub.add_argument("--owner", type=int, default=0, metavar="PID",
                     help="take the laboratory down when this process ends")
    command(down, "ends everything that up started")
    command(status, "what runs, with addresses and paths")
    sub = command(run, "runs a shell command in a host's dom0, in the guest, or on the client's side of the "
                  "network; exits "
                       f"as it did, {EXIT_TIMEOUT} after a timeout, {EXIT_LAB} for the lab's own errors")
    sub.add_argument("--timeout", type=float, default=RUN_LIMIT_S, metavar="S")
    sub.add_argument("--stdin", action="store_true", help="hand on the input")
    sub.add_argument("host", choices=(*HOSTS, GUEST, CLIENT))
    sub.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND...")
    sub = command(put, "copies files into a directory of a host")
    sub.add_argument("--libs", action="store_true", help="and the libraries that they need")
    add_files(sub)
    add_files(command(get, "copies files of a host into a directory here"))
    command(kill, "cuts a host's power: SIGKILL", "host")
    command(freeze, "stops a host's time: SIGSTOP", "host")
    command(thaw, "lets a frozen host go on", "host")
    command(cut, f"unplugs a cable: {' or '.join(LINKS)}, at one host: {LINKS[1]}:A", "link")
    command(heal, "plugs it in again", "link")
    command(snapshot, "saves both hosts; they run on", "name")
    command(restore, "puts both hosts back to a snapshot", "name")
    command(forget, "deletes a snapshot", "name")
    sub = command(kernel, "another kernel of Debian for guests, with the suspend driver for it; prints its version")
    sub.add_argument("--backports", action="store_true")
    sub.add_argument("flavour", choices=kernels.FLAVOURS)
    sub.add_argument("directory", help="is made, and holds what lab-guest wants as kernel= and overlay=")
    command(attach, "a host's serial console", "host", name="console")
    return top


def add_files(sub):
    sub.add_argument("host", choices=HOSTS)
    sub.add_argument("file", nargs="+")
    sub.add_argument("dest")


def ended(*_):
    """What was begun is undone first."""
    sys.exit(SIGNALLED + signal.SIGTERM)


def main():
    signal.signal(signal.SIGTERM, ended)
    args = parser().parse_args()
    try:
        return args.function(Laboratory(say), args) or 0
    except agent.TimedOut as error:
        say(error)
        return EXIT_TIMEOUT
    except Unavailable as error:
        say(error)
        return EXIT_UNAVAILABLE
    except (LabError, OSError, subprocess.SubprocessError) as error:
        say(error)
        return EXIT_LAB
    except KeyboardInterrupt:
        return 130
