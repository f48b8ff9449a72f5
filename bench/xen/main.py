#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`remus-bench xen`: this engine and stock `xl remus` side by side, on two emulated Xen hosts."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(SOURCE / "tests/xen")]

import guest  # noqa: E402
import plan  # noqa: E402
from lablib.layout import LabError  # noqa: E402
from results import Results  # noqa: E402

PARTS = ("costs", "ends", "voices")
INTERVALS = (25, 50, 100)
SUSPEND = ("cooperative", "driver")
WORKLOADS = [workload.name for workload in guest.WORKLOADS]
QUICK_WORKLOADS = ["idle", "dirty 4 MB/s"]


def numbers(text):
    return [int(word) for word in text.split(",")]


def some_of(known):
    def words(text):
        unknown = set(text.split(",")) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"not {', '.join(unknown)}; there are {', '.join(known)}")
        return text.split(",")
    return words


def parser():
    top = argparse.ArgumentParser(prog="remus-bench xen", allow_abbrev=False, description=__doc__.strip("`").replace("`", ""))
    top.add_argument("--quick", action="store_true", help="one interval, two workloads, one repetition")
    top.add_argument("--out", metavar="FILE", help="append the results to FILE, a line of JSON each; what is "
                     "there already is not measured again")
    top.add_argument("--only", choices=PARTS, help="one part")
    top.add_argument("--intervals", type=numbers, metavar="MS,...", help="epoch lengths asked: 25,50,100")
    top.add_argument("--suspend", type=some_of(SUSPEND), metavar="MODE,...", default=["cooperative"],
                     help="for costs: cooperative (stock guest), driver (guest with the suspend driver)")
    top.add_argument("--workloads", type=some_of(WORKLOADS), metavar="NAME,...",
                     help=f"what the guest does: {','.join(WORKLOADS)}")
    top.add_argument("--vcpus", type=numbers, metavar="N,...", default=[1],
                     help="for costs: of the guest; the hosts have as many CPUs")
    top.add_argument("--repeat", type=int, metavar="N", help="repetitions of what is measured from end to end: 4; under load "
                     "half as many")
    return top


def defaults(args):
    args.parts = [args.only] if args.only else list(PARTS)
    args.workloads = args.workloads or (QUICK_WORKLOADS if args.quick else WORKLOADS)
    args.intervals = args.intervals or ([50] if args.quick else list(INTERVALS))
    args.repeat = args.repeat or (1 if args.quick else 4)
    return args


def main():
    args = defaults(parser().parse_args())
    os.environ.setdefault("REMUS_BUILD", str(SOURCE / "build"))
    with tempfile.TemporaryDirectory(prefix="remus-bench-xen.") as directory:
        # A laboratory of its own: one that someone works with is not disturbed.
        os.environ.setdefault("REMUS_LAB_DIR", directory)
        results = Results(args.out, args.quick)
        started = time.monotonic()
        failed = plan.run(args, results)
    print(f"{time.monotonic() - started:.0f} s, {failed} measures failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LabError, OSError) as error:
        sys.exit(f"remus-bench xen: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
