# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's suspend driver in short, for every run of the suite: under load, loaded by hand, found and used by
the engine, unloaded meanwhile, and in a guest that has lost its host.
"""

from cases import driver_load, driver_meddling, suspend, suspend_deaths

CHECKPOINTS = 200

BY_TOOLS = [(f"{CHECKPOINTS} checkpoints of a guest under load",
             lambda scene: driver_load.checkpoints(scene, CHECKPOINTS)),
            ("loaded by hand, announced, obeys", driver_meddling.loaded_by_hand)]
BY_THE_ENGINE = [("a driver is loaded, unloaded and loaded while the guest is protected", suspend.comes_and_goes),
                 ("protect finds the driver and says so; A dies, and the guest is sound at B",
                  lambda scene: suspend_deaths.host_dies(scene, "found", "auto"))]
