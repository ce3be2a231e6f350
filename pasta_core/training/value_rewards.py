"""Rewards for sessions of people, by the user model's most likely type (App. B.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.images import UnreadableImage, decode_image
from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord, TurnRecord
from pasta_core.domain import Comparison, Embedding
from pasta_core.errors import InvalidInput
from pasta_core.paths import Paths
from pasta_core.profiles import load_profile
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.likelihood import log_preference
from pasta_core.users.model_files import CLIP_FOLDER, load_user_model
from pasta_core.users.posterior import belief_after, most_likely_type, probabilities
from pasta_core.users.user_model import UserModel

__all__ = ["rewards_by"]

_PREFERENCE = {Comparison.BETTER: 1.0, Comparison.SAME: 0.5, Comparison.WORSE: 0.0}
_LARGEST_SCALE = 100.0


class _Labeller:
    """One user model with the encoder that it was trained on; prompts are encoded once."""

    def __init__(self, users: UserModel, clip: ClipEncoder, *, stored: bool) -> None:
        self._users = users
        self._clip = clip
        self._stored = stored
        self._texts: dict[str, Embedding] = {}
        # as `simulate` maps cosines times exp(a) to rewards from 0 to 10
        self._slope = 5 / float(users.log_scale.exp().clamp(max=_LARGEST_SCALE))

    @torch.no_grad()
    def __call__(self, record: TrajectoryRecord) -> TrajectoryRecord:
        """The record with utilities of all types, posterior and rewards.

        It comes back as it is where an image can neither be looked up nor be opened, or a choice names no
        column. The posterior is over the whole session: choices, and how the column that was reconfirmed in a
        turn compared with that of the turn before, where one follows the other (App. B.2).
        """
        if not all(turn.choice.column in range(len(turn.columns)) for turn in record.turns):
            return record
        tables = [self._utilities(record.initial_prompt, turn.columns) for turn in record.turns]
        if any(table is None for table in tables):
            return record
        utilities = torch.stack([table for table in tables if table is not None])
        columns = [turn.choice.column for turn in record.turns]
        chosen = utilities[torch.arange(len(columns)), :, torch.tensor(columns)]
        log_choices = self._users.log_choices(utilities)
        seen = list(log_choices[torch.arange(len(columns)), :, torch.tensor(columns)])
        for place, (before, turn) in enumerate(pairwise(record.turns), 1):
            comparison = None if turn.rating is None else turn.rating.comparison
            if comparison is not None and before.number == turn.number - 1:
                label = torch.tensor([_PREFERENCE[comparison]])
                now, then = (
                    utilities[at : at + 1, :, _selected(one)]
                    for at, one in ((place, turn), (place - 1, before))
                )
                seen.append(log_preference(now, then, label)[0])
        belief = belief_after(self._users.prior.numpy(), [one.numpy() for one in seen])
        kind = most_likely_type(belief)
        return replace(
            record,
            turns=tuple(
                replace(
                    turn,
                    utilities=tuple(map(float, utilities[place, kind])),
                    posterior=tuple(map(float, probabilities(belief))),
                    reward=5.0 + self._slope * float(chosen[place, kind]),
                )
                for place, turn in enumerate(record.turns)
            ),
        )

    def _utilities(self, prompt: str, columns: Sequence[Sequence[ImageRecord]]) -> torch.Tensor | None:
        """R_k of every column, (K, L)."""
        found = [self._embedding(image) for column in columns for image in column]
        images = [embedding for embedding in found if embedding is not None]
        if not images or len(images) < len(found) or len({len(column) for column in columns}) != 1:
            return None
        if prompt not in self._texts:
            self._texts[prompt] = self._clip.embed_texts([prompt])[0]
        count = len(images)
        cosines = self._users.cosines(
            torch.from_numpy(np.stack(images).astype(np.float32)),
            torch.from_numpy(self._texts[prompt][None].astype(np.float32)),
            torch.arange(count),
            torch.zeros(count, dtype=torch.long),
        )
        scores = self._users.scores(cosines).view(len(columns), -1, self._users.types)
        return self._users.utilities(scores.permute(2, 0, 1))

    def _embedding(self, image: ImageRecord) -> Embedding | None:
        if self._stored and image.embedding is not None:
            return image.embedding
        if image.png is None:
            return None
        try:
            pixels = decode_image(image.png, image.sha256)
        except UnreadableImage:
            return None
        embedded: Embedding = self._clip.embed_images([pixels])[0]
        return embedded


def _selected(turn: TurnRecord) -> int:
    """The column that the evaluation phase reconfirmed; without one the chosen one."""
    again = turn.choice.column if turn.rating is None else turn.rating.preferred
    return again if again in range(len(turn.columns)) else turn.choice.column


def rewards_by(
    model: Path, paths: Paths, profile: str = "micro"
) -> Callable[[TrajectoryRecord], TrajectoryRecord]:
    """What gives sessions rewards by the user model in `model`.

    Images are known by their stored embeddings, unless fine-tuning gave the model an encoder of its own: then
    they have to lie in the file. `InvalidInput` where model and encoder do not fit together.
    """
    users = load_user_model(model)
    own = model / CLIP_FOLDER
    folder = own if own.is_dir() else load_profile(profile, paths).clip.model
    clip = ClipEncoder.load(folder)
    if clip.dimension != users.config.dimension:
        raise InvalidInput(
            f"the user model in {model} reads {users.config.dimension} numbers an image, "
            f"the encoder of {profile} gives {clip.dimension}",
            "name the profile that it was trained with: --profile",
        )
    if users.config.clip and users.config.clip != encoder_fingerprint(folder):
        raise InvalidInput(
            f"the user model in {model} was trained on another encoder than {folder}",
            "name the profile that it was trained with: --profile",
        )
    return _Labeller(users, clip, stored=not own.is_dir())
