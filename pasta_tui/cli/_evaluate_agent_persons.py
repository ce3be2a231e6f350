"""Measuring agents on persons who come back, from the command line: simulate what lacks, compare, tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pasta_core.configuration import Configuration
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.evaluation.persons import PersonsResult, PersonsYardstick, evaluate_persons
from pasta_core.evaluation.persons_bars import bars
from pasta_core.evaluation.persons_plot import save_persons
from pasta_core.evaluation.persons_run import AT_ONCE, Following
from pasta_core.evaluation.persons_store import PersonFolder
from pasta_core.evaluation.plots import require_matplotlib
from pasta_core.users.taste_record import HALF_LIFE_DAYS
from pasta_tui.cli._evaluate_agent_persons_report import bar_document, document, table
from pasta_tui.cli._evaluate_agent_request import SESSIONS, Request
from pasta_tui.cli._started_engine import started_engine
from pasta_tui.console.errors import Stopped
from pasta_tui.console.output import Output
from pasta_tui.console.pace import Pace
from pasta_tui.console.run import run_until_stopped
from pasta_tui.plain.taste import half_life_days

__all__ = ["evaluate_over_sessions"]


def evaluate_over_sessions(
    request: Request,
    config: Configuration,
    selectors: Mapping[str, SelectorSpec],
    users: UsersSpec,
    prompts: PromptList | None,
    store: Path,
    out: Output,
) -> None:
    """Follow the same persons under every selector, and compare what their sessions were worth."""
    asked = request.following
    if asked.plot is not None:
        require_matplotlib()
    walk = Following(
        config.profile,
        config.session,
        users,
        prompts,
        asked.persons or 0,
        SESSIONS if asked.sessions is None else asked.sessions,
        request.seed,
        store,
        HALF_LIFE_DAYS if asked.half_life is None else half_life_days(asked.half_life),
        asked.drift,
        request.at_once or AT_ONCE,
        config.paths.assets,
    )
    try:
        folders = run_until_stopped(_simulate(walk, selectors, config, out))
    except Stopped:
        out.end_progress()
        out.message("the persons whose sessions are over are kept; the same command goes on from there")
        raise
    out.progress("comparing")
    records = {name: folder.read(walk.persons) for name, folder in folders.items()}
    yardstick = PersonsYardstick(request.reward == "sparse", walk.drift, walk.seed)
    results = evaluate_persons(records, yardstick)
    out.end_progress()
    _tell(results, request, walk, folders, out)


async def _simulate(
    walk: Following, selectors: Mapping[str, SelectorSpec], config: Configuration, out: Output
) -> Mapping[str, PersonFolder]:
    folders = await walk.fill(
        selectors,
        lambda: started_engine(config, walk.users, walk.at_once, out),
        Pace(out, "sessions").report,
    )
    out.end_progress()
    return folders


def _tell(
    results: Sequence[PersonsResult],
    request: Request,
    walk: Following,
    folders: Mapping[str, PersonFolder],
    out: Output,
) -> None:
    figures = [] if request.following.plot is None else save_persons(results, request.following.plot)
    if out.as_json:
        out.document(
            {
                "users": request.users,
                "reward": request.reward,
                "seed": walk.seed,
                "persons": walk.persons,
                "sessions": walk.sessions,
                "half_life_days": walk.half_life_days,
                "drift": walk.drift,
                "results": [document(one, folders[one.selector].path) for one in results],
                "bars": [bar_document(one) for one in bars(results, walk.drift)],
                "figures": [str(path) for path in figures],
            }
        )
        return
    told = (request.users, request.reward, out.terminal.unicode, walk.drift)
    for line in table(results, walk.persons, *told):
        out.data(line)
    for path in figures:
        out.data(str(path))
