"""Fine-tunes a small user model and the micro CLIP on drawn sessions, as a program to be killed: `FOLDER`.

Every step is checkpointed.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pasta_core.data.images import ImageReference, PixelImage
from pasta_core.data.records import SessionRecord, SessionTurn
from pasta_core.domain import Comparison, TurnRating
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import sample_scene
from pasta_core.paths import find_assets
from pasta_core.training.presets import PRESETS, SequentialConfig
from pasta_core.training.sequential_run import train_sequential
from pasta_core.training.session_labels import SessionSet, session_set
from pasta_core.training.user_model_run import TrainingFolder, UserModelRun
from pasta_core.users.user_model import UserModel, UserModelConfig

CLIP = find_assets() / "micro" / "clip"


def drawn(seed: int, columns: int = 2, images: int = 2) -> tuple[tuple[ImageReference, ...], ...]:
    rng = random.Random(seed)
    return tuple(
        tuple(
            PixelImage(f"{seed}-{column}-{number}", pixels=draw(sample_scene(rng), rng.randrange(1000)))
            for number in range(images)
        )
        for column in range(columns)
    )


def rated_turn(number: int, choice: int, scores: tuple[int, ...] = (), comparison: str = "") -> SessionTurn:
    rating = TurnRating(choice, scores, 3, Comparison(comparison) if comparison else None)
    return SessionTurn(number, drawn(10 * number + choice), choice, rating=rating)


def record(number: int, *turns: SessionTurn) -> SessionRecord:
    return SessionRecord(str(number), f"a red train {number}", turns, f"r{number}", f"r{number}")


def drawn_sessions(count: int = 6) -> SessionSet:
    return session_set(
        record(
            number,
            rated_turn(1, number % 2, (5, 2)),
            rated_turn(2, 0, (3, 3), "better"),
            rated_turn(3, 1, (), "worse"),
        )
        for number in range(count)
    )


def config(**changes: object) -> SequentialConfig:
    base = replace(PRESETS["micro"].sequential, steps=4, batch=3, report_every=2, target_every=3)
    return replace(base, **{"held_out": 0.2, "clip_rate": 0.1, **changes})  # type: ignore[arg-type]


def fine_tune(folder: Path, stop: Callable[[], bool] = lambda: False, **changes: object) -> UserModel | None:
    """Fine-tune on what every call draws alike."""

    def tell(line: Mapping[str, Any]) -> None:
        print(json.dumps(line), flush=True)

    torch.manual_seed(0)
    users = UserModel(UserModelConfig(96, 2, columns=2))
    run = UserModelRun(TrainingFolder(folder), 1, tell, stop=stop, checkpoint_seconds=0.0)
    return train_sequential(run, users, CLIP, drawn_sessions(), config(**changes))


if __name__ == "__main__":
    fine_tune(Path(sys.argv[1]))
