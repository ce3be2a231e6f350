"""A headless session on small services: `python -m tests.support.headless DATA [--fussy] [--resume last]`.

With `--fussy` its user refuses slates and swaps columns before it chooses.

The loop, the store and the JSON lines are the real ones; the services are quick, so that a process can be
killed at many moments of many sessions in little time. Each step takes a moment, as real models do.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from pasta_core.domain import Candidate, CandidateForm, History, PaintedImage, Progress
from pasta_core.errors import PastaError
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import Services, begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_tui.plain.json_lines import JsonLines
from tests.support.rollouts import BrightnessUser, DrawnSelector, FussyUser, NoisePainter, WordWriter

PAUSE = 0.01


class SlowWriter(WordWriter):
    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        await asyncio.sleep(PAUSE)
        return await super().write(history, form, max_words, seed, progress)


class SlowPainter(NoisePainter):
    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        async for painted in super().paint(prompts, seeds, progress):
            await asyncio.sleep(PAUSE)
            yield painted


def main(data: str, fussy: bool, resume: str | None) -> None:
    settings = SessionSettings(turns=3, columns=3, images=2)
    new = NewSession("a red train in the snow", 11, "none", "drawn", "brightness", settings=settings)
    services = Services(
        SlowWriter(), DrawnSelector(), SlowPainter(), FussyUser() if fussy else BrightnessUser()
    )
    lines = JsonLines(lambda record: print(json.dumps(record), flush=True), list)
    with Store(Path(data)) as store:
        session = begin_session(store, new) if resume is None else resume_session(store, resume)
        asyncio.run(session.run(services, lines))


if __name__ == "__main__":
    try:
        _, folder, *options = sys.argv
        main(folder, "--fussy" in options, options[-1] if "--resume" in options else None)
    except PastaError as error:
        print(error.message, file=sys.stderr)
        raise SystemExit(int(error.exit_code)) from error
