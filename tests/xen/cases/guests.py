# SPDX-License-Identifier: GPL-2.0-or-later
"""Other guests than the usual one, through a failover."""


def outlives(scene, **guest):
    p = scene.ready(**guest)
    p.protect()
    talk = scene.talk()
    scene.kill_primary()
    scene.check_took_over(talk)


TESTS = [("a guest with 2 vCPUs outlives its host", lambda scene: outlives(scene, vcpus=2))]
# Where Xen does not trust the processor's TSC each look at it traps.
MISHAPS = [("a guest of 512 MiB outlives its host", lambda scene: outlives(scene, memory=512)),
           ("a guest whose looks at the TSC trap outlives its host", lambda scene: outlives(scene, tsc="default"))]
