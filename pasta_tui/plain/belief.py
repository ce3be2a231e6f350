"""A session's belief, and why its slate is shown, in plain lines."""

from __future__ import annotations

from pasta_core.agent.slate_reasons import SlateReasons
from pasta_core.errors import PastaError
from pasta_core.sessions.insight import Insight
from pasta_core.text import clean, told
from pasta_core.users.belief import BeliefAccount, entropy
from pasta_tui.insight_words import HIDDEN, because, chose, moves, rests, subject, took, worth

__all__ = ["belief_told", "why_told"]

_TYPES = 3


async def belief_told(insight: Insight) -> list[str]:
    """What is believed, and what the last pick moved."""
    try:
        return _belief(await insight.belief())
    except PastaError as error:
        return [told(error)]


async def why_told(insight: Insight) -> list[str]:
    """Why each column of the slate is shown; no prompt is named, nor a category of a blind session."""
    try:
        reasons = await insight.reasons()
    except PastaError as error:
        return [told(error)]
    return ["there is no slate yet"] if reasons is None else _why(reasons)


def _belief(account: BeliefAccount) -> list[str]:
    lines = [f"{rests(account)}; {account.certainty:.0%} certain"]
    if account.steps:
        step = account.steps[-1]
        lines.append(f"{took(step)}; foreseen with {step.foreseen:.0%} (chance {step.guess:.0%})")
        if step.taken is not None:
            lines.append(
                f"{subject(step)} {step.taken.moved:+.2f}: its pictures {step.pictures:+.2f}, "
                f"its prompt {step.prompts:+.2f}, its likeness {step.likeness:+.2f}"
            )
        gained, lost = moves(step)
        for head, shifts in (("gained", gained), ("lost", lost)):
            if shifts:
                said = ", ".join(f"{clean(it.words).text} ({it.moved:+.2f})" for it in shifts)
                lines.append(f"{head}: {said}")
        lines += [HIDDEN] * account.blind
    if account.types:
        likeliest = sorted(enumerate(account.types), key=lambda it: -it[1])[:_TYPES]
        said = ", ".join(f"{number} {share:.0%}" for number, share in likeliest)
        lines.append(f"types: {said}; {entropy(account.types):.1f} bits open")
    return lines


def _why(reasons: SlateReasons) -> list[str]:
    lines = [chose(reasons)]
    for number, reason in enumerate(reasons.columns, start=1):
        intent = "" if reason.intent is None else f", {reason.intent}"
        parts = [worth(reason), because(reason, reasons)]
        said = "; ".join(part for part in parts if part)
        category = clean(reason.candidate.category).text
        name = f"column {number}" if reasons.blind else f"{number}  {category}"
        lines.append(f"{name}{intent}: {said}")
    return [*lines, HIDDEN] if reasons.blind else lines
