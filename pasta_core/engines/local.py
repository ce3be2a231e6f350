"""A running engine, and the one of this machine: writer and painter in a worker.

Users and value models sit in this process, a thread each.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pasta_core.agent.selectors import make_selector
from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner
from pasta_core.agent.valuer import Valuer
from pasta_core.domain import Candidate, Embedding, History, Painter, Selector, Writer
from pasta_core.engines.calibrations import fitting_calibration
from pasta_core.engines.fingerprints import user_model_name
from pasta_core.engines.prompts import MAX_WORDS
from pasta_core.engines.specs import SelectorSpec, UsersSpec, no_belief
from pasta_core.settings import Profile, SessionSettings
from pasta_core.simulation.batching import IN_FLIGHT, BatchingPainter
from pasta_core.simulation.engine import Case, Crew, PromptFor, SelectorFor
from pasta_core.simulation.model_users import ModelPopulation, cosine_scale
from pasta_core.simulation.previews import (
    BelievedUtility,
    GreedyBeliefSelector,
    OracleSelector,
    OwnUtility,
    PreviewValuer,
)
from pasta_core.simulation.users import Appraiser, Population
from pasta_core.users.taste_record import NO_TASTE, KeptTaste
from pasta_core.users.taste_space import TasteSpace
from pasta_core.users.taste_space_files import load_space
from pasta_core.worker.services import Worker

if TYPE_CHECKING:
    from pasta_core.agent.value_model import ValueModel

__all__ = [
    "AT_ONCE",
    "PASS_SIZE",
    "LocalEngine",
    "ModelServices",
    "assembled",
    "open_local",
    "pass_size_of",
    "worker_options",
]

PASS_SIZE = 16
"""Images per denoising pass of a simulation: many wait, so passes are filled (a session's hold 4).

Of images of `LARGE` pixels and more the profile's own number does."""

LARGE = 512
"""Pixels a side from which on a device has enough to do with a few images."""

CALL = 2 * PASS_SIZE
"""Images per call to the painter, so that both lanes of a small machine have a pass."""

AT_ONCE = 8
"""Trajectories side by side, enough that the slowest stage never waits."""


def pass_size_of(profile: Profile) -> int:
    """Images per denoising pass of a profile's simulations, the same on every machine."""
    return profile.painter.pass_size if profile.painter.size >= LARGE else PASS_SIZE


def worker_options(profile: Profile) -> tuple[str, ...]:
    """How a worker is started that serves a simulation."""
    return ("--pass-size", str(pass_size_of(profile)), "--slots", str(profile.writer.slots))


class ModelServices(Protocol):
    """The large models, wherever they run: one worker's, or those of many machines."""

    @property
    def writer(self) -> Writer: ...

    @property
    def painter(self) -> Painter: ...

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        """CLIP's text embeddings before normalisation, (n, d)."""
        ...


@dataclass(frozen=True)
class LocalEngine:
    """A running engine: its crew, and how to make selectors for it."""

    crew: Crew
    painter: BatchingPainter
    assets: Path
    worker: ModelServices
    profile: Profile

    def grammar_prompts(self, split: str) -> PromptFor:
        """Initial prompts of at most 10 words (App. C.1) that the microworld's grammar makes up."""
        from pasta_core.microworld.simulated_users import grammar_prompt

        return lambda seed: grammar_prompt(split, MAX_WORDS, seed)

    async def selector(self, spec: SelectorSpec) -> SelectorFor:
        """Load what a selector needs; `ModelUnavailable` or `InvalidInput` where it cannot be made."""
        form = self.crew.settings.form
        spec = spec.resolved(self.profile)
        match spec.name:
            case "greedy-belief":
                return partial(self._greedy, await self._believed(spec.path))
            case "oracle":
                return self._oracle
        if spec.learns:
            # a taste begins anew with every trajectory, and learns from its choices alone
            begun = await self.learning(spec)
            return lambda case: begun(NO_TASTE)
        valuer = await self._valuer(spec)
        return _same(make_selector(str(spec), form, None if valuer is None else lambda path: valuer))

    async def learning(self, spec: SelectorSpec) -> Callable[[KeptTaste], Selector]:
        """How a selector that asks a taste is made, given what the taste has kept; as `selector`."""
        space = None if spec.space is None else await asyncio.to_thread(_space, spec.space, self.profile)
        valuer = await self._valuer(spec)
        weighed = await asyncio.to_thread(fitting_calibration, spec.path, self.profile)

        def begun(kept: KeptTaste) -> Selector:
            learner = TasteLearner(RememberedTexts(self.worker.embed_texts), space, kept)
            asked = None if valuer is None else lambda path: valuer
            return make_selector(spec.name, self.crew.settings.form, asked, learner, lambda path: weighed)

        return begun

    async def _valuer(self, spec: SelectorSpec) -> Valuer | None:
        return None if spec.path is None else await asyncio.to_thread(_ModelValuer.load, spec.path)

    async def _believed(self, path: Path | None) -> Appraiser:
        if path is not None:
            return (await _model_population(path, self.profile, self.worker)).appraiser
        if self.crew.population.appraiser is None:
            raise no_belief()
        return self.crew.population.appraiser

    def _greedy(self, appraiser: Appraiser, case: Case) -> Selector:
        settings = self.crew.settings
        valuer = PreviewValuer(self.crew.painter, settings.images, case.seed, BelievedUtility(appraiser))
        return GreedyBeliefSelector(settings.form, valuer)

    def _oracle(self, case: Case) -> Selector:
        settings = self.crew.settings
        valuer = PreviewValuer(self.crew.painter, settings.images, case.seed, OwnUtility(case.user))
        return OracleSelector(settings.form, valuer)


@asynccontextmanager
async def open_local(
    worker: Worker,
    profile: Profile,
    assets: Path,
    settings: SessionSettings,
    users: UsersSpec,
    at_once: int = AT_ONCE,
) -> AsyncIterator[LocalEngine]:
    """Start a worker (made with `worker_options`) and load the users; both end with the block.

    Raises `ModelUnavailable` or `InvalidInput` where something does not load.
    """
    try:
        # it loads its models while this process loads the users
        await worker.start()
        async with assembled(worker, profile, assets, settings, users, at_once, CALL, IN_FLIGHT) as engine:
            yield engine
    finally:
        await worker.close()


@asynccontextmanager
async def assembled(
    services: ModelServices,
    profile: Profile,
    assets: Path,
    settings: SessionSettings,
    users: UsersSpec,
    at_once: int,
    call: int,
    in_flight: int,
) -> AsyncIterator[LocalEngine]:
    """An engine on running services: `in_flight` calls of `call` images are with the painter at a time."""
    # nothing is fetched, whatever a model folder asks for
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    population = await _population(users, profile, assets, services)
    painter = BatchingPainter(services.painter, call, pass_size_of(profile), in_flight)
    crew = Crew(services.writer, painter, population, settings, at_once)
    try:
        yield LocalEngine(crew, painter, assets, services, profile)
    finally:
        await painter.close()


async def _population(
    users: UsersSpec, profile: Profile, assets: Path, services: ModelServices
) -> Population:
    if users.model is not None:
        return await _model_population(users.model, profile, services)

    def load() -> Population:
        from pasta_core.microworld.simulated_users import PlantedPopulation

        return PlantedPopulation.load(users.planted, assets)

    return await asyncio.to_thread(load)


async def _model_population(folder: Path, profile: Profile, services: ModelServices) -> ModelPopulation:
    def load() -> ModelPopulation:
        from pasta_core.data.embeddings import encoder_fingerprint
        from pasta_core.users.simulated import load_type_judge

        there = profile.clip.model.is_dir()
        judge = load_type_judge(
            folder, encoder_fingerprint(profile.clip.model) if there else "", services.embed_texts
        )
        return ModelPopulation(user_model_name(folder), judge, cosine_scale(judge.scale))

    return await asyncio.to_thread(load)


class _ModelValuer:
    """A value model in a thread of this process (`agent.selectors.Valuer`)."""

    def __init__(self, model: ValueModel) -> None:
        import torch

        self._model = model
        self._thread = ThreadPoolExecutor(1, "value model", torch.set_num_threads, (1,))

    @classmethod
    def load(cls, folder: Path) -> _ModelValuer:
        from pasta_core.agent.value_model_files import load_value_model

        return cls(load_value_model(folder))

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        """f(h, p) of every candidate."""
        from pasta_core.agent.requests import ValueRequest
        from pasta_core.agent.scoring import score

        request = ValueRequest.from_history(history, candidates)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, score, self._model, request)


def _space(file: Path, profile: Profile) -> TasteSpace:
    from pasta_core.data.embeddings import encoder_fingerprint

    return load_space(file, encoder_fingerprint(profile.clip.model))


def _same(selector: Selector) -> SelectorFor:
    """One selector for all cases."""
    return lambda case: selector
