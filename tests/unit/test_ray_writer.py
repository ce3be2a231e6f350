"""What a writer on a Ray cluster is asked: the same as one of this machine, pictures included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pasta_core.agent.pictures import history_pictures
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.served_writer import ServedWriter
from pasta_core.domain import CandidateForm, History, Image
from pasta_core.engines.ray_actors import WritingActor, _Pump
from pasta_core.engines.ray_engine import RayServices
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import WriterProfile
from tests.support.chat_server import FakeServer, serving

TEMPLATE = Path(__file__).parents[2] / "assets" / "templates" / "writer.txt"
FORM = CandidateForm()
SHOWN = tuple(Image(number, np.full((64, 64, 3), (60 * number, 0, 9), dtype=np.uint8)) for number in range(4))
HISTORY = History("a cat", initial_images=SHOWN)


class Pool:
    """A pool of one actor, which is in this process."""

    def __init__(self, actor: WritingActor) -> None:
        self.actor = actor

    async def call(self, method: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(self.actor, method), *arguments)


def actor_of(writer: WriterProfile) -> WritingActor:
    """An actor with this writer, ready."""
    actor = WritingActor("micro")
    actor._pump = _Pump(replace(load_profile("micro", locate({})), writer=writer))
    return actor


def asked_of_ray(writer: WriterProfile) -> tuple[Any, ...]:
    """What is written for a picture of a cat, by an actor."""
    pool: Any = Pool(actor_of(writer))
    services = RayServices(pool, pool, None, writer.image_tokens if writer.sees else 0)
    work = services.writer.write(HISTORY, FORM, 20, 7, lambda done, total: None)
    return asyncio.run(work)


def asked_here(writer: WriterProfile) -> tuple[Any, ...]:
    """The same by a writer as a worker has it."""
    request = WriteRequest.from_history(HISTORY, FORM, 20, 7)
    pictures = history_pictures(HISTORY, writer.image_tokens) if writer.sees else {}
    return ServedWriter(writer, "").write(request, lambda: False, lambda done, total: None, pictures=pictures)


def test_a_writer_that_sees_is_shown_the_same_pictures_as_here() -> None:
    for sees in (True, False):
        with serving(FakeServer()) as server:
            writer = WriterProfile(Path(), TEMPLATE, url=server.url, timeout=20.0, images=sees)
            asks: tuple[Callable[[WriterProfile], tuple[Any, ...]], ...] = (asked_of_ray, asked_here)
            answers = [ask(writer) for ask in asks]
            assert answers[0] == answers[1]
            there, here = server.bodies
            assert there == here and ("image_url" in json.dumps(there)) is sees


def test_what_a_person_should_read_of_a_writer_is_said_once() -> None:
    with serving(FakeServer(script=["nogrammar"])) as server:
        heard: list[str] = []
        pool: Any = Pool(actor_of(WriterProfile(Path(), TEMPLATE, url=server.url, timeout=20.0)))
        services = RayServices(pool, pool, None, on_note=heard.append)
        for seed in (7, 8):
            asyncio.run(services.writer.write(HISTORY, FORM, 20, seed, lambda done, total: None))
        server.script[:] = ["nogrammar"]
        pool.actor = actor_of(WriterProfile(Path(), TEMPLATE, url=server.url, timeout=20.0))
        asyncio.run(services.writer.write(HISTORY, FORM, 20, 9, lambda done, total: None))
        assert len(heard) == 1 and "takes no grammar" in heard[0]


def test_a_call_that_fails_as_nobody_foresaw_takes_no_other_with_it() -> None:
    with serving(FakeServer()) as server:
        actor = actor_of(WriterProfile(Path(), TEMPLATE, url=server.url, timeout=20.0, images=True))
        request = WriteRequest.from_history(HISTORY, FORM, 20, 7).to_json()
        broken: Any = {"0": "no picture"}
        with pytest.raises((AttributeError, TypeError)):
            actor.write(request, broken)
        assert len(actor.write(request, {})[0]) == FORM.total
