"""The raters' card: how they agree, and the pictures each archetype likes most and least."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from pasta_core.domain import Pixels
from pasta_core.microworld.drawer import SIDE
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.rater_agreement import Agreement, measure_agreement
from pasta_core.microworld.raters import PlantedRater, RaterSheet
from pasta_core.microworld.recipes.dataset import draw_held_out
from pasta_core.microworld.recipes.workshop import Workshop

__all__ = ["write_rater_page"]

SHOWN = 10
"""Pictures liked most, and as many liked least."""

PAIRS = 2000

_PAGE = """\
# The planted raters

Who plays the humans in the microworld: the individuals of these archetypes (`planted:NAME[:INDIVIDUAL]`), by
the numbers in [raters.toml](../raters.toml), fixed before any user model or value model was trained.
They see through the frozen [eyes](../eyes/README.md). SHA-256 of the file:
`{sha256}`.

On {pairs:,} pairs of drawn pictures two raters agree in {between:.1%} of cases (people on HPD v2: 79.5 %),
one rater with themselves in {oneself:.1%}; {unsaid:.1%} of the taste variance comes from what captions do
not say.

Each sheet shows, of {count:,} held-out drawn scenes, the {shown} that individual 0 likes most and below them
the {shown} liked least, without an initial prompt.
{sections}"""


def write_rater_page(out: Path, shop: Workshop) -> None:
    """Write `raters/README.md` and a contact sheet per archetype into a folder of models."""
    sheet, eyes = RaterSheet.load(out.parent), Eyes.load(out / "eyes")
    scenes = draw_held_out(shop.seed)
    folder = out / "raters"
    folder.mkdir(parents=True, exist_ok=True)
    sections = []
    for number, archetype in enumerate(sheet.archetypes):
        rater = PlantedRater.load(f"planted:{archetype.name}", out.parent, eyes)
        order = np.argsort(-rater.image_utilities("", scenes.pixels))
        _contact_sheet(scenes.pixels, order).save(folder / f"{archetype.name}.png")
        place = "kept out of all training" if archetype.unseen else f"number {number}"
        sections.append(
            f"\n## {archetype.name.capitalize()}\n\n{archetype.summary.capitalize()} ({place}).\n\n"
            f"![{archetype.name}]({archetype.name}.png)\n"
        )
        shop.report("raters", {"step": number + 1, "steps": len(sheet.archetypes)})
    agreement = measure_agreement(sheet, eyes, PAIRS, shop.seed)
    (folder / "README.md").write_text(_page(sheet, agreement, len(scenes), sections))


def _page(sheet: RaterSheet, agreement: Agreement, count: int, sections: list[str]) -> str:
    return _PAGE.format(
        sha256=sheet.sha256,
        pairs=PAIRS,
        between=agreement.between_raters,
        oneself=agreement.with_oneself,
        unsaid=agreement.unsaid_share,
        count=count,
        shown=SHOWN,
        sections="".join(sections),
    )


def _contact_sheet(pictures: Pixels, order: np.ndarray) -> PillowImage.Image:
    """Two rows: the pictures that come first in `order`, and those that come last."""
    margin = 4
    sheet = PillowImage.new("RGB", (SHOWN * (SIDE + margin) + margin, 2 * (SIDE + margin) + margin), "white")
    for row, indices in enumerate((order[:SHOWN], order[-SHOWN:])):
        for column, index in enumerate(indices):
            place = (margin + column * (SIDE + margin), margin + row * (SIDE + margin))
            sheet.paste(PillowImage.fromarray(pictures[index]), place)
    return sheet
