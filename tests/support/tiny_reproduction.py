"""The whole chain at the smallest sizes that are real.

`python -m tests.support.tiny_reproduction OUT MOMENT` prints how it goes and kills itself at line MOMENT.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pasta_core.agent.captions import CaptionSheet
from pasta_core.configuration import configure
from pasta_core.domain import CandidateForm
from pasta_core.reproduction.begun import Begun, begun_in
from pasta_core.reproduction.lab import Lab, Pace, SharedWorker
from pasta_core.reproduction.run import Reproduction, reproduce
from pasta_core.reproduction.scale import RatingsOrder, Scale
from pasta_core.reproduction.steps import Told
from pasta_core.sessions.provenance import versions
from pasta_core.settings import SessionSettings
from pasta_core.training.devices import ONE_DEVICE
from pasta_core.worker.services import Worker, local_command
from tests.support.killing import descendants

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
    simulated_images=2,
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
    whole=False,
    session=SessionSettings(turns=2, columns=2, images=1, form=CandidateForm(5, 5)),
)


BEGUN = Begun(1, {})


def tiny_lab(out: Path, begun: Begun = BEGUN, say: Callable[[str], None] = print) -> Lab:
    """A lab of this machine's micro models; `say` gets what is counted, a line each."""
    config = configure({"profile": "micro"}, os.environ, out)
    profile = config.profile
    captions = None if profile.captions is None else CaptionSheet.load(profile.captions)

    def worker() -> Worker:
        # small passes: so few images would leave large ones empty
        command = local_command(profile.name, "--pass-size", "4")
        return Worker(command, out / "worker.log", print, captions=captions, profile=profile.name)

    def pace(what: str) -> Pace:
        return lambda done, total: say(f"{what} {done}/{total}")

    return Lab(
        profile=profile,
        paths=config.paths,
        session=config.session,
        seed=7,
        scale=TINY,
        begun=begun,
        devices=ONE_DEVICE,
        worker=SharedWorker(worker),
        rollouts=out / "rollouts",
        pace=pace,
        note=print,
    )


def reproduced(out: Path, tell: Callable[[Told], None], say: Callable[[str], None] = print) -> Reproduction:
    """The whole chain into a folder, or what is missing of it."""
    with begun_in(out, versions()) as begun:
        return asyncio.run(reproduce(tiny_lab(out, begun, say), out, tell))


def _run_until(moment: str, out: Path) -> None:
    def say(line: str) -> None:
        if line != moment:
            print(line, flush=True)
            return
        # nothing may happen between the line and the end, so nobody else is asked to bring it about
        print(f"{line}\n{json.dumps(descendants(os.getpid()))}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def tell(told: Told) -> None:
        state = "begins" if told.done is None else "before" if told.done.before else "done"
        say(f"step {told.step.name} {state}")

    reproduced(out, tell, say)


if __name__ == "__main__":
    _run_until(sys.argv[2], Path(sys.argv[1]))
