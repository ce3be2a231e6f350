"""What planted raters' labels give away: `python -m tests.bench.bench_archetypes`.

Prints one JSON document: how well a Bayes classifier that knows the archetypes names those of raters from so
many labels, and how often the oracle is right, on drawn pictures in Pick-a-Pic's layout.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from pasta_core.data.pickapic import PickAPic
from pasta_core.evaluation.pairs import by_probability, series_accuracy
from pasta_core.evaluation.planted import (
    INDIVIDUALS,
    Truth,
    bayes_archetypes,
    oracle_series,
    planted_labels,
    type_recovery,
)
from pasta_core.paths import find_assets
from tests.support.preference_sets import write_planted_pickapic


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raters", type=int, default=96)
    parser.add_argument("--labels", type=int, default=25)
    parser.add_argument("--individuals", type=int, default=INDIVIDUALS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = write_planted_pickapic(Path(name), raters=asked.raters, labels=asked.labels)
        truth = Truth.load(folder, find_assets())
        labels = planted_labels(truth, PickAPic.open(folder).records("test"))
    found, _ = bayes_archetypes(truth, labels, asked.individuals)
    right = [found[rater] == truth.members[rater].archetype for rater in found]
    document = {
        "raters": len(found),
        "labels": len(labels.labels),
        "ties": round(float((labels.labels == 0.5).mean()), 3),
        "bayes_adjusted_rand": round(type_recovery(truth, found), 3),
        "bayes_accuracy": round(float(np.mean(right)), 3),
        "oracle_accuracy": series_accuracy(
            oracle_series(truth, labels), by_probability(np.ones(1))
        ).as_json(),
        "raters_sha256": truth.population.sheet.sha256,
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
