"""The worker: `python -m pasta_core.worker --profile NAME` speaks frames on stdin and stdout.

It greets before it has imported torch, starts the writer process first, and loads what painting needs while
the writer loads. It ends when stdin does.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pasta_core.errors import PastaError
from pasta_core.paths import Paths
from pasta_core.settings import MEMORY, Profile
from pasta_core.worker.protocol import NAME, PROTOCOL, Hello, error_to_json, package_version
from pasta_core.worker.station import Call, Station, claim_stdio

__all__ = ["WorkerOptions", "main", "parse", "serve"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker is started."""

    profile: str = "micro"
    threads: int = 0
    """Threads that paint on a CPU, a pass each; 0 for one a core. Images do not depend on it."""
    device: str | None = None
    """A torch device; None takes a GPU where there is one."""
    pass_size: int = 0
    """Images per denoising pass, never fewer; another size rounds differently.

    0 is for the profile's, or as many of them as the GPU holds.
    """
    compile: bool = False
    """Whether the painter is compiled, whatever the profile says."""
    slots: int = 1
    """Texts that are written side by side; more than 1 round differently, whatever their number."""
    memory: str = ""
    """How language model and painter share one GPU, one of `settings.MEMORY`; empty for the profile's."""


def serve(options: WorkerOptions) -> None:
    """Serve until stdin ends; never returns."""
    source, sink = claim_stdio()
    logging.basicConfig(format="%(asctime)s worker %(levelname)s %(message)s")
    logging.getLogger("pasta_core").setLevel(logging.INFO)
    sink.send(Hello(NAME, PROTOCOL, package_version(), options.profile, os.getpid()).to_json())

    # Threads that wait by spinning take the cores from those they wait for: measured, 20 times slower on a
    # busy machine. Read by libgomp when llama.cpp or torch loads it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from pasta_core.paths import locate
    from pasta_core.worker.relay import WriterRelay
    from pasta_core.worker.sharing import plan_sharing

    try:
        paths = locate(os.environ)
        profile = _profile(options, paths)
        exact = options.pass_size > 0
        sharing = plan_sharing(
            profile, paths.cache, options.device, options.memory, options.slots, exact=exact
        )
    except PastaError as error:
        sink.send({"kind": "fatal", "error": error_to_json(error)})
        sys.exit(error.exit_code)
    writing = [sys.executable, "-m", "pasta_core.worker.writer_process", "--profile", options.profile]
    relay = WriterRelay(
        [*writing, "--slots", str(options.slots), *sharing.writer_options],
        sink,
        sharing.writer_environment,
        sharing.gauge.wrote,
    )
    if not sharing.swaps:
        relay.start()

    from pasta_core.worker.models import Models

    lanes = options.threads or min(len(os.sched_getaffinity(0)), 8)
    models = Models(
        replace(profile, painter=replace(profile.painter, pass_size=sharing.pass_size)),
        paths.assets,
        lanes,
        sharing.device,
        notes=sharing.notes,
        bearable=sharing.bearable,
        value_on_gpu=sharing.plan.arrangement.value_on_gpu,
        mode=sharing.plan.arrangement.mode,
        apart=sharing.plan.arrangement.apart,
        exact=exact,
        cache=paths.cache,
        loaded=sharing.gauge.peak,
        missed=sharing.missed,
        passed_over=sharing.gauge.passed_over,
    )
    write, paint = sharing.handlers(relay, models)

    def status(call: Call) -> None:
        call.result({"profile": options.profile, "pid": os.getpid(), "writer": relay.pid, **models.states})

    station = Station(
        source,
        sink,
        # what takes turns is answered in turn
        prompt={"status": status} if sharing.swaps else {"write": write, "status": status},
        queued={
            **({"write": write} if sharing.swaps else {}),
            "paint": paint,
            "embed": models.embed,
            "value": sharing.gauge.timed(models.value, "value", lambda call: 1),
            "choose": models.choose,
            "rate": models.rate,
        },
        on_cancel=relay.cancel,
    )
    station.start()
    with _uncollected():
        models.warm()
    station.work()


def _profile(options: WorkerOptions, paths: Paths) -> Profile:
    from pasta_core.profiles import load_profile

    profile = load_profile(options.profile, paths)
    if options.pass_size:
        profile = replace(profile, painter=replace(profile.painter, pass_size=options.pass_size))
    if options.compile:
        profile = replace(profile, painter=replace(profile.painter, compile=True))
    return profile


@contextmanager
def _uncollected() -> Iterator[None]:
    """Make objects for good: what the block leaves behind is never looked through for cycles.

    Importing torch and diffusers makes so many that the collector takes a quarter of the time (measured).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def parse(arguments: Sequence[str]) -> WorkerOptions:
    """Read the worker's own command line."""
    parser = argparse.ArgumentParser(prog="pasta worker", description="Serve the models of a profile.")
    parser.add_argument("--profile", default=WorkerOptions.profile)
    parser.add_argument("--threads", type=int, default=WorkerOptions.threads)
    parser.add_argument("--device", default=None)
    parser.add_argument("--pass-size", type=int, default=WorkerOptions.pass_size)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--slots", type=int, default=WorkerOptions.slots)
    parser.add_argument("--memory", choices=MEMORY, default=WorkerOptions.memory)
    return WorkerOptions(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the worker of `python -m pasta_core.worker`."""
    serve(parse(sys.argv[1:] if arguments is None else arguments))
