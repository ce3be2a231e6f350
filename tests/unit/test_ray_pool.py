"""A pool of Ray actors that are lost: in calls, while they load, one or all; Ray itself is stood in for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import pytest

from pasta_core.engines.ray_pool import LOSSES, ActorPool
from pasta_core.errors import ModelUnavailable, WorkerError


class RayError(Exception):
    """As Ray's: whatever is not the actor's own doing, below it what is."""


class RayTaskError(RayError):
    """What a method raised, with its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"Traceback of {cause}")
        self.cause = cause


class RayActorError(RayError):
    """An actor that is lost."""


Answer = TypeVar("Answer")

LOST = RayActorError("The actor died unexpectedly before finishing this task.\nmore")


@dataclass
class Fate:
    """What becomes of one actor: how its loading ends, and what each call meets."""

    loading: Exception | None = None
    calls: Exception | None = None
    loads: asyncio.Event | None = None


class Method:
    """A method of an actor's handle."""

    def __init__(self, work: Callable[..., Awaitable[Any]]) -> None:
        self.remote = work


class Actor:
    """A handle: its methods are asked by `remote`, and awaited."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.ready, self.double = Method(self._ready), Method(self._double)

    async def _ready(self) -> bool:
        if self.fate.loads is not None:
            await self.fate.loads.wait()
        return _answered(self.fate.loading, True)

    async def _double(self, number: int) -> int:
        await asyncio.sleep(0)
        return _answered(self.fate.calls, 2 * number)


def _answered(error: Exception | None, answer: Answer) -> Answer:
    if error is not None:
        raise error
    return answer


@dataclass
class Cluster:
    """Makes actors of these fates, in order, and well ones then."""

    fates: list[Fate]
    made: list[Actor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def make(self) -> Actor:
        self.made.append(Actor(self.fates[len(self.made)] if len(self.made) < len(self.fates) else Fate()))
        return self.made[-1]

    def pool(self, size: int, ahead: int = 1) -> ActorPool:
        return ActorPool(self.make, size, ahead, self.notes.append)


@pytest.fixture(autouse=True)
def ray(monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """Ray as far as the pool knows it, and the actors that were killed."""
    killed: list[Actor] = []
    module = ModuleType("ray")
    errors = {error.__name__: error for error in (RayError, RayTaskError, RayActorError)}
    vars(module).update(exceptions=SimpleNamespace(**errors), kill=killed.append)
    monkeypatch.setitem(sys.modules, "ray", module)
    return killed


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run to the end, which has to come."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work(), 20)

    return asyncio.run(bounded())


def test_calls_go_to_whichever_actor_is_free(ray: list[Actor]) -> None:
    cluster = Cluster([])

    async def work() -> list[int]:
        pool = cluster.pool(2)
        answers = await asyncio.gather(*(pool.call("double", number) for number in range(6)))
        await pool.close()
        return answers

    assert run(work) == [0, 2, 4, 6, 8, 10]
    assert len(cluster.made) == 2 and ray == cluster.made and not cluster.notes


def test_a_lost_actor_is_replaced_and_its_call_made_again() -> None:
    cluster = Cluster([Fate(calls=LOST)])

    async def work() -> int:
        answer: int = await cluster.pool(1).call("double", 4)
        return answer

    assert run(work) == 8
    assert len(cluster.made) == 2
    assert cluster.notes == [
        "a model's actor was lost, another one takes over: "
        "The actor died unexpectedly before finishing this task."
    ]


@pytest.mark.parametrize("error", [LOST, RayError("the raylet is gone")])
def test_a_call_that_costs_every_actor_is_given_up(error: RayError) -> None:
    cluster = Cluster([Fate(calls=error)] * 10)

    async def work() -> None:
        await cluster.pool(2).call("double", 4)

    with pytest.raises(WorkerError, match=r"3 actors were lost over one call \(double\)") as raised:
        run(work)
    assert not raised.value.retryable, "a rollout would begin the same again"
    assert len(cluster.notes) == LOSSES == 3


def test_what_a_method_raises_is_raised_and_costs_no_actor() -> None:
    cluster = Cluster([Fate(calls=RayTaskError(WorkerError("no grammar")))])

    async def work() -> None:
        await cluster.pool(1).call("double", 4)

    with pytest.raises(WorkerError, match="no grammar"):
        run(work)
    assert len(cluster.made) == 1 and not cluster.notes


def test_what_nobody_foresaw_is_one_line_of_the_command() -> None:
    cluster = Cluster([Fate(calls=RayTaskError(RuntimeError("CUDA error: an illegal access\nmore")))])

    async def work() -> None:
        await cluster.pool(1).call("double", 4)

    with pytest.raises(WorkerError) as raised:
        run(work)
    assert raised.value.message == "a model's actor failed: RuntimeError: CUDA error: an illegal access"
    assert not raised.value.retryable


@pytest.mark.parametrize("error", [LOST, RayError("the raylet is gone")])
def test_an_actor_that_is_lost_while_it_loads_is_made_again(error: RayError) -> None:
    cluster = Cluster([Fate(loading=error), Fate(loading=error)])

    async def work() -> list[int]:
        pool = cluster.pool(1)
        return [await pool.call("double", number) for number in range(3)]

    assert run(work) == [0, 2, 4]
    assert len(cluster.made) == 3
    assert all("was lost while it loaded" in note for note in cluster.notes) and len(cluster.notes) == 2


def test_a_replacement_that_never_loads_leaves_its_work_to_the_others() -> None:
    # one is lost at its first call, and so is whatever takes its place, while it loads
    cluster = Cluster([Fate(calls=LOST), Fate(), *[Fate(loading=LOST)] * LOSSES])

    async def work() -> list[int]:
        pool = cluster.pool(2)
        first = await asyncio.gather(*(pool.call("double", number) for number in range(4)))
        return [*first, *[await pool.call("double", number) for number in range(4, 8)]]

    assert run(work) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert len(cluster.made) == 2 + LOSSES
    assert "going on without it" in cluster.notes[-1]


def test_whoever_waits_is_told_when_no_actor_starts() -> None:
    cluster = Cluster([Fate(loading=LOST)] * 20)

    async def work() -> list[Any]:
        pool = cluster.pool(3)
        calls = (pool.call("double", number) for number in range(4))
        return await asyncio.gather(*calls, return_exceptions=True)

    told = run(work)
    assert len(told) == 4 and all(isinstance(error, WorkerError) for error in told)
    assert "no actor of a model starts: The actor died" in told[0].message and not told[0].retryable
    assert len(cluster.made) == 3 * LOSSES


def test_a_slot_that_still_loads_is_waited_for() -> None:
    async def work() -> int:
        loads = asyncio.Event()
        cluster = Cluster([Fate(loads=loads), *[Fate(loading=LOST)] * LOSSES])
        pool = cluster.pool(2)
        call = asyncio.create_task(pool.call("double", 4))
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(cluster.made) == 1 + LOSSES and not call.done()
        loads.set()
        answer: int = await call
        return answer

    assert run(work) == 8


def test_a_model_that_cannot_be_loaded_ends_the_pool() -> None:
    cluster = Cluster([Fate(), Fate(loading=RayTaskError(ModelUnavailable("there is no painter")))])

    async def work() -> list[Any]:
        pool = cluster.pool(2)
        for _ in range(10):
            await asyncio.sleep(0)
        calls = (pool.call("double", number) for number in range(4))
        return await asyncio.gather(*calls, return_exceptions=True)

    assert any(isinstance(error, ModelUnavailable) for error in run(work))
    assert len(cluster.made) == 2


def test_an_actor_that_cannot_even_be_made_is_told() -> None:
    async def work() -> None:
        def make() -> Actor:
            raise ValueError("ray was shut down")

        await ActorPool(make, 1, 1, lambda text: None).call("double", 4)

    with pytest.raises(ValueError, match="ray was shut down"):
        run(work)
