"""What the paper reports, to be set beside what was measured here; nothing of it is computed with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["FIGURE_3", "FIGURE_4", "FIGURE_5", "FIGURE_6", "NOTE_F1", "TABLE_F1", "share_of_best_gain"]

TABLE_F1: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "sparse": {
            "random": (7.38, 1.13),
            "human": (8.7, 0.11),
            "simulated": (9.26, 0.07),
            "mixed": (8.81, 0.06),
        },
        "dense": {
            "random": (38.57, 5.81),
            "human": (43.49, 0.54),
            "simulated": (46.35, 0.38),
            "mixed": (44.03, 0.32),
        },
    }
)
"""F.1 as printed: a value and what follows its ±."""

NOTE_F1 = "The paper's numbers are of 1,000 trajectories (F.1); it does not say what follows their ±."

FIGURE_3 = (
    "The paper prints Fig. 3 as curves without numbers: accuracy and rank correlation grow with the number "
    "of types and level off at 64; it chooses K = 8 (§6.2)."
)
FIGURE_4 = (
    "The paper shows the same for five of its 32 types: some prefer a kind of content, such as animals or "
    "food (§6.2)."
)
FIGURE_5 = (
    "The paper prints Fig. 5 as bars with 99 % intervals and no numbers, people being the judges: an agent "
    "that learnt from people improves on the language model alone, one that learnt from simulated users "
    "falls slightly behind it, and the mixture is best (§6.3)."
)
FIGURE_6 = (
    'The paper shows rollouts of "an image of love", "happiness" and "hope" that drift to different styles '
    "and contents for different types (§6.4, F.2)."
)


def share_of_best_gain(means: Mapping[str, float]) -> Mapping[str, float]:
    """(x - random) / (best - random) of every row but random, the best being one that the paper has.

    Empty where none of those beats random. Scales differ between the paper's user model and any other, and
    this does not depend on them.
    """
    floor = means["random"]
    gains = {name: value - floor for name, value in means.items() if name != "random"}
    best = max((gain for name, gain in gains.items() if name in TABLE_F1["sparse"]), default=0.0)
    return {name: gain / best for name, gain in gains.items()} if best > 0 else {}
