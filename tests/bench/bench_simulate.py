"""How fast trajectories are simulated: `python -m tests.bench.bench_simulate --users model:PATH`.

Prints one JSON document. Three things are measured side by side in one run, on warm models: trajectories one
after another as sessions would be (batches of a session's size), many at once as `pasta simulate` runs them,
and each stage alone at its full batches, whose slowest rate is the bound. Shares of processor time say what a
busy machine cannot blur.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pasta_core.agent.captions import CaptionSheet
from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.domain import Candidate, CandidateForm, History, Image, Progress, Turn, Writer
from pasta_core.engines.local import CALL, LocalEngine, open_local, worker_options
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.simulation.engine import cases, simulate
from pasta_core.worker.services import Worker, local_command
from tests.support.killing import descendants

SESSION_PASS = 4


@dataclass
class Timed:
    """A writer that counts how long it took, to whoever waited."""

    writer: Writer
    seconds: float = 0.0
    calls: int = 0

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        begin = time.perf_counter()
        try:
            return await self.writer.write(history, form, max_words, seed, progress)
        finally:
            self.seconds += time.perf_counter() - begin
            self.calls += 1


def cpu_seconds() -> float:
    """Processor time of this process and everything below it."""
    total = 0.0
    for pid in (os.getpid(), *descendants(os.getpid())):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


async def timed(work: Callable[[], Awaitable[Any]], count: int) -> dict[str, float]:
    """Wall and processor seconds of one of `count` equal pieces."""
    begin, cpu = time.perf_counter(), cpu_seconds()
    await work()
    wall, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
    return {
        "seconds": round(wall / count, 3),
        "cpu_seconds": round(cpu / count, 3),
        "per_second": round(count / wall, 3),
    }


async def run(engine: LocalEngine, numbers: Sequence[int], at_once: int) -> list[TrajectoryRecord]:
    """Trajectories of these numbers."""
    crew = replace(engine.crew, at_once=at_once)
    select = await engine.selector(SelectorSpec("random"))
    wanted = cases(crew.population, engine.grammar_prompts("train"), 0, numbers)
    async with aclosing(simulate(wanted, select, crew)) as records:
        return [record async for record in records]


async def stages(engine: LocalEngine, records: Sequence[TrajectoryRecord]) -> dict[str, dict[str, float]]:
    """What each stage takes for a trajectory's work when it has the machine to itself and full batches."""
    crew, count = engine.crew, len(records)
    painter = engine.worker.painter
    shown = [
        (turn.candidates[index].prompt, [image.seed + 1 for image in column])
        for record in records
        for turn in record.turns
        for index, column in zip(turn.slate.indices, turn.columns, strict=True)
    ]
    shown += [
        (record.initial_prompt, [image.seed + 1 for image in record.initial_images]) for record in records
    ]
    jobs = [(prompt, seed) for prompt, seeds in shown for seed in seeds]
    images: list[Image] = []

    async def paint() -> None:
        for start in range(0, len(jobs), CALL):
            part = jobs[start : start + CALL]
            prompts, seeds = [prompt for prompt, _ in part], [[seed] for _, seed in part]
            async for painted in painter.paint(prompts, seeds, lambda done, total: None):
                images.append(painted.image)

    async def write() -> None:
        async def one(record: TrajectoryRecord) -> None:
            history = History(record.initial_prompt, (images[0],))
            for turn in record.turns:
                assert turn.max_words is not None and turn.write_seed is not None
                await crew.writer.write(
                    history, crew.settings.form, turn.max_words, turn.write_seed, lambda done, total: None
                )
                columns = tuple((images[0],) for _ in turn.columns)
                history = history.extended(
                    Turn(turn.number, turn.candidates, turn.slate, columns, turn.choice)
                )

        await asyncio.gather(*map(one, records))

    async def judge() -> None:
        for case in cases(crew.population, engine.grammar_prompts("train"), 0, range(count)):
            for turn in records[0].turns:
                columns = tuple(tuple(images[c * 4 : c * 4 + 4]) for c in range(4))
                await case.user.judge(
                    History(case.prompt), Turn(turn.number, turn.candidates, turn.slate, columns)
                )

    return {
        "paint": await timed(paint, count),
        "write": await timed(write, count),
        "choose": await timed(judge, count),
    }


async def measure(users: str, trajectories: int, at_once: int) -> dict[str, Any]:
    """All figures."""
    paths = locate(os.environ)
    profile = load_profile("micro", paths)
    captions = None if profile.captions is None else CaptionSheet.load(profile.captions)
    log = Path(tempfile.mkdtemp()) / "worker.log"
    spec = UsersSpec.parse(users, profile)

    def engine(*options: str) -> Any:
        worker = Worker(local_command(profile.name, *options), log, captions=captions, profile=profile.name)
        return open_local(worker, profile, paths.assets, profile.session, spec, at_once)

    alone_count = max(2, trajectories // 4)
    async with engine() as sessions:
        # a session's own batches, and no company to fill them with
        plain = replace(sessions, crew=replace(sessions.crew, painter=sessions.worker.painter))
        await run(plain, [10**6], 1)
        alone = await timed(lambda: run(plain, range(alone_count), 1), alone_count)
    async with engine(*worker_options(profile)) as together:
        await run(together, [10**6], 1)
        writer = Timed(together.crew.writer)
        crowd = replace(together, crew=replace(together.crew, writer=writer))
        painted = replace(together.painter.counts)
        found: list[TrajectoryRecord] = []

        async def all_of() -> None:
            found.extend(await run(crowd, range(trajectories), at_once))

        many = await timed(all_of, trajectories)
        counts = together.painter.counts
        split = await stages(together, found[: max(4, alone_count)])
    slowest = max(split, key=lambda name: split[name]["seconds"])
    return {
        "users": spec.planted or "model",
        "trajectories": trajectories,
        "at_once": at_once,
        "one_after_another": alone,
        "many_at_once": many,
        "speedup": round(alone["seconds"] / many["seconds"], 2),
        "speedup_in_cpu_seconds": round(alone["cpu_seconds"] / many["cpu_seconds"], 2),
        "stages_alone": split,
        "slowest_stage": slowest,
        "share_of_its_bound": round(split[slowest]["seconds"] / many["seconds"], 2),
        "painter_busy_share": round((counts.busy - painted.busy) / (many["seconds"] * trajectories), 2),
        "images_a_call": round((counts.painted - painted.painted) / max(1, counts.calls - painted.calls), 1),
        "writing_with_waiting": round(writer.seconds / max(1, writer.calls), 3),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", default="planted:train")
    parser.add_argument("--trajectories", type=int, default=24)
    parser.add_argument("--at-once", type=int, default=8)
    asked = parser.parse_args()
    print(json.dumps(asyncio.run(measure(asked.users, asked.trajectories, asked.at_once)), indent=2))


if __name__ == "__main__":
    main()
