"""What `--users` and `--selector` name, refused before any model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pasta_core.errors import InvalidInput

__all__ = ["PLANTED_KINDS", "SELECTOR_NAMES", "SelectorSpec", "UsersSpec"]

PLANTED_KINDS = ("train", "validation", "test", "unseen")
SELECTOR_NAMES = ("random", "writer", "value", "softmax", "greedy-belief", "oracle")

_NEEDS_PATH = ("value", "softmax")
_TAKES_PATH = (*_NEEDS_PATH, "greedy-belief")


@dataclass(frozen=True)
class UsersSpec:
    """`model:PATH`, the types of a trained user model, or `planted[:KIND]`, planted raters of a split."""

    model: Path | None
    planted: str = ""

    @classmethod
    def parse(cls, text: str) -> UsersSpec:
        """Read a specification; `InvalidInput` says what there is."""
        kind, _, rest = text.partition(":")
        if kind == "model" and rest:
            return cls(Path(rest).expanduser())
        if kind == "planted" and (rest or "train") in PLANTED_KINDS:
            return cls(None, rest or "train")
        raise InvalidInput(
            f"there are no users {text!r}", f"write model:PATH or planted[:{'|'.join(PLANTED_KINDS)}]"
        )

    def __str__(self) -> str:
        return f"planted:{self.planted}" if self.model is None else f"model:{self.model}"


@dataclass(frozen=True)
class SelectorSpec:
    """A selector's name, and the folder of the model it asks, if it asks one."""

    name: str
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> SelectorSpec:
        """Read NAME or NAME:PATH; `InvalidInput` says what there is."""
        name, _, rest = text.partition(":")
        if name not in SELECTOR_NAMES:
            raise InvalidInput(
                f"there is no selector {name!r}", f"known selectors: {', '.join(SELECTOR_NAMES)}"
            )
        if name in _NEEDS_PATH and not rest:
            raise InvalidInput(f"the selector {name} needs a model", f"write {name}:PATH")
        if rest and name not in _TAKES_PATH:
            raise InvalidInput(f"the selector {name} asks no model", f"write {name}")
        return cls(name, Path(rest).expanduser() if rest else None)

    def __str__(self) -> str:
        return self.name if self.path is None else f"{self.name}:{self.path}"
