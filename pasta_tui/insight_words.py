"""A belief and a slate's reasons in sentences, for the interface and for plain lines."""

from __future__ import annotations

from pasta_core.agent.slate_reasons import ColumnReason, Intent, SlateReasons
from pasta_core.text import clean
from pasta_core.users.belief import BeliefAccount, BeliefStep, Shift
from pasta_core.users.taste_report import ENOUGH

__all__ = ["HIDDEN", "because", "chose", "moves", "rests", "subject", "took", "worth"]

HIDDEN = "--blind hides prompts and categories"
"""What is said in place of them."""
_LEAST = 0.005
"""Nats below which nothing has moved."""
_MOST = 4
"""Gains, and losses, that are named."""


def rests(account: BeliefAccount) -> str:
    """How many picks a belief rests on."""
    here, kept = len(account.steps), account.kept
    if not here + kept:
        return "no pick yet"
    first = "" if here + kept >= ENOUGH else ", a first impression"
    if not kept:
        return f"{_counted(here)} of this session{first}"
    before = f"{kept} from before"
    return f"{before}{first}" if not here else f"{_counted(here)} here, {before}{first}"


def took(step: BeliefStep) -> str:
    """What was taken."""
    columns = [str(column + 1) for column in step.chosen]
    said = {0: "none of these", 1: f"column {''.join(columns)}"}
    what = said.get(len(columns), f"columns {', '.join(columns)}")
    critique = clean(step.critique).text
    return f"turn {step.turn}: {what}" + (f", “{critique}”" if critique else "")


def chose(reasons: SlateReasons) -> str:
    """What chose the slate, and from how many prompts."""
    rests_on = f", after {_counted(reasons.picks)}" if reasons.picks else ""
    shown, all_of_them = len(reasons.columns), reasons.candidates
    of = f"{shown} of {all_of_them} prompts" if all_of_them > shown else f"{shown} prompts"
    return f"{clean(reasons.selector).text} showed {of}{rests_on}"


def subject(step: BeliefStep) -> str:
    """What a pick was about."""
    return "the column you took" if step.chosen else "the slate you refused"


def moves(step: BeliefStep) -> tuple[tuple[Shift, ...], tuple[Shift, ...]]:
    """What gained by a pick, the most first, and what lost, the most last; a few of each."""
    gained = tuple(it for it in step.shifts if it.moved >= _LEAST)[:_MOST]
    lost = tuple(it for it in step.shifts if it.moved <= -_LEAST)[-_MOST:]
    return gained, lost


def worth(reason: ColumnReason) -> str:
    """What is predicted of a column, empty where nothing is."""
    said = []
    if reason.utility is not None:
        spread = "" if reason.spread is None else f" ± {reason.spread:.2f}"
        said.append(f"{reason.utility:+.2f}{spread}")
    if reason.value is not None:
        said.append(f"value {reason.value:z.2f}")
    return ", ".join(said)


def because(reason: ColumnReason, reasons: SlateReasons) -> str:
    """Why a column is shown, in one sentence without its end, which names no prompt."""
    size, of_all = reason.category_size, reasons.candidates
    match reason.intent:
        case Intent.PLEASE:
            of = "" if size < 2 else f"the best of its {size} by what is expected, "
            return f"{of}{_ordinal(reason.rank)} of all {of_all}"
        case Intent.LEARN:
            behind = _behind(reason, reasons.blind)
            drawn = "" if reason.drawn_rank is None else f", drawn as {_ordinal(reason.drawn_rank)}"
            return f"{behind}{drawn} of {of_all}" if drawn else behind
        case Intent.CHANCE if reason.drawn_rank is not None:
            return f"all are expected to be alike, drawn as {_ordinal(reason.drawn_rank)} of {of_all}"
        case Intent.CHANCE if reason.rank is not None:
            return "nothing tells the prompts apart yet"
        case Intent.CHANCE:
            return "drawn at random, one of each category"
        case Intent.WRITTEN:
            return "the writer's own, nothing was selected"
        case Intent.WISH:
            return "you asked for it"
        case None:
            return "" if reasons.current else "taste or models were changed since: this is how they judge now"


def _behind(reason: ColumnReason, blind: bool) -> str:
    if reason.instead is None:
        return f"{_ordinal(reason.rank)} by what is expected"
    if reason.instead.category != reason.candidate.category:
        other = "a category" if blind else f"{clean(reason.instead.category).text},"
        return (
            f"{reason.behind:.2f} less expected than of {other} {'that' if blind else 'which'} is not shown"
        )
    place = f"{_ordinal(reason.category_rank)} of its {reason.category_size}"
    return f"{place}, {reason.behind:.2f} less expected than of the best"


def _counted(picks: int) -> str:
    return "1 pick" if picks == 1 else f"{picks} picks"


def _ordinal(rank: int | None) -> str:
    number = rank or 0
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ends.get(number % 10, 'th')}"
