"""The session store for people and scripts: a list, and one session."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pasta_core.configuration import configure
from pasta_core.domain import Comparison, Image, TurnRating
from pasta_core.sessions.images import read_image
from pasta_core.sessions.records import SessionInfo, StoredTurn
from pasta_core.sessions.search import SessionFilter, parse_since, parse_until
from pasta_core.sessions.store import Store, utc_now
from pasta_core.text import clean
from pasta_tui.console.output import Output
from pasta_tui.plain.view import row_of_pictures
from pasta_tui.terminal.text import clipped, wrap

__all__ = ["Listing", "list_all", "open_store", "show_one"]


@dataclass(frozen=True)
class Listing:
    """What was typed for a list; None was not."""

    limit: int
    text: str = ""
    since: str | None = None
    until: str | None = None
    starred: bool = False

    def filter(self, now: datetime) -> SessionFilter:
        """The filter that was typed; `InvalidInput` for what is no date."""
        since = None if self.since is None else parse_since(self.since, now)
        until = None if self.until is None else parse_until(self.until, now)
        return SessionFilter(self.text, since, until, self.starred)


def list_all(listing: Listing, as_json: bool) -> None:
    """Print one line per session, or one JSON document."""
    out = Output(os.environ, as_json)
    wanted = listing.filter(utc_now())
    with open_store() as store:
        sessions = store.sessions(wanted)[: listing.limit]
    if as_json:
        out.document({"sessions": [_described(info) for info in sessions]})
        return
    if not sessions and wanted == SessionFilter():
        out.message('no sessions yet; begin one with: pasta session "a red train in the snow"')
    elif not sessions:
        out.message("no session matches")
    for info in sessions:
        line = (
            f"{info.id}{'*' if info.starred else ' '} {info.updated_at.astimezone():%Y-%m-%d %H:%M}  "
            f"{_state(info):9}  {info.turns_chosen}/{info.made_of.settings.turns}  "
            f"{clean(info.made_of.prompt).text}"
        )
        out.data(clipped(line, out.terminal.width) if out.terminal.interactive else line)


def show_one(text: str, as_json: bool) -> None:
    """Print one session's turns and where its images lie."""
    out = Output(os.environ, as_json)
    with open_store() as store:
        info = store.find(text)
        turns = store.turns(info.id)
    if as_json:
        out.document({**_described(info), "turns": [_turn(turn) for turn in turns]})
        return
    made_of = info.made_of
    out.data(f"{info.id}  {_state(info)}  {info.turns_chosen} of {made_of.settings.turns} turns")
    out.data(f"prompt: {clean(made_of.prompt).text}")
    out.data(f"profile {made_of.profile}, selector {made_of.selector}, seed {made_of.seed}, {made_of.user}")
    for turn in turns:
        _print_turn(turn, out)


def open_store() -> Store:
    """The store that the settings name."""
    return Store(configure({}, os.environ, Path.cwd()).paths.data)


def _print_turn(turn: StoredTurn, out: Output) -> None:
    chosen = turn.choice
    for refused in turn.refused:
        said = (
            f' ("{clean(refused.refusal.critique).text}")'
            if refused.refusal and refused.refusal.critique
            else ""
        )
        out.data(f"turn {turn.number}: none of these{said}")
    if turn.number and (turn.slate is None or chosen is None):
        out.data(f"turn {turn.number}: not chosen yet")
        return
    if turn.slate is not None and chosen is not None:
        candidate = turn.candidates[turn.slate.indices[chosen.column]]
        said = f' ("{clean(chosen.critique).text}")' if chosen.critique else ""
        text = f"turn {turn.number}: column {chosen.column + 1}{said}: {clean(candidate.prompt).text}"
        for line in wrap(text, out.terminal.width) if out.terminal.interactive else [text]:
            out.data(line)
    if turn.rating is not None:
        out.data(_rated(turn.rating))
    column = 0 if chosen is None else chosen.column
    stored = [image for (at, _), image in sorted(turn.images.items()) if at == column]
    if out.terminal.interactive:
        pixels = [image for image in map(read_image, stored) if isinstance(image, Image)]
        if pixels:
            out.show(row_of_pictures(pixels, len(pixels), out.terminal))
    for image in stored:
        out.data(f"  {image.path}")


_COMPARED = {
    Comparison.BETTER: "better than before",
    Comparison.SAME: "as good as before",
    Comparison.WORSE: "worse than before",
}


def _rated(rating: TurnRating) -> str:
    scores = " ".join(map(str, rating.column_scores))
    compared = "" if rating.comparison is None else f", {_COMPARED[rating.comparison]}"
    why = f": {clean(rating.rationale).text}" if rating.rationale else ""
    return f"  rated: column {rating.preferred + 1}, columns {scores}, turn {rating.score}{compared}{why}"


def _state(info: SessionInfo) -> str:
    """How far a session is, in a word; a study whose questions are open is not finished for people."""
    return "unrated" if info.waits_for_rating else info.status.value


def _described(info: SessionInfo) -> dict[str, Any]:
    made_of = info.made_of
    return {
        "session": info.id,
        "prompt": made_of.prompt,
        "status": info.status.value,
        "turns_chosen": info.turns_chosen,
        "turns_planned": made_of.settings.turns,
        "starred": info.starred,
        "created": info.created_at.isoformat(),
        "updated": info.updated_at.isoformat(),
        "profile": made_of.profile,
        "selector": made_of.selector,
        "user": made_of.user,
        "seed": made_of.seed,
        "blind": made_of.blind,
        "study": made_of.study,
        "rater": info.rater,
        "rated": None if info.rated_at is None else info.rated_at.isoformat(),
    }


def _turn(turn: StoredTurn) -> dict[str, Any]:
    return {
        "turn": turn.number,
        **_slate(turn),
        "choice": None if turn.choice is None else turn.choice.column,
        "critique": None if turn.choice is None else turn.choice.critique,
        "rating": None if turn.rating is None else asdict(turn.rating),
        "refused": [
            {**_slate(it), "critique": None if it.refusal is None else it.refusal.critique}
            for it in turn.refused
        ],
    }


def _slate(turn: StoredTurn) -> dict[str, Any]:
    return {
        "candidates": [{"category": it.category, "prompt": it.prompt} for it in turn.candidates],
        "slate": None if turn.slate is None else list(turn.slate.indices),
        "images": [
            {
                "column": column,
                "index": index,
                "path": str(image.path),
                "seed": image.seed,
                "sha256": image.sha256,
            }
            for (column, index), image in sorted(turn.images.items())
        ],
        "swaps": [
            {"column": it.swap.column, "before": it.before, "after": it.swap.candidate} for it in turn.swaps
        ],
    }
