"""A worker's models as a rollout knows them: each call goes over the wire, and so does its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pasta_core.agent.captions import Captioner
from pasta_core.agent.requests import ValueRequest, WriteRequest
from pasta_core.domain import (
    Candidate,
    CandidateForm,
    Choice,
    Comparison,
    History,
    Image,
    PaintedImage,
    Pixels,
    Progress,
    Turn,
    TurnRating,
)
from pasta_core.errors import WorkerError
from pasta_core.seeds import derive_seed
from pasta_core.worker.frames import Array, Frame

__all__ = [
    "Calls",
    "Judgement",
    "WorkerPainter",
    "WorkerRater",
    "WorkerStudyRater",
    "WorkerValuer",
    "WorkerWriter",
]


class Calls(Protocol):
    """Carries calls to a worker."""

    async def ask(
        self, verb: str, args: Mapping[str, Any], arrays: Mapping[str, Array] | None = None
    ) -> Frame:
        """Make one call and return its result."""
        ...

    def call(
        self,
        verb: str,
        args: Mapping[str, Any],
        arrays: Mapping[str, Array] | None = None,
        progress: Progress = lambda done, total: None,
    ) -> AsyncGenerator[Frame, None]:
        """Make one call and yield its items and its result."""
        ...


class WorkerWriter:
    """The language model in the worker's writer process."""

    def __init__(self, worker: Calls, captioner: Captioner | None = None, picture_tokens: int = 0) -> None:
        self._worker = worker
        self._captioner = captioner
        self._picture_tokens = picture_tokens

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        """Write the candidates of the next turn (§3.1)."""
        caption = "" if self._captioner is None else await self._captioner.caption(history.initial_images)
        request = WriteRequest.from_history(history, form, max_words, seed, caption)
        pictures: dict[str, Pixels] = {}
        if self._picture_tokens:
            from pasta_core.agent.pictures import history_pictures

            pictures = await asyncio.to_thread(history_pictures, history, self._picture_tokens)
        replies = self._worker.call("write", {"request": request.to_json()}, pictures, progress)
        async with aclosing(replies):
            async for reply in replies:
                return tuple(Candidate(*pair) for pair in reply.data["data"]["candidates"])
        raise WorkerError("the writer sent no candidates")


class WorkerPainter:
    """The pipeline in the worker; every image comes with its CLIP embedding."""

    def __init__(self, worker: Calls, previews: bool = False) -> None:
        self._worker = worker
        self._previews = previews

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        """Paint, and yield each image when its pass is finished, in slate order, previews between them."""
        args: dict[str, Any] = {"prompts": list(prompts), "seeds": [list(column) for column in seeds]}
        if self._previews:
            args["previews"] = True
        replies = self._worker.call("paint", args, progress=progress)
        async with aclosing(replies):
            async for reply in replies:
                kind, data = reply.data["kind"], reply.data["data"]
                if kind in ("item", "preview"):
                    column, index = int(data["column"]), int(data["index"])
                    image = _image(seeds[column][index], reply.arrays)
                    yield PaintedImage(column, index, image, preview=kind == "preview")


class WorkerValuer:
    """A value model in the worker; one request at a time, so that values never depend on their company."""

    def __init__(self, worker: Calls, model: str) -> None:
        self._worker = worker
        self._model = model

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        """f(h, p) of every candidate (§3.2), in the unit of the rewards that it was trained on."""
        request = ValueRequest.from_history(history, candidates)
        frame = await self._worker.ask("value", {"request": request.to_json(), "model": self._model})
        return tuple(map(float, frame.data["data"]["values"]))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a planted rater chose, and its true utility of every column, which no real user can tell."""

    choice: Choice
    utilities: tuple[float, ...]


class WorkerRater:
    """A planted rater whose eyes are in the worker. Its lapses are seeded by the session and the turn."""

    def __init__(self, worker: Calls, spec: str, seed: int) -> None:
        self._worker = worker
        self._spec = spec
        self._seed = seed

    async def choose(self, history: History, turn: Turn) -> Choice:
        """Choose a column (§2.2)."""
        return (await self.judge(history, turn)).choice

    async def judge(self, history: History, turn: Turn) -> Judgement:
        """Choose a column, and say what each is worth."""
        data = await self._asked("choose", history, turn)
        choice = Choice(int(data["column"]), str(data.get("critique", "")))
        return Judgement(choice, tuple(map(float, data["utilities"])))

    async def _asked(
        self, verb: str, history: History, turn: Turn, before: Sequence[Image] = ()
    ) -> Mapping[str, Any]:
        arrays = {"pixels": np.stack([image.pixels for column in turn.columns for image in column])}
        if before:
            arrays["before"] = np.stack([image.pixels for image in before])
        args = {
            "rater": self._spec,
            "prompt": history.initial_prompt,
            "sizes": [len(column) for column in turn.columns],
            "seed": derive_seed(self._seed, "turn", turn.number, verb),
            **self._more(turn),
        }
        data: Mapping[str, Any] = (await self._worker.ask(verb, args, arrays)).data["data"]
        return data

    def _more(self, turn: Turn) -> Mapping[str, Any]:
        return {}


class WorkerStudyRater(WorkerRater):
    """A planted rater in the paper's study (App. B)."""

    async def rate(self, history: History, turn: Turn, before: Sequence[Image]) -> TurnRating:
        """Answer the evaluation phase's questions; `before` is the column preferred in the turn before."""
        said = (await self._asked("rate", history, turn, before))["rating"]
        comparison = said["comparison"]
        return TurnRating(
            preferred=int(said["preferred"]),
            column_scores=tuple(map(int, said["column_scores"])),
            score=int(said["score"]),
            comparison=None if comparison is None else Comparison(comparison),
            rationale=str(said["rationale"]),
        )

    def _more(self, turn: Turn) -> Mapping[str, Any]:
        """What a critique depends on."""
        prompts = [candidate.prompt for candidate in turn.shown]
        return {"study": {"seed": self._seed, "turn": turn.number, "prompts": prompts}}


def _image(seed: int, arrays: Mapping[str, Array]) -> Image:
    return Image(seed=seed, pixels=arrays["pixels"], embedding=arrays.get("embedding"))
