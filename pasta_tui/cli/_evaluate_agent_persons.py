"""Measuring agents on persons who come back, from the command line: simulate what lacks, compare, tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pasta_core.configuration import Configuration
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.evaluation.persons import PersonsResult, PersonsYardstick, evaluate_persons
from pasta_core.evaluation.persons_bars import bars, unmeasured
from pasta_core.evaluation.persons_plot import save_persons
from pasta_core.evaluation.persons_run import AT_ONCE, Following
from pasta_core.evaluation.persons_store import PersonFolder
from pasta_core.evaluation.plots import require_matplotlib
from pasta_core.text import counted
from pasta_core.users.taste_record import HALF_LIFE_DAYS
from pasta_tui.cli._evaluate_agent_persons_document import bar_document, document
from pasta_tui.cli._evaluate_agent_persons_report import table
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
        lambda lacking: _announce(lacking, walk, selectors, out),
    )
    out.end_progress()
    return folders


def _announce(
    lacking: Mapping[str, int], walk: Following, selectors: Mapping[str, SelectorSpec], out: Output
) -> None:
    out.message(_announced(lacking, walk.sessions))
    if missing := _missing(list(selectors), walk.drift):
        out.note(missing)


def _announced(lacking: Mapping[str, int], sessions: int) -> str:
    """How much is going to be simulated: `lacking` persons of each selector."""
    first, *others = lacking.values()
    if any(count != first for count in others):
        each = ", ".join(f"{count:,} of {name}" for name, count in lacking.items())
        amount = f"{sum(lacking.values()):,} persons ({each})"
    else:
        amount = f"{counted(len(lacking), 'selector')} x {counted(first, 'person')}"
    return f"to simulate: {amount} x {counted(sessions, 'session')}; --persons P asks for fewer"


def _missing(selectors: Sequence[str], drift: int | None) -> str:
    """What these selectors leave untold, and what to add for it; "" where that is nothing."""
    lacks = unmeasured(selectors, drift)
    untold = {
        "no gap is told": lacks.gap,
        "no bar counts": lacks.bars,
        "taste+value is not held against both its parts": lacks.parts,
    }
    told = [f"{what} without {' and '.join(names)}" for what, names in untold.items() if names]
    names = dict.fromkeys(name for names in untold.values() for name in names)
    return f"{'; '.join(told)}: add {'them' if len(names) > 1 else 'it'} to --selectors" if told else ""


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
