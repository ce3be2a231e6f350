"""Answers that refuse and change slates, and what is compared of what they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pasta_core.domain import Answer, History, Turn
from pasta_core.events import Chosen, Event, Refused, SlateChosen, Swapped, TurnReady
from pasta_core.settings import SessionSettings
from pasta_core.simulation.rollout import Services
from tests.support.rollouts import FussyUser, small_services

SETTINGS = SessionSettings(turns=3, columns=3, images=2)


class Scripted:
    """Says what it was given, one answer after another."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = iter(answers)
        self.seen: list[tuple[History, Turn]] = []

    async def choose(self, history: History, turn: Turn) -> Answer:
        self.seen.append((history, turn))
        return next(self._answers)


def fussy() -> Services:
    return replace(small_services(), user=FussyUser())


def hashes(turn: Turn) -> list[list[str]]:
    return [[image.sha256 for image in column] for column in turn.columns]


def identity(history: History) -> object:
    """All of a history and of what was refused on the way, with images by their hash."""
    refusals = [
        (it.turn.number, it.turn.candidates, it.turn.slate, hashes(it.turn), it.critique)
        for it in history.refusals
    ]
    turns = [(it.number, it.candidates, it.slate, hashes(it), it.choice) for it in history.turns]
    return history.initial_prompt, refusals, turns


def steps(events: Sequence[Event]) -> list[object]:
    """What was told of slates and answers, with images by their hash."""
    told: list[object] = []
    for event in events:
        match event:
            case TurnReady(turn=turn, slate=slate, columns=columns, proposal=proposal, paths=paths):
                told.append(
                    (turn, proposal, slate, [[it.sha256 for it in column] for column in columns], paths)
                )
            case SlateChosen() | Swapped() | Refused() | Chosen():
                told.append(replace(event, replayed=False))
    return told
