# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU with two of its faults mended, for the laboratory only, in the copy of the program that hosts run.

An interrupt that comes twice. When Xen enters a guest with an interrupt to inject, QEMU (7.2 to 10.2,
target/i386/tcg, helper_vmrun) delivers it, but also notes its vector as an exception that is still to come. The
next exit of the guest wipes the note out, usually. If the emulated CPU is stopped before that for another reason,
as one of several CPUs under -icount is again and again, the interrupt is delivered once more, with interrupts off
and often in the first instructions of its own handler: the guest crashes. A guest that is busy on four CPUs lived
for some seconds. The mended copy does not write the note. Nothing else reads it.

Flags that are none. CMPXCHG16B changes ZF only. QEMU 7.2 works out the other flags without having told which
instruction they are to be worked out from (cc_op), and may put an operand of it into RFLAGS instead. An interrupt
that comes then saves that. Where it has the bit NT, the kernel thread goes on with NT, and dies of its next IRET,
as the kernel executes one when it has changed its own code: kernel 6.12 died so while it booted on a busy machine.
The mended copy tells. The octets for that stand in place of the choice of another way to do it,
which only CPUs that are threads need, and the laboratory has none (machine.py, Mode).
"""

PROGRAM = "usr/bin/qemu-system-x86_64"
# As in Debian 12's package. mov %esi,exception_index; movl $0,exception_is_int; movq $-1,exception_next_eip
NOTE, NOTED = "89b354efffff", "c7838433000000000000" "48c78388330000ffffffff"
NO_NOTE = "660f1f440000"
# testb $PREFIX_LOCK,prefix; je; tb_cflags; test $CF_PARALLEL; jne
CHOICE = "f6435904" "7411" "488b038b4014" "a900000800" "0f8533140000"
# cmpb $0,cc_op_dirty; je; gen_update_cc_op; nop
TELL = "807b6800" "7408" "4889df" "e8fd51fdff" "660f1f840000000000"
MENDED = ((NOTE + NOTED, NO_NOTE + NOTED), (CHOICE, TELL))


def mend(root, copy, say):
    """The program of the unpacked packages, mended; as it is where it is another than we know."""
    octets = (root / PROGRAM).read_bytes()
    for old, new in ((bytes.fromhex(old), bytes.fromhex(new)) for old, new in MENDED):
        if octets.count(old) == 1:
            octets = octets.replace(old, new)
        else:
            say("this QEMU is not the one that lablib/emulator.py mends; busy guests will crash at random")
    copy.write_bytes(octets)
    copy.chmod(0o755)
