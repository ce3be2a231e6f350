"""`pasta doctor`: what is installed, what is missing, and where everything lies."""

from __future__ import annotations

from pasta_tui.cli._options import Json, MaybeProfile, examples

__all__ = ["EPILOG", "doctor"]

EPILOG = examples(
    "pasta doctor",
    "pasta doctor --profile sdxl",
    "pasta doctor --json",
)


def doctor(profile: MaybeProfile = None, as_json: Json = False) -> None:
    """Report versions, devices, models and their sizes, the terminal and the paths.

    Ends with 3 if a model of the profile in use is missing or cut short.
    """
    from pasta_tui.plain.diagnosis import diagnose

    diagnose(profile, as_json)
