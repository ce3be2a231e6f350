"""What a data set holds, for people and as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict

from pasta_core.data.checking import check_source
from pasta_core.data.records import SourceReport
from pasta_core.data.sources import open_source, parse_source
from pasta_core.text import clean
from pasta_tui.console.output import Output

__all__ = ["check_data"]


def check_data(text: str, split: str | None, open_images: bool, as_json: bool) -> None:
    """Read a source to its end and say what was found; `InvalidInput` where it is not what it claims."""
    out = Output(os.environ, as_json)
    source = open_source(parse_source(text))
    out.progress("reading")
    # Counts only where a line can be rewritten.
    tell = (lambda read: out.progress(f"reading: {read:,} records")) if out.terminal.cursor else _silent
    report = check_source(source, split, open_images, tell)
    out.end_progress()
    if as_json:
        out.document(asdict(report))
        return
    for line in _lines(report):
        out.data(clean(line).text if not line.startswith(" ") else f"  {clean(line).text}")


def _silent(read: int) -> None:
    """Where progress is not shown."""


def _lines(report: SourceReport) -> Iterator[str]:
    yield report.source + (f", split {report.split}" if report.split else "")
    yield f"splits: {', '.join(report.splits)}"
    for what, count in report.labels.items():
        if count:
            yield f"{what}: {count:,}"
    yield f"prompts: {report.prompts:,}"
    yield f"raters: {report.raters:,}" if report.raters else "raters: not named"
    missing = report.images - report.opened - report.unreadable
    opened = f"images: {report.images:,}, {report.opened:,} opened"
    yield opened + (f", {missing:,} only named" if missing and report.opened + report.unreadable else "")
    if report.unreadable:
        yield f"unreadable images: {report.unreadable:,}"
    for why, count in report.skipped.items():
        yield f"skipped: {count:,} ({why})"
    for note in report.notes:
        yield f"note: {note}"
