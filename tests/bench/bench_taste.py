"""How fast a taste is updated: `python -m tests.bench.bench_taste [--repeats N]`.

All that a pick costs the front end, belief and the utilities of 25 candidates, by the number of picks,
for the shipped space (96 dimensions, eight types) and for the same space with one type; the account of five
picks of a session beside the others, and its lines on the screen; and what keeping the pick in its file
costs, at the widths of the micro CLIP and of ViT-L-14 (768). Times are CPU seconds of this process, so that
another load on the machine blurs them less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from pasta_core.paths import find_assets
from pasta_core.users.belief import BeliefAccount, account_for
from pasta_core.users.taste import believe
from pasta_core.users.taste_files import write_taste
from pasta_core.users.taste_picks import Pick, normalised, ordered
from pasta_core.users.taste_record import KeptTaste, TasteRecord
from pasta_core.users.taste_space_files import SPACE_FILE, load_space
from pasta_tui.widgets.belief import belief_lines
from tests.support.cpu_time import cpu_seconds

PICKS = (5, 50, 200, 1000)
SESSION = 5
START = datetime(2026, 1, 1, tzinfo=UTC)


def made_up(count: int, d: int) -> tuple[Pick, ...]:
    """Picks among columns that differ as little as those of one prompt do."""
    rng = np.random.default_rng(0)
    picks = []
    for number in range(count):
        centre = normalised(rng.normal(size=d))
        rows = [normalised(centre + 0.3 * normalised(rng.normal(size=(5, d)))) for _ in range(2)]
        prompts = tuple(f"{number} {column} of a middling length in words" for column in range(5))
        when = START + timedelta(hours=number)
        chosen = (int(rng.integers(4)),)
        picks.append(Pick(f"{number // 5:05d}", number % 5, when, prompts, rows[0], rows[1], chosen))
    return ordered(picks)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    types = load_space(find_assets() / "micro" / "clip" / SPACE_FILE)
    plain = replace(types, type_means=np.zeros((1, types.dimension)), type_weights=np.ones(1))
    texts = normalised(np.random.default_rng(1).normal(size=(26, 96)))
    found: dict[str, object] = {}
    for count in PICKS:
        picks = made_up(count, 96)

        def update(space: object, picks: tuple[Pick, ...] = picks) -> object:
            chosen = types if space == "types" else plain
            return believe(chosen, picks).worth(chosen.foreseen(texts[0], texts[1:]))

        found[f"{count} picks"] = {
            "milliseconds": round(1e3 * cpu_seconds(lambda: update("plain"), repeats), 2),
            "milliseconds_of_8_types": round(1e3 * cpu_seconds(lambda: update("types"), repeats), 2),
        }

        def account(picks: tuple[Pick, ...] = picks) -> BeliefAccount:
            kept = KeptTaste(picks[:-SESSION], (1.0,) * (len(picks) - SESSION))
            return account_for(picks[-SESSION:], kept, types)

        told = account()

        def one_more(picks: tuple[Pick, ...] = picks, told: BeliefAccount = told) -> BeliefAccount:
            kept = KeptTaste(picks[:-SESSION], (1.0,) * (len(picks) - SESSION))
            return account_for(picks[-SESSION:], kept, types, known=told.beliefs[:-1])

        found[f"account of {SESSION} picks after {count - SESSION}"] = {
            "milliseconds_of_8_types": round(1e3 * cpu_seconds(account, repeats), 2),
            "milliseconds_of_one_pick_more": round(1e3 * cpu_seconds(one_more, repeats), 2),
            "milliseconds_of_lines": round(
                1e3 * cpu_seconds(lambda told=told: belief_lines(told, 35), repeats),  # type: ignore[misc]
                2,
            ),
        }
    with tempfile.TemporaryDirectory() as folder:
        for d in (96, 768):
            record = TasteRecord(made_up(200, d), "clip")
            file = Path(folder) / f"{d}.json"
            seconds = cpu_seconds(lambda record=record, file=file: write_taste(record, file), repeats)  # type: ignore[misc]
            found[f"file of 200 picks, d = {d}"] = {
                "milliseconds": round(1e3 * seconds, 1),
                "megabytes": round(file.stat().st_size / 1e6, 2),
            }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
