# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's suspend driver in short, for every run of the suite: under load, where a tool misbehaves, found and used
by the engine, and in a guest that has lost its host.
"""

from cases import driver_load, driver_meddling, suspend_deaths

CHECKPOINTS = 200

BY_TOOLS = [(f"{CHECKPOINTS} checkpoints of a guest under load",
             lambda scene: driver_load.checkpoints(scene, CHECKPOINTS)),
            ("requests whose sender hangs up are not obeyed", driver_meddling.hangups)]
BY_THE_ENGINE = [("protect finds the driver and says so; A dies, and the guest is sound at B",
                  lambda scene: suspend_deaths.host_dies(scene, "found", "auto"))]
