"""Trains the first phase on a planted mixture, as a program that can be killed: `FOLDER STEPS [PROCESSES]`.

With PROCESSES it is started so many times over by `torchrun`. Every step is checkpointed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.training.devices import Devices, ManyDevices, OneDevice
from pasta_core.training.presets import PRESETS
from pasta_core.training.user_model_run import TrainingFolder, UserModelRun, train_single_turn
from pasta_core.users.user_model import UserModel, UserModelConfig
from tests.support.planted_mixture import Mixture, plant

MIXTURE = Mixture(types=2, raters=60, pairs=8, ratings=4, dimension=8, images=300, prompts=10)


def train(folder: Path, steps: int, devices: Devices, **options: Any) -> UserModel | None:
    """Train on what every call plants alike."""

    def tell(line: Mapping[str, Any]) -> None:
        print(json.dumps(line), flush=True)

    changes = {"steps": steps, "batch": 128, "report_every": 5, "target_every": 7, "held_out": 0.2}
    config = replace(PRESETS["micro"].single_turn, **changes)  # type: ignore[arg-type]
    run = UserModelRun(TrainingFolder(folder), 3, tell, devices, **{"checkpoint_seconds": 0.0, **options})
    return train_single_turn(run, plant(MIXTURE).labels, config, UserModelConfig(8, 2))


def main() -> None:
    folder, steps, *processes = sys.argv[1:]
    devices: Devices = OneDevice()
    if processes:
        devices = ManyDevices(cpu=True)
        assert devices.count == int(processes[0]), "the processes do not know each other"
    train(Path(folder), int(steps), devices)


if __name__ == "__main__":
    main()
