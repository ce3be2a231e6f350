"""What `--users` and `--selector` name, refused before any model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pasta_core.agent.selectors import SelectorName
from pasta_core.errors import InvalidInput
from pasta_core.settings import Profile
from pasta_core.users.taste_space_files import space_beside

__all__ = ["PLANTED_KINDS", "SELECTOR_NAMES", "SelectorSpec", "UsersSpec"]

PLANTED_KINDS = ("train", "validation", "test", "unseen")
SELECTOR_NAMES = ("random", "writer", "value", "softmax", "taste", "greedy-belief", "oracle")

_VALUED = ("value", "softmax")
_TAKES_PATH = (*_VALUED, "greedy-belief")
_LEARNS = "taste"


@dataclass(frozen=True)
class UsersSpec:
    """`model[:PATH]`, the types of a trained user model, or `planted[:KIND]`, planted raters of a split."""

    model: Path | None
    planted: str = ""

    @classmethod
    def parse(cls, text: str, profile: Profile) -> UsersSpec:
        """Read a specification, `model` being the profile's own; `InvalidInput` says what there is."""
        kind, _, rest = text.partition(":")
        if kind == "model" and rest:
            return cls(Path(rest).expanduser())
        if kind == "model":
            if profile.user_model is None:
                raise InvalidInput(
                    f"the profile {profile.name} has no user model",
                    "name one (model:PATH); 'pasta train-user-model' makes one",
                )
            return cls(profile.user_model)
        if kind == "planted" and (rest or "train") in PLANTED_KINDS:
            return cls(None, rest or "train")
        raise InvalidInput(
            f"there are no users {text!r}", f"write model[:PATH] or planted[:{'|'.join(PLANTED_KINDS)}]"
        )

    def __str__(self) -> str:
        return f"planted:{self.planted}" if self.model is None else f"model:{self.model}"


@dataclass(frozen=True)
class SelectorSpec:
    """A selector's name, and the folder of the model it asks, if it asks one.

    `taste:EXPLORATION` is a name of its own: another exploration is another selector.
    """

    name: str
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> SelectorSpec:
        """Read NAME, NAME:PATH or taste:EXPLORATION; `InvalidInput` says what there is."""
        name, _, rest = text.partition(":")
        if name == _LEARNS:
            return cls(str(SelectorName.parse(text)))
        if name not in SELECTOR_NAMES:
            raise InvalidInput(
                f"there is no selector {name!r}", f"known selectors: {', '.join(SELECTOR_NAMES)}"
            )
        if rest and name not in _TAKES_PATH:
            raise InvalidInput(f"the selector {name} asks no model", f"write {name}")
        return cls(name, Path(rest).expanduser() if rest else None)

    def resolved(self, profile: Profile) -> SelectorSpec:
        """The same with the profile's own value model where none is named; `InvalidInput` if it has none.

        A taste begins with the space of the profile's CLIP, where there is one, at a stated exploration.
        """
        if self.learns:
            name = str(SelectorName.parse(self.name).settled())
            return SelectorSpec(name, space_beside(profile.clip.model))
        if self.path is not None or self.name not in _VALUED:
            return self
        if profile.value_model is None:
            raise InvalidInput(f"profile {profile.name} has no value model", f"name one: {self.name}:PATH")
        return SelectorSpec(self.name, profile.value_model)

    @property
    def learns(self) -> bool:
        """Whether it asks a taste."""
        return self.name.partition(":")[0] == _LEARNS

    def __str__(self) -> str:
        return self.name if self.path is None or self.learns else f"{self.name}:{self.path}"
