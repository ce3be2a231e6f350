"""Looking through a whole source: how much of what it holds, and what was wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pasta_core.data.images import AbsentImage, ImageReference, UnreadableImage
from pasta_core.data.records import (
    Pair,
    Ranking,
    Rating,
    Record,
    SessionRecord,
    Source,
    SourceReport,
    Tally,
    images_of,
)

__all__ = ["check_source"]

EVERY = 200
"""Records between two reports of progress."""

Progress = Callable[[int], None]
"""Called with the number of records read so far."""


def check_source(
    source: Source, split: str | None = None, open_images: bool = True, progress: Progress = lambda read: None
) -> SourceReport:
    """Read all records of a split (None: of all) and open every image once, in the order they come.

    Raises `InvalidInput` for what is not what it claims to be; everything else is counted.
    """
    tally = Tally()
    labels: Counter[str] = Counter()
    prompts: set[str] = set()
    raters: set[str] = set()
    images: dict[str, bool | None] = {}
    for number, record in enumerate(source.records(split, tally), 1):
        labels.update(_labels(record))
        prompts.add(record.initial_prompt if isinstance(record, SessionRecord) else record.prompt)
        if record.rater is not None:
            raters.add(record.rater)
        for image in images_of(record):
            if image.name not in images:
                images[image.name] = _opens(image) if open_images else None
        if number % EVERY == 0:
            progress(number)
    if not labels:
        tally.note("there is nothing in it that can be used")
    return SourceReport(
        source=f"{source.kind}:{source.path}",
        split=split,
        splits=source.splits,
        labels=dict(labels),
        prompts=len(prompts),
        raters=len(raters),
        images=len(images),
        opened=sum(opened is True for opened in images.values()),
        unreadable=sum(opened is False for opened in images.values()),
        skipped=dict(tally.skipped),
        notes=tuple(tally.notes),
    )


def _opens(image: ImageReference) -> bool | None:
    """Whether an image can be opened; None where the data set only names it."""
    if isinstance(image, AbsentImage):
        return None
    try:
        image.open()
    except UnreadableImage:
        return False
    return True


def _labels(record: Record) -> dict[str, int]:
    """What one record counts as."""
    match record:
        case Pair():
            return {"pairs": 1, "ties": int(record.tie)}
        case Rating():
            return {"ratings": 1}
        case Ranking():
            return {"rankings": 1, "averaged rankings": int(record.averaged)}
        case SessionRecord():
            rated = [turn.rating for turn in record.turns if turn.rating is not None]
            return {
                "sessions": 1,
                "complete sessions": int(record.complete),
                "turns": len(record.turns),
                "critiques": sum(bool(turn.critique) for turn in record.turns),
                "rated turns": len(rated),
                "comparisons of turns": sum(rating.comparison is not None for rating in rated),
                "changed choices": sum(
                    turn.rating is not None and turn.rating.preferred != turn.choice for turn in record.turns
                ),
            }
