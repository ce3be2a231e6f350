"""What `--users` and `--selector` name, refused before any model is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pasta_core.agent.selector_names import PLAIN, SelectorName
from pasta_core.agent.value_calibration import calibration_beside
from pasta_core.agent.value_model_document import require_value_model
from pasta_core.engines.calibrations import fitting_calibration
from pasta_core.errors import InvalidInput
from pasta_core.settings import Profile
from pasta_core.users.taste_space_files import space_beside

__all__ = [
    "PLANTED_KINDS",
    "SELECTOR_NAMES",
    "SelectorSpec",
    "UsersSpec",
    "no_belief",
    "require_belief",
    "selector_under",
]

PLANTED_KINDS = ("train", "validation", "test", "unseen")
SELECTOR_NAMES = ("random", "writer", "value", "softmax", "taste", "taste+value", "greedy-belief", "oracle")

_PREVIEWING = ("greedy-belief", "oracle")
"""Those that paint before they choose; all others are the sessions' own."""


@dataclass(frozen=True)
class UsersSpec:
    """`model[:PATH]`, the types of a trained user model, or `planted[:KIND]`, planted raters of a split."""

    model: Path | None
    planted: str = ""

    @classmethod
    def parse(cls, text: str, profile: Profile, planted: str = "train") -> UsersSpec:
        """Read a specification, `model` being the profile's own and `planted` those of the split `planted`.

        `InvalidInput` says what there is.
        """
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
        if kind == "planted" and (rest or planted) in PLANTED_KINDS:
            return cls(None, rest or planted)
        raise InvalidInput(
            f"there are no users {text!r}", f"write model[:PATH] or planted[:{'|'.join(PLANTED_KINDS)}]"
        )

    def __str__(self) -> str:
        return f"planted:{self.planted}" if self.model is None else f"model:{self.model}"


@dataclass(frozen=True)
class SelectorSpec:
    """A selector's name without any path, the folder of the model it asks, and the file of its taste's space.

    `taste:EXPLORATION` is a name of its own: another exploration is another selector.
    """

    name: str
    path: Path | None = None
    space: Path | None = None

    @classmethod
    def parse(cls, text: str) -> SelectorSpec:
        """Read what `SelectorName` reads, or `oracle` or `greedy-belief[:PATH]`; or `InvalidInput`."""
        name, _, rest = text.partition(":")
        if name in _PREVIEWING:
            if rest and name != "greedy-belief":
                raise InvalidInput(f"the selector {name} asks no model", f"write {name}")
            return cls(name, Path(rest).expanduser() if rest else None)
        if name in PLAIN and rest:
            raise InvalidInput(f"the selector {name} asks no model", f"write {name}")
        try:
            parsed = SelectorName.parse(text)
        except InvalidInput as error:
            if name in SELECTOR_NAMES:
                raise
            known = ", ".join(SELECTOR_NAMES)
            raise InvalidInput(f"there is no selector {name!r}", f"known selectors: {known}") from error
        model = Path(parsed.model).expanduser() if parsed.model else None
        return cls(str(replace(parsed, model="")), model)

    def resolved(self, profile: Profile) -> SelectorSpec:
        """The same with the profile's own value model where none is named; `InvalidInput` if it has none.

        A taste begins with the space of the profile's CLIP, where there is one, at a stated exploration.
        """
        if self.name in _PREVIEWING:
            return self
        parsed = SelectorName.parse(self.name).settled()
        space = space_beside(profile.clip.model) if parsed.learns else None
        if parsed.valued and self.path is None:
            if profile.value_model is None:
                raise InvalidInput(
                    f"profile {profile.name} has no value model", f"name one: {self.name}:PATH"
                )
            return SelectorSpec(str(parsed), profile.value_model, space)
        return SelectorSpec(str(parsed), self.path, space)

    @property
    def learns(self) -> bool:
        """Whether it asks a taste."""
        return self.name not in _PREVIEWING and SelectorName.parse(self.name).learns

    @property
    def valued(self) -> bool:
        """Whether it asks a value model."""
        return self.name not in _PREVIEWING and SelectorName.parse(self.name).valued

    @property
    def models(self) -> tuple[Path, ...]:
        """All files and folders that decide what it shows, beside the profile's."""
        beside = calibration_beside(self.path) if self.learns and self.path is not None else None
        return tuple(path for path in (self.path, beside, self.space) if path is not None)

    def __str__(self) -> str:
        return self.name if self.path is None else f"{self.name}:{self.path}"


def selector_under(text: str, profile: Profile) -> SelectorSpec:
    """The selector that is asked for under a profile, with its models; refused before any is loaded.

    `InvalidInput` where there is none; `ModelUnavailable` where its value model is of another profile, or
    weighed beside the taste by numbers that were measured with other models.
    """
    typed = SelectorSpec.parse(text)
    if typed.valued and typed.path is not None:
        require_value_model(typed.path, profile)
    spec = typed.resolved(profile)
    if spec.learns and spec.valued:
        fitting_calibration(spec.path, profile)
    return spec


def require_belief(selector: SelectorSpec, users: UsersSpec) -> None:
    """Refuse (`InvalidInput`) a selector that asks a belief where neither it nor the users have types."""
    if selector.name == "greedy-belief" and selector.path is None and users.model is None:
        raise no_belief()


def no_belief() -> InvalidInput:
    """The refusal of a belief over nothing."""
    return InvalidInput(
        "greedy-belief needs a user model to believe in", "write greedy-belief:PATH of a user model"
    )
