"""The lines of the interface as text: what was asked for, the way here, and how far things are."""

from __future__ import annotations

from textual.content import Content

from pasta_tui.session_state import SessionView, Stage, Step, doing
from pasta_tui.terminal.text import clipped

__all__ = ["bar", "shown_name", "status", "turn_name", "way_lines"]

_BAR = 20


def turn_name(view: SessionView) -> str:
    """Which turn it is, for people."""
    return _turn(view, view.turn, view.proposal)


def shown_name(view: SessionView) -> str:
    """Which turn the shown slate is of, for people: the next one may be at work already."""
    return _turn(view, view.shown, view.shown_proposal)


def _turn(view: SessionView, turn: int, proposal: int) -> str:
    if turn == 0:
        return "your words"
    again = f", proposal {proposal + 1}" if proposal else ""
    return f"turn {turn} of {view.settings.turns}{again}"


def way_lines(view: SessionView, width: int, rows: int) -> list[str]:
    """The way here in at most `rows` lines: the latest choices, the earlier ones as their numbers."""
    if not view.way:
        return [clipped("the way here: nothing is chosen yet", width)]
    kept = view.way[-rows:]
    earlier = view.way[: -len(kept)]
    before = "".join(f"{step.column + 1} › " for step in earlier)
    lines = [_step(step, view.blind) for step in kept]
    lines[0] = f"{before}{lines[0]}"
    return [clipped(line, width) for line in lines]


def _step(step: Step, blind: bool) -> str:
    said = f" “{step.critique}”" if step.critique else ""
    prompt = "" if blind else f"  {step.prompt}"
    return f"turn {step.turn}: {step.column + 1}{said}{prompt}"


def bar(share: float, width: int = _BAR) -> Content:
    """A line of which `share` is done."""
    done = round(share * width)
    return Content.assemble(("━" * done, "$accent"), ("─" * (width - done), "$foreground 30%"))


def status(view: SessionView, selected: int, critique: str, take: str, rater: str) -> Content:
    """The line that says what is happening, how far it is, and what to do.

    `take` is the key that confirms, empty where it does something else; `critique` goes with the choice,
    `rater` chooses if it is not empty.
    """
    said = Content.assemble((f"  saying “{critique}”", "bold")) if critique else Content()
    match view.stage:
        case Stage.ASKING if rater:
            return Content.assemble((f"{rater} chooses", "bold"))
        case Stage.ASKING:
            if not take:
                return Content.assemble((f"column {selected + 1} is selected", "bold")) + said
            chosen = Content.assemble((f"{take} takes column {selected + 1}", "bold $accent"))
            others = f"  1-{len(view.columns)} or arrows choose another" if len(view.columns) > 1 else ""
            return chosen + said + Content.assemble((others, "$foreground 70%"))
        case Stage.STOPPED:
            return Content.assemble((doing(view), "bold $warning"), f"; {take} goes on" if take else "")
        case Stage.FAILED:
            hint = "" if view.failure is None or not view.failure.hint else f"; {view.failure.hint}"
            # in a narrow window the end of the line is lost
            again = f"; {take} tries again" if take else ""
            return Content.assemble((doing(view), "bold $error"), (again, "$accent"), hint)
        case Stage.FINISHED:
            return Content.assemble((doing(view), "bold $success"))
        case _:
            share = view.share
            progress = Content() if share is None else Content("  ") + bar(share)
            return Content.assemble((doing(view), "bold")) + progress + said
