"""The worker that a command's options ask for."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial

from pasta_core.agent.captions import CaptionSheet
from pasta_core.configuration import Configuration
from pasta_core.errors import InvalidInput
from pasta_core.models import require_models
from pasta_core.settings import Profile
from pasta_core.worker.services import Worker, local_command

__all__ = ["worker_for"]


def worker_for(
    config: Configuration,
    profile: Profile,
    note: Callable[[str], None],
    *options: str,
    previews: bool = False,
) -> Worker:
    """A worker that is not started yet: the one of `--worker`, else one here with all its model files.

    `options` are added to its command. One that turns out to serve another profile is refused when it is
    started. With `previews` it shows images while it paints them.

    Raises `ModelUnavailable` for a file that is missing or cut short, `InvalidInput` for a command that
    cannot be read.
    """
    log = config.paths.logs / "worker.log"
    if config.memory:
        options = (*options, "--memory", config.memory)
    if config.compile:
        options = (*options, "--compile")
    if not config.worker:
        require_models(profile)
    seen = profile.writer.image_tokens if profile.writer.sees else 0
    captions = None if profile.captions is None else CaptionSheet.load(profile.captions)
    worker = partial(
        Worker,
        log=log,
        on_note=note,
        captions=captions,
        profile=profile.name,
        picture_tokens=seen,
        previews=previews,
    )
    if not config.worker:
        return worker(local_command(profile.name, *options))
    try:
        command = shlex.split(config.worker)
    except ValueError as error:
        raise InvalidInput(
            f"the worker command {config.worker!r} cannot be read: {error}", "close its quotes"
        ) from error
    if not command:
        raise InvalidInput("the worker command is empty", "leave --worker out for a worker on this machine")
    return worker([*command, *options])
