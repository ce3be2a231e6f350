"""The whole chain at the smallest sizes that are real: `python -m tests.support.tiny_reproduction OUT`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from pasta_core.agent.captions import CaptionSheet
from pasta_core.configuration import configure
from pasta_core.domain import CandidateForm
from pasta_core.reproduction.lab import Lab, Pace, SharedWorker
from pasta_core.reproduction.run import kept_threads, reproduce
from pasta_core.reproduction.scale import RatingsOrder, Scale
from pasta_core.reproduction.steps import Told
from pasta_core.settings import SessionSettings
from pasta_core.training.devices import ONE_DEVICE
from pasta_core.worker.services import Worker, local_command

TINY = Scale(
    name="tiny",
    types=(1, 2),
    chosen=2,
    ratings=(
        RatingsOrder("pickapic", raters=4, test_raters=2, labels=4, images=10),
        RatingsOrder("hpd", raters=1, test_raters=1, labels=6),
    ),
    user_model_steps=4,
    tuning_sessions=2,
    tuning_steps=2,
    simulated=4,
    people=2,
    value={"steps": 2, "batch": 4, "report_every": 1, "held_out_most": 1, "tokens": 2000},
    training_seeds=1,
    beside=(),
    trajectories=2,
    oracle=False,
    ideas=("hope",),
    types_shown=2,
    shard=2,
    data_sources=("human", "mixed"),
    session=SessionSettings(turns=2, columns=2, images=1, form=CandidateForm(5, 5)),
)


def tiny_lab(out: Path) -> Lab:
    """A lab of this machine's micro models; what is counted is printed, a line each."""
    config = configure({"profile": "micro"}, os.environ, out)
    profile = config.profile
    captions = None if profile.captions is None else CaptionSheet.load(profile.captions)

    def worker() -> Worker:
        # small passes: so few images would leave large ones empty
        command = local_command(profile.name, "--pass-size", "4")
        return Worker(command, out / "worker.log", print, captions=captions, profile=profile.name)

    def pace(what: str) -> Pace:
        return lambda done, total: print(f"{what} {done}/{total}", flush=True)

    return Lab(
        profile=profile,
        paths=config.paths,
        session=config.session,
        seed=7,
        scale=TINY,
        threads=kept_threads(out),
        devices=ONE_DEVICE,
        worker=SharedWorker(worker),
        pace=pace,
        note=print,
    )


def tell(told: Told) -> None:
    """Print how the chain goes."""
    state = "begins" if told.done is None else "before" if told.done.before else "done"
    print(f"step {told.step.name} {state}", flush=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    asyncio.run(reproduce(tiny_lab(target), target, tell))
