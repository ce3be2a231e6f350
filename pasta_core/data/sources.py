"""Data sources by name: `KIND:PATH[@WEIGHT]`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pasta_core.data.records import Kind, Record, Source, Tally
from pasta_core.errors import InvalidInput
from pasta_core.paths import find_assets
from pasta_core.typed_toml import nearest

__all__ = ["SourceSpec", "open_source", "parse_source", "read_sources"]


@dataclass(frozen=True)
class SourceSpec:
    """What `KIND:PATH[@WEIGHT]` says; the weight multiplies that of every record."""

    kind: Kind
    path: Path
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}" + ("" if self.weight == 1 else f"@{self.weight:g}")


def parse_source(text: str) -> SourceSpec:
    """Read `KIND:PATH[@WEIGHT]`; what is none is `InvalidInput`.

    An @ that no positive number follows belongs to the path; a path that ends in @NUMBER needs a weight.
    """
    name, colon, rest = text.partition(":")
    kinds = [kind.value for kind in Kind]
    if not colon or not rest:
        raise InvalidInput(
            f"{text!r} is not a data source", "write KIND:PATH, such as pickapic:data/pickapic"
        )
    if name not in kinds:
        near = nearest(name, kinds)
        raise InvalidInput(
            f'there is no kind of data "{name}"',
            f'did you mean "{near}"?' if near else f"the kinds are {', '.join(kinds)}",
        )
    path, at, tail = rest.rpartition("@")
    weight = _weight(tail) if at and path else None
    if weight is None:
        return SourceSpec(Kind(name), Path(rest).expanduser())
    return SourceSpec(Kind(name), Path(path).expanduser(), weight)


def _weight(text: str) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if math.isfinite(weight) and weight > 0 else None


def open_source(spec: SourceSpec, assets: Path | None = None) -> Source:
    """Open a data set; a path that is missing or not what its kind says is `InvalidInput`.

    `assets` holds the shipped field maps; by default those of this installation.
    """
    if not spec.path.exists():
        raise InvalidInput(f"there is no {spec.path}", f"name the file or folder of the {spec.kind} data")
    match spec.kind:
        case Kind.PICKAPIC:
            from pasta_core.data.pickapic import PickAPic

            return PickAPic.open(spec.path)
        case Kind.HPD:
            from pasta_core.data.hpd import Hpd

            return Hpd.open(spec.path)
        case Kind.SAC:
            from pasta_core.data.simulacra import Simulacra

            return Simulacra.open(spec.path)
        case Kind.IMAGEREWARD:
            from pasta_core.data.imagereward import ImageReward

            return ImageReward.open(spec.path)
        case Kind.PASTA:
            from pasta_core.data.pasta_sessions import PastaSessions

            return PastaSessions.open(spec.path, assets or find_assets())
        case Kind.TRAJECTORIES | Kind.SESSIONS:
            from pasta_core.data.trajectory_sessions import TrajectorySessions

            return TrajectorySessions.open(spec.path, spec.kind)


def read_sources(
    specs: Iterable[SourceSpec], split: str | None, tally: Tally, assets: Path | None = None
) -> Iterator[Record]:
    """The records of several sources, one source after the other, each record's weight times its source's."""
    for spec in specs:
        for record in open_source(spec, assets).records(split, tally):
            yield record if spec.weight == 1 else replace(record, weight=record.weight * spec.weight)
