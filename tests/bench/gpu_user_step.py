"""One step of the user model's first phase, its batch embedded before or in the step itself."""

from __future__ import annotations

from dataclasses import replace

import torch

from pasta_core.training.devices import OneDevice
from pasta_core.training.em_state import EmState
from pasta_core.training.label_batches import LabelSampler
from pasta_core.training.presets import PRESETS
from pasta_core.training.single_turn import SingleTurn
from pasta_core.users.user_model import UserModel, UserModelConfig
from tests.bench import gpu_models
from tests.bench.gpu_compare import Bench, Way, compare
from tests.bench.gpu_sizes import Sizes
from tests.support.planted_mixture import Mixture, plant

TYPES = 8
"""K (§6.2)."""
ENCODED = 256
"""Pictures in a pass of the image encoder."""


def user(bench: Bench, sizes: Sizes) -> None:
    """Table 1's step from a store of embeddings, beside a step that encodes its pictures itself.

    The second one's pictures are already preprocessed and on the device, which flatters it.
    """
    device = bench.machine.device
    mixture = Mixture(
        types=TYPES, raters=300, pairs=24, dimension=sizes.dimension, images=12_000, prompts=600
    )
    labels = plant(mixture).labels
    pictures = len(LabelSampler(labels, sizes.labels, 0).batch(1, torch.device("cpu")).images)
    tower = gpu_models.made(lambda: gpu_models.vision_tower(sizes.full), device, sizes.dtype)
    side = tower.config.image_size
    inputs = torch.randn(min(ENCODED, pictures), 3, side, side, device=device, dtype=sizes.dtype)
    ways, most = [], 0
    for precision in dict.fromkeys(("float32", "bfloat16" if bench.machine.cuda else "float32")):
        config = replace(PRESETS["paper"].single_turn, batch=sizes.labels, precision=precision)
        torch.manual_seed(0)
        state = EmState(UserModel(UserModelConfig(sizes.dimension, TYPES))).to(device)
        phase = SingleTurn(state, labels, config, 0, OneDevice(str(device)))
        optimizer = torch.optim.AdamW([one for one in state.parameters() if one.requires_grad], fused=True)
        step = _Step(phase, optimizer)
        most = max(most, gpu_models.size_of(state))
        # weights of the live network and the target, the gradient, and AdamW's two averages, read and written
        moved = 5.5 * gpu_models.size_of(state)
        ways.append(Way(f"pasta, {precision}", step, None, moved, 2 * gpu_models.size_of(state)))

    @torch.inference_mode()
    def encode() -> None:
        for start in range(0, pictures, ENCODED):
            tower(pixel_values=inputs[: pictures - start])

    def plain() -> None:
        encode()
        step()

    weights = gpu_models.size_of(tower) + 2 * most
    ways.insert(0, Way("plain, encoding its pictures", plain, None, gpu_models.size_of(tower), weights))
    facts = {"labels": sizes.labels, "pictures": pictures, "types": TYPES, "dimension": sizes.dimension}
    compare(bench, "user", ways, facts)


class _Step:
    """A whole step: labels drawn and gathered, E-step, M-step, optimiser."""

    def __init__(self, phase: SingleTurn, optimizer: torch.optim.Optimizer) -> None:
        self._phase = phase
        self._optimizer = optimizer
        self._number = 0

    def __call__(self) -> None:
        self._number += 1
        loss = self._phase(self._number)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
