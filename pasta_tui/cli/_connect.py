"""The worker that a command's options ask for."""

from __future__ import annotations

import shlex

from pasta_core.agent.captions import CaptionSheet
from pasta_core.configuration import Configuration
from pasta_core.errors import InvalidInput
from pasta_core.models import require_models
from pasta_core.settings import Profile
from pasta_core.worker.services import Worker, local_command
from pasta_tui.cli._output import Output

__all__ = ["check_profile", "worker_for"]


def worker_for(config: Configuration, profile: Profile, out: Output) -> Worker:
    """A worker that is not started yet: the one of `--worker`, else one here with all its model files.

    Raises `ModelUnavailable` for a file that is missing or cut short, `InvalidInput` for a command that
    cannot be read.
    """
    log = config.paths.logs / "worker.log"
    if not config.worker:
        require_models(profile)
    captions = None if profile.captions is None else CaptionSheet.load(profile.captions)
    if not config.worker:
        return Worker(local_command(profile.name), log, out.note, captions=captions)
    try:
        command = shlex.split(config.worker)
    except ValueError as error:
        raise InvalidInput(
            f"the worker command {config.worker!r} cannot be read: {error}", "close its quotes"
        ) from error
    if not command:
        raise InvalidInput("the worker command is empty", "leave --worker out for a worker on this machine")
    return Worker(command, log, out.note, captions=captions)


async def check_profile(worker: Worker, profile: Profile) -> None:
    """Start the worker, and refuse one that serves another profile than the session's."""
    hello = await worker.start()
    if hello.profile != profile.name:
        raise InvalidInput(
            f"the worker serves profile {hello.profile}, the session needs {profile.name}",
            f"start it with --profile {profile.name}",
        )
