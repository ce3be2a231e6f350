"""The engine that a command's options ask for."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from pasta_core.configuration import Configuration
from pasta_core.engines.local import LocalEngine, open_local, worker_options
from pasta_core.engines.specs import UsersSpec
from pasta_tui.console.connect import worker_for
from pasta_tui.console.output import Output

__all__ = ["started_engine"]


def started_engine(
    config: Configuration, users: UsersSpec, at_once: int, out: Output
) -> AbstractAsyncContextManager[LocalEngine]:
    """The engine of this machine, which starts the models as it is entered."""
    out.progress("starting the models")
    worker = worker_for(config, config.profile, out.note, *worker_options(config.profile))
    return open_local(worker, config.profile, config.paths.assets, config.session, users, at_once)
