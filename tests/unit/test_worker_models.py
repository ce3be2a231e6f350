"""The worker's models where a GPU's memory runs out: what waits stays whole, and a line tells the person."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

from pasta_core.errors import ExitCode, ModelUnavailable
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.worker import models as module
from pasta_core.worker.frames import Frame
from pasta_core.worker.models import Models
from pasta_core.worker.station import Call, Channel


@pytest.fixture
def models() -> Models:
    paths = locate({})
    return Models(load_profile("micro", paths), paths.assets, 1, "cpu")


def call(verb: str, args: dict[str, Any], arrays: dict[str, Any]) -> Call:
    return Call(Frame({"kind": "call", "id": 1, "verb": verb, "args": args}, arrays), Channel(os.dup(1)))


def test_a_painter_that_does_not_come_back_waits_whole(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    models._painter, models._device = object(), "cuda"  # type: ignore[assignment]
    moves: list[str] = []

    def move(painter: object, device: str) -> None:
        moves.append(device)
        if device == "cuda" and moves.count("cuda") == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(module, "move", move)
    models.park()
    with pytest.raises(ModelUnavailable, match="not enough memory on the device for the painter") as caught:
        models.unpark()
    assert caught.value.exit_code == ExitCode.MODEL
    assert moves == ["cpu", "cuda", "cpu"], "no half of it stays on the GPU"
    models.park()
    models.unpark()
    assert moves == ["cpu", "cuda", "cpu", "cuda"], "the next turn tries again"


def test_models_that_are_there_apart_come_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = locate({})
    models = Models(load_profile("micro", paths), paths.assets, 1, "cpu", apart=True)
    models._painter, models._device = object(), "cuda"  # type: ignore[assignment]
    moves: list[str] = []
    monkeypatch.setattr(module, "move", lambda painter, device: moves.append(device))
    for _ in range(2):
        models.park()
        models.unpark()
    assert moves == ["cpu", "cpu"], "the writer finds the GPU empty, the painter brings what it needs"


def test_memory_that_runs_out_while_images_are_embedded_is_a_line(models: Models) -> None:
    def lacks(*inputs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    hook = models.clip()._model.visual.register_forward_pre_hook(lacks)
    asked = call("embed", {"texts": []}, {"0": np.zeros((64, 64, 3), np.uint8)})
    with pytest.raises(ModelUnavailable, match="not enough memory on the device for CLIP's images") as caught:
        models.embed(asked)
    assert caught.value.hint
    hook.remove()
