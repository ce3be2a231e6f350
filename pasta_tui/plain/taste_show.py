"""One taste in words and pictures, for people and as JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.errors import ModelUnavailable
from pasta_core.sessions.images import read_image
from pasta_core.sessions.records import StoredImage
from pasta_core.sessions.store import Store, utc_now
from pasta_core.sessions.taste import clip_of, space_of
from pasta_core.text import clean, counted
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_report import Column, Forecast, Fragment, TasteReport, report_taste
from pasta_core.users.taste_shelf import TasteShelf
from pasta_core.users.taste_space import TasteSpace
from pasta_tui.console.output import Output
from pasta_tui.plain.taste import rests_on
from pasta_tui.plain.view import row_of_pictures
from pasta_tui.terminal.text import clipped

__all__ = ["show_taste"]

_PICTURES = 4
"""Columns of each sort whose first picture is shown."""

Files = dict[tuple[str, int, int, int], StoredImage]
"""The first image of columns, by session, turn, proposal and column, as far as it is still there."""


def show_taste(name: str | None, profile: str | None, as_json: bool) -> None:
    """Print what a taste has learned, or one JSON document."""
    out = Output(os.environ, as_json)
    config = configure({"profile": profile}, os.environ, Path.cwd())
    shelf = TasteShelf(config.paths.data)
    name = name or shelf.in_use
    record = shelf.read(name)
    report = report_taste(record, utc_now(), _space(config, record, out))
    files = _files(config, (*report.best, *report.worst))
    if as_json:
        out.document(_document(name, shelf, record, report, files))
        return
    _tell(out, name, record, report)
    if report.picks:
        _tell_words(out, "likes", report.liked)
        _tell_words(out, "likes less", report.disliked)
        _tell_pictures(out, "best liked", report.best, files)
        _tell_pictures(out, "least liked", report.worst, files)


def _space(config: Configuration, record: TasteRecord, out: Output) -> TasteSpace | None:
    """The space of the profile's CLIP, if that is the taste's."""
    try:
        clip = clip_of(config.profile)
        return space_of(config.profile, clip) if record.fits(clip) else None
    except ModelUnavailable as error:
        out.note(error.message)
        return None


def _files(config: Configuration, columns: Sequence[Column]) -> Files:
    """Where pictures lie; those of deleted sessions, and of other machines, are left out."""
    found: Files = {}
    if not columns or not (config.paths.data / "sessions.sqlite3").is_file():
        return found
    with Store(config.paths.data) as store:
        known = {info.id for info in store.sessions()}
        for session in {it.session for it in columns} & known:
            for turn in store.turns(session):
                for proposal, slate in enumerate(turn.proposals):
                    for (column, index), image in slate.images.items():
                        if index == 0 and image.path.is_file():
                            found[session, turn.number, proposal, column] = image
    return found


def _tell(out: Output, name: str, record: TasteRecord, report: TasteReport) -> None:
    life = "never" if record.half_life_days is None else f"after {record.half_life_days:g} days"
    out.data(f"{name}: {rests_on(report.picks, report.sessions)}")
    out.data(f"strength {record.strength:g}, a pick counts half {life}; {report.certainty:.0%} certain")
    if report.types:
        shares = sorted(enumerate(report.types), key=lambda it: -it[1])[:3]
        out.data("types: " + ", ".join(f"{number} {share:.0%}" for number, share in shares))
    if report.forecast is not None:
        out.data(_foretold(report.forecast, report.refused))
        out.data(_likelihood(report.forecast))


def _foretold(it: Forecast, refused: int) -> str:
    """How well columns were foreseen; slates that were refused are picks, too, but not of a column."""
    better = math.exp(it.log_likelihood - it.chance_log_likelihood)
    last, each = ("column", "") if it.picks == 1 else (f"{it.picks} columns", "each ")
    without = f"; {counted(refused, 'refused slate')} left out" if refused else ""
    return (
        f"of the last {last} taken it foresaw {it.accuracy:.0%} (chance {it.chance_accuracy:.0%}), "
        f"{each}{better:.2f} times as likely as by chance{without}"
    )


def _likelihood(it: Forecast) -> str:
    each = "" if it.picks == 1 else "mean "
    return f"{each}log-likelihood {it.log_likelihood:.2f} nats (chance {it.chance_log_likelihood:.2f})"


def _tell_words(out: Output, title: str, fragments: Sequence[Fragment]) -> None:
    if fragments:
        said = ", ".join(f"{clean(it.words).text} ({it.utility:+.2f})" for it in fragments)
        out.data(f"{title}: {said}")


def _tell_pictures(out: Output, title: str, columns: Sequence[Column], files: Files) -> None:
    if not columns:
        return
    out.data(f"{title}:")
    if out.terminal.interactive:
        stored = [files[key] for it in columns if (key := _key(it)) in files][:_PICTURES]
        images = [image for image in map(read_image, stored) if image is not None]
        if images:
            out.show(row_of_pictures(images, len(images), out.terminal))
    for it in columns:
        slate = f"turn {it.turn} proposal {it.proposal + 1}" if it.proposal else f"turn {it.turn}"
        where = f"  {it.utility:+.2f}  {it.session} {slate} column {it.column + 1}: "
        line = where + clean(it.prompt).text
        out.data(clipped(line, out.terminal.width) if out.terminal.interactive else line)


def _key(column: Column) -> tuple[str, int, int, int]:
    return column.session, column.turn, column.proposal, column.column


def _document(
    name: str, shelf: TasteShelf, record: TasteRecord, report: TasteReport, files: Files
) -> dict[str, Any]:
    def column(it: Column) -> dict[str, Any]:
        image = files.get(_key(it))
        return {**asdict(it), "image": None if image is None else str(image.path)}

    return {
        "taste": name,
        "in_use": name == shelf.in_use,
        "picks": report.picks,
        "refused": report.refused,
        "sessions": report.sessions,
        "enough": report.enough,
        "first": None if report.first is None else report.first.isoformat(),
        "last": None if report.last is None else report.last.isoformat(),
        "strength": record.strength,
        "half_life_days": record.half_life_days,
        "weight": report.weight,
        "certainty": report.certainty,
        "types": list(report.types) or None,
        "liked": [asdict(it) for it in report.liked],
        "disliked": [asdict(it) for it in report.disliked],
        "best": [column(it) for it in report.best],
        "worst": [column(it) for it in report.worst],
        "forecast": None if report.forecast is None else asdict(report.forecast),
    }
