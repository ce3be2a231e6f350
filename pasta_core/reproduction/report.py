"""The report: every number that was measured in this run beside the paper's, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pasta_core.files import make_directory, replacing, write_atomically
from pasta_core.reproduction import paper
from pasta_core.reproduction.agents import sheet_name
from pasta_core.reproduction.begun import Begun
from pasta_core.reproduction.figures import draw_agents, draw_people, draw_sweep
from pasta_core.reproduction.lab import Lab
from pasta_core.reproduction.scale import ENOUGH, Scale
from pasta_core.reproduction.steps import Done
from pasta_core.training.value_presets import Reward

__all__ = ["REPORT", "write_report"]

REPORT = "report.md"
NUMBERS = "report.json"
FIGURES = "figures"

Rows = Sequence[Mapping[str, Any]]


def write_report(out: Path, lab: Lab, done: Mapping[str, Done]) -> Path:
    """Write `report.md`, its figures, and all numbers as `report.json`; equal steps give equal bytes."""
    scale, figures = lab.scale, out / FIGURES
    make_directory(figures)
    found = {name: dict(one.result) for name, one in done.items()}
    draw_sweep(found["sweep"], figures)
    draw_agents(found["table"], figures)
    people = draw_people(found["people-evaluation"]["results"], figures)
    _copy(done["sweep"].folder / "top-images" / "types.png", figures / "fig-4-top-images.png")
    for idea in scale.ideas:
        _copy(done["ideas"].folder / sheet_name(idea), figures / f"fig-6-{idea}.png")
    begun = {"made_with": dict(lab.begun.made_with), "changes": list(lab.begun.changes)}
    numbers = {"scale": scale.settings(), "seed": lab.seed, **begun, "steps": found}
    write_atomically(out / NUMBERS, json.dumps(numbers, indent=1).encode() + b"\n")
    lines = [
        *_opening(lab, found),
        *_sweep(found["sweep"], found["users"], scale),
        *_data(found),
        *_table(found["table"], scale),
        *_people(found["people-evaluation"]["results"], drawn=bool(people)),
        *_ideas(found["ideas"], scale),
        *_values(found),
        "",
        *_made_with(lab.begun),
    ]
    write_atomically(out / REPORT, "\n".join(lines).encode() + b"\n")
    return out / REPORT


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as partial:
        shutil.copyfile(source, partial)


def _opening(lab: Lab, found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    scale, settings = lab.scale, lab.settings
    yield "# The paper's experiments in the microworld"
    yield ""
    if not scale.claims:
        yield (
            f"**This report claims nothing.** Every evaluation has n = {scale.trajectories} paired"
            f" trajectories and the trainings are {'whole' if scale.whole else 'cut short'}; {ENOUGH}"
            " trajectories of whole trainings make a claim. It shows that the chain runs, and where its"
            " numbers go."
        )
        yield ""
    yield (
        f"Scale `{scale.name}`, seed {lab.seed}; n = {scale.trajectories} paired trajectories in every "
        f"evaluation; sessions of {settings.turns} turns, {settings.columns} columns of {settings.images} "
        f"images, {settings.form.total} candidates in {settings.form.categories} categories. Intervals are "
        "95 % percentile bootstraps over trajectories (Fig. 3: over raters or lists of images)."
    )
    yield ""
    yield (
        "Humans are played by planted raters (`raters.toml`, SHA-256 "
        f"`{found['people']['raters_sha256'][:12]}`), whose tastes are known to nothing that learns here. "
        "Numbers of the paper stand in columns that say so; all others were measured in this run. Scales "
        "differ from the paper's, so order and relative gaps are what can be compared."
    )
    yield ""


def _sweep(found: Mapping[str, Mapping[str, Any]], users: Mapping[str, Any], scale: Scale) -> Iterator[str]:
    yield "## User types (Fig. 3)"
    yield ""
    yield "| K | Pick-a-Pic accuracy | n | HPS Spearman | n | gap to the oracle closed | types, adj. Rand |"
    yield "|---|---|---|---|---|---|---|"
    for count, one in found.items():
        accuracy, spearman, gap = one["pickapic_accuracy"], one["hpd_spearman"], one.get("gap_closed")
        rand = one.get("types_adjusted_rand")
        yield _row(
            count,
            _said(accuracy, 3),
            _whole(accuracy["n"]),
            _said(spearman, 3),
            _whole(spearman["n"]),
            _said(gap, 2) if gap else "-",
            "-" if rand is None else f"{rand:.2f}",
        )
    first = next(iter(found.values()))
    oracle, chance = first.get("oracle"), first["pickapic_accuracy"]["chance"]
    yield ""
    knows = "" if oracle is None else f" One who knows each rater's own utility gets {_said(oracle, 3)}."
    yield f"Chance is {chance:.3f} and 0.{knows}"
    yield ""
    yield f"{paper.FIGURE_3}"
    yield ""
    yield f"![Fig. 3]({FIGURES}/fig-3-user-types.png)"
    yield ""
    yield (
        f"As in the paper the model of {scale.chosen} types then learns from people's sessions (D.3), here "
        f"{users['sessions']:,} of them and its choice temperature alone (docs/user-model.md says what that "
        "changes)."
    )
    yield ""
    yield "## What types like (Fig. 4)"
    yield ""
    yield f"The five test images that each of {scale.chosen} types scores highest, a row a type."
    yield ""
    yield paper.FIGURE_4
    yield ""
    yield f"![Fig. 4]({FIGURES}/fig-4-top-images.png)"
    yield ""


def _data(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    simulated, people = found["simulated"], found["labels"]
    merged = [group for group in simulated["groups"] if len(group) > 1]
    yield "## What the agent learns from (§4, App. B.4, C)"
    yield ""
    yield "| | here | paper |"
    yield "|---|---|---|"
    yield f"| simulated trajectories, random slates | {simulated['trajectories']:,} | more than 30,000 |"
    yield f"| sessions of people, random slates | {people['sessions']:,} | (App. B) |"
    yield (
        f"| pairs of types that the data tells apart (C.2) | {simulated['pairs_told_apart']} of "
        f"{simulated['pairs']} | not reported |"
    )
    yield ""
    if merged:
        names = "; ".join(", ".join(map(str, group)) for group in merged)
        yield f"By this data these types are one: {names}."
        yield ""


def _table(found: Mapping[str, Rows], scale: Scale) -> Iterator[str]:
    yield "## Agents under the learned user model (Table F.1)"
    yield ""
    for reward, rows in found.items():
        printed = paper.TABLE_F1[reward]
        ours = paper.share_of_best_gain({row["selector"]: row["mean"] for row in rows})
        theirs = paper.share_of_best_gain({name: value for name, (value, _) in printed.items()})
        yield f"### {reward.capitalize()} reward"
        yield ""
        yield "| agent | mean | against random | share of best gain | gap closed | paper | paper's share |"
        yield "|---|---|---|---|---|---|---|"
        for row in rows:
            name = row["selector"]
            duel = row["against"].get("random")
            value = printed.get(name)
            yield _row(
                name,
                _mean(row),
                "-" if duel is None else _interval(duel["difference"], duel["ci95"], sign=True),
                _percent(ours.get(name)),
                _interval(row["gap_closed"], row["gap_closed_ci95"], percent=True),
                "-" if value is None else f"{value[0]:g} ± {value[1]:g}",
                _percent(theirs.get(name)),
            )
        yield ""
        yield from _verdicts(rows, scale)
        if reward == Reward.SPARSE:
            yield from _beside(scale)
    yield paper.NOTE_F1
    yield ""
    if scale.oracle:
        yield "The gap closed is 0 at `random` and 1 at `oracle`, the best slate by the user's own utility."
        yield ""
    yield f"![Table F.1]({FIGURES}/table-f1.png)"
    yield ""


def _verdicts(rows: Rows, scale: Scale) -> Iterator[str]:
    """Which agents beat random slates, where there is enough to say so."""
    if not scale.claims:
        return
    learnt = [row for row in rows if row["selector"] not in ("random", "oracle")]
    better = [row["selector"] for row in learnt if row["against"]["random"]["ci95"][0] > 0]
    rest = [row["selector"] for row in learnt if row["selector"] not in better]
    yield f"Better than random slates with an interval that excludes 0: {', '.join(better) or 'none'}."
    if rest:
        yield f"Not so: {', '.join(rest)}."
    yield ""


def _beside(scale: Scale) -> Iterator[str]:
    """How those are trained that learn otherwise than the reward above them says."""
    told = {arm.recipe: arm.name for arm in scale.arms if arm.recipe is not None and arm.number == 1}
    for recipe, name in told.items():
        yield (
            f"`{name}` is trained by the shipped model's recipe: {recipe.reward} reward, discount "
            f"{recipe.discount:g}, {'with' if recipe.prefixes else 'no'} token prefixes, {recipe.steps:,} "
            "steps. Here and before new planted raters it is measured by the last turn, as the others are."
        )
        yield ""


def _people(rows: Rows, drawn: bool) -> Iterator[str]:
    yield "## Agents before new planted raters (Fig. 5)"
    yield ""
    yield "Shares of turns whose chosen images are better than, the same as, and worse than those of the turn"
    yield "before; the mean reward of the last turn; and whose final image is preferred, ties left out."
    yield ""
    yield "| agent | better | same | worse | last reward | final preferred to the writer's | gap closed |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        duel = row["against"].get("writer")
        wins = "-" if duel is None else _interval(duel["wins"], duel["wins_ci95"], percent=True)
        yield _row(
            row["selector"],
            *(
                _interval(row[kind], row[f"{kind}_ci95"], percent=True)
                for kind in ("better", "same", "worse")
            ),
            _mean(row),
            wins if duel is None else f"{wins} ({duel['ties']} ties)",
            _interval(row["gap_closed"], row["gap_closed_ci95"], percent=True),
        )
    yield ""
    yield paper.FIGURE_5
    yield ""
    if drawn:
        yield f"![Fig. 5]({FIGURES}/fig-5-people.png)"
    else:
        yield "Sessions of one turn have no turn before to compare with."
    yield ""


def _ideas(found: Mapping[str, Any], scale: Scale) -> Iterator[str]:
    yield "## Abstract prompts (Fig. 6)"
    yield ""
    yield (
        f"The agent that learnt from {found['agent']} data with sparse reward, before the {scale.types_shown}"
        " most frequent types: the same prompt, the same first images, the same noise."
    )
    yield ""
    for idea, one in found["ideas"].items():
        yield f"### {one['prompt'].capitalize()}"
        yield ""
        for kind in one["types"]:
            yield f"- type {kind['type']}: {kind['prompt']}"
        yield ""
        yield (
            f"In {_percent(one['own_preferred'])} of {one['comparisons']} comparisons a type likes its own"
            " last images better than another type's, a tie counts half."
        )
        yield ""
        yield f"![{one['prompt']}]({FIGURES}/fig-6-{idea}.png)"
        yield ""
    yield paper.FIGURE_6
    yield ""


def _values(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "## The value models"
    yield ""
    yield "What was measured above are the models of the last step; the step that foresaw best stands beside."
    yield ""
    yield (
        "| model | trajectories | steps | held-out correlation | in the last turn | bias | best slate + "
        "| best correlation, at step |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for name, one in found.items():
        if name.startswith("value-"):
            measured = one["measured"]
            keys = ("held_out_correlation", "held_out_last_correlation", "held_out_bias", "best_slate_gain")
            yield _row(
                name.removeprefix("value-"),
                _whole(one["trajectories"]),
                _whole(one["steps"]),
                *("-" if measured.get(key) is None else f"{measured[key]:.2f}" for key in keys),
                _best(one.get("best", {})),
            )
    yield ""
    yield "docs/value-model.md says what these mean. All numbers of this report: `report.json`."


def _best(measured: Mapping[str, Any]) -> str:
    correlation = measured.get("held_out_correlation")
    return "-" if correlation is None else f"{correlation:.2f}, {_whole(measured['step'])}"


def _made_with(begun: Begun) -> Iterator[str]:
    yield "## Made with"
    yield ""
    told = ", ".join(f"{name} {value}" for name, value in sorted(begun.made_with.items()))
    yield f"{told}; sums of {begun.threads} {'thread' if begun.threads == 1 else 'threads'}."
    for change in begun.changes:
        yield ""
        yield f"Later parts were made with others: {change}."


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _whole(number: int) -> str:
    return f"{number:,}"


def _said(metric: Mapping[str, Any], digits: int) -> str:
    if metric["value"] is None:
        return "-"
    low, high = metric["ci95"]
    return f"{metric['value']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _mean(row: Mapping[str, Any]) -> str:
    return _interval(row["mean"], row["ci95"])


def _interval(
    value: float | None, ends: Sequence[float] | None, *, sign: bool = False, percent: bool = False
) -> str:
    if value is None or ends is None:
        return "-"
    if percent:
        return f"{100 * value:.0f} % [{100 * ends[0]:.0f}, {100 * ends[1]:.0f}]"
    form = "+.2f" if sign else ".2f"
    return f"{value:{form}} [{ends[0]:{form}}, {ends[1]:{form}}]"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
