"""What an adapter of a value model is: the base that it belongs to, and which matrices are added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pasta_core.errors import InvalidInput

__all__ = ["Adapter", "LoraSettings"]


@dataclass(frozen=True)
class LoraSettings:
    """What is added. Out of range is `InvalidInput`; the paper trains the whole model (E.4)."""

    rank: int = 16
    """r, the inner dimension of each added pair of matrices (Hu et al. 2022)."""
    alpha: float = 32.0
    """The pair's product counts alpha / r."""
    targets: str = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
    """Names of the layers that get a pair, with commas: by default all projections of a Gemma's blocks."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InvalidInput(f"lora_rank is {self.rank}", "choose 1 or more")
        if self.alpha <= 0:
            raise InvalidInput(f"lora_alpha is {self.alpha}", "choose a positive number")
        if not self.names:
            raise InvalidInput("lora_targets names no layer", "write names with commas: q_proj,v_proj")

    @property
    def names(self) -> list[str]:
        """The layers' names, sorted."""
        return sorted({name.strip() for name in self.targets.split(",") if name.strip()})


@dataclass(frozen=True)
class Adapter:
    """Which base an adapter belongs to, and how it was made."""

    base: Path
    digest: str
    settings: LoraSettings
