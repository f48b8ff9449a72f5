# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU with one of its faults mended, for the laboratory only.

When Xen enters a guest with an interrupt to inject, QEMU (7.2 to 10.2, target/i386/tcg, helper_vmrun) delivers
it, but also notes its vector as an exception that is still to come. The next exit of the guest wipes the note
out, usually. If the emulated CPU is stopped before that for another reason, as one of several CPUs under -icount
is again and again, the interrupt is delivered once more, with interrupts off and often in the first instructions
of its own handler: the guest crashes. A guest that is busy on four CPUs lived for some seconds.

The copy of the program that hosts run does not write the note. Nothing else reads it.
"""

PROGRAM = "usr/bin/qemu-system-x86_64"
# mov %esi,exception_index; movl $0,exception_is_int; movq $-1,exception_next_eip, as in Debian 12's package
NOTE = bytes.fromhex("89b354efffff")
WHERE = NOTE + bytes.fromhex("c7838433000000000000" "48c78388330000ffffffff")
NOTHING = bytes.fromhex("660f1f440000")


def mend(root, copy, say):
    """The program of the unpacked packages, mended; as it is where it is another than we know."""
    octets = (root / PROGRAM).read_bytes()
    if octets.count(WHERE) == 1:
        octets = octets.replace(WHERE, NOTHING + WHERE[len(NOTE):])
    else:
        say("this QEMU is not the one that lablib/emulator.py mends; busy guests of several CPUs will crash")
    copy.write_bytes(octets)
    copy.chmod(0o755)
