"""Mini-batches of whole sessions with their pixels, drawn by the number of the step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pasta_core.data.images import ImageReference, UnreadableImage
from pasta_core.domain import Pixels
from pasta_core.seeds import derive_seed
from pasta_core.training.session_labels import SessionSet, TrainingSession

__all__ = ["SessionBatch", "SessionLoader"]


_NOTHING = np.zeros((8, 8, 3), np.uint8)


@dataclass(frozen=True)
class SessionBatch:
    """b sessions with T turns, on a device. Turns lie session by session."""

    pixels: Tensor
    """(T L M, 3, s, s), by turn, column and image."""
    tokens: Tensor
    """(b, context), the initial prompts: scores are taken against them, never against expansions (§5.1)."""
    session: Tensor
    """(T,) which session a turn is of."""
    turns: Tensor
    """(b,) how many turns a session has."""
    chosen: Tensor
    """(T,)."""
    selected: Tensor
    """(T,) the columns that cross-turn labels compare."""
    readable: Tensor
    """(T,) 1, or 0 where an image of the turn could not be read; such a turn counts nowhere."""
    weight: Tensor
    """(T,) factor of the losses of a turn's labels."""
    in_turn: Tensor
    """(p, 3) turn, first and second column."""
    in_turn_label: Tensor
    """(p,)."""
    cross_turn: Tensor
    """(c,) turns that were compared with the turn before."""
    cross_turn_label: Tensor
    """(c,)."""
    cross_turns: Tensor
    """(b,) how many of them a session has."""
    counts: tuple[float, float, float]
    """Choices, in-turn and cross-turn labels of the step, over the number of devices."""


class SessionLoader:
    """Draws `size` sessions a step and reads their images; a step's draw is the same on every run."""

    def __init__(
        self,
        sessions: SessionSet,
        size: int,
        seed: int,
        prepare: Callable[[Pixels], Tensor],
        tokens: Callable[[Sequence[str]], Tensor],
        device: torch.device,
    ) -> None:
        self._sessions = sessions
        self._size = size
        self._seed = seed
        self._prepare = prepare
        self._tokens = tokens
        self._device = device
        self._readers = ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="images")

    def draw(self, step: int) -> list[int]:
        """The step's sessions by number, without one twice where there are enough."""
        rng = np.random.default_rng(derive_seed(self._seed, "sessions", step))
        count = len(self._sessions)
        drawn: list[int] = rng.choice(count, self._size, replace=count < self._size).tolist()
        return drawn

    def batch(self, step: int, index: int = 0, count: int = 1) -> SessionBatch:
        """This process's part of a step: every `count`-th session, from `index`."""
        drawn = [self._sessions.sessions[number] for number in self.draw(step)]
        return self.of(drawn[index::count], _counts(drawn, count))

    def of(
        self, sessions: Sequence[TrainingSession], counts: tuple[float, float, float] | None = None
    ) -> SessionBatch:
        """The batch of some sessions."""
        first_turn = np.cumsum([0, *(len(session.chosen) for session in sessions)])
        references = [
            reference
            for session in sessions
            for turn in session.images
            for column in turn
            for reference in column
        ]
        pixels, readable = self._read(references)
        in_turn = [
            ((first_turn[place] + label.turn, label.first, label.second), label.label)
            for place, session in enumerate(sessions)
            for label in session.in_turn
        ]
        cross_turn = [
            (first_turn[place] + label.turn, label.label)
            for place, session in enumerate(sessions)
            for label in session.cross_turn
        ]
        return SessionBatch(
            pixels=pixels.to(self._device, non_blocking=True),
            tokens=self._tokens([session.prompt for session in sessions]).to(self._device),
            session=self._whole(np.repeat(np.arange(len(sessions)), np.diff(first_turn))),
            turns=self._whole(np.diff(first_turn)),
            chosen=self._whole([column for session in sessions for column in session.chosen]),
            selected=self._whole([column for session in sessions for column in session.selected]),
            readable=readable.to(self._device),
            weight=self._real([session.weight for session in sessions for _ in session.chosen]),
            in_turn=self._whole([label for label, _ in in_turn]).view(-1, 3),
            in_turn_label=self._real([label for _, label in in_turn]),
            cross_turn=self._whole([turn for turn, _ in cross_turn]),
            cross_turn_label=self._real([label for _, label in cross_turn]),
            cross_turns=self._whole([len(session.cross_turn) for session in sessions]),
            counts=counts or _counts(sessions, 1),
        )

    def _read(self, references: Sequence[ImageReference]) -> tuple[Tensor, Tensor]:
        """Pixels (n, 3, s, s), and for each turn whether all of its images could be read."""
        prepared = list(self._readers.map(self._open, references))
        size = next((one for one in prepared if one is not None), None)
        # Where nothing can be read the shape is that of any picture.
        blank = torch.zeros_like(self._prepare(_NOTHING) if size is None else size)
        read = torch.tensor([float(one is not None) for one in prepared])
        per_turn = self._sessions.columns * self._sessions.images
        pixels = torch.stack([blank if one is None else one for one in prepared])
        return pixels, read.view(-1, per_turn).amin(-1)

    def _open(self, reference: ImageReference) -> Tensor | None:
        try:
            return self._prepare(reference.open())
        except UnreadableImage:
            return None

    def _whole(self, values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.int64), device=self._device)

    def _real(self, values: Sequence[float]) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float32), device=self._device)


def _counts(sessions: Sequence[TrainingSession], devices: int) -> tuple[float, float, float]:
    return (
        sum(len(session.chosen) for session in sessions) / devices,
        sum(len(session.in_turn) for session in sessions) / devices,
        sum(len(session.cross_turn) for session in sessions) / devices,
    )
