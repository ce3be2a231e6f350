"""Whether what a value model's calibration was measured with is what is there now."""

from __future__ import annotations

from pathlib import Path

from pasta_core.agent.second_opinion import ValueCalibration
from pasta_core.agent.value_calibration import ASSUMED, calibration_beside, calibration_of, measured_with
from pasta_core.engines.fingerprints import content_digest
from pasta_core.errors import ModelUnavailable

__all__ = ["StaleCalibration", "fitting_calibration"]


class StaleCalibration(ModelUnavailable):
    """A calibration that was measured with another value model or space than those that are there."""


def fitting_calibration(model: Path | None, space: Path | None) -> ValueCalibration:
    """The calibration of a value model beside this space, `ASSUMED` where nobody measured one.

    `StaleCalibration` where it was measured with another value model or space, whose numbers say nothing of
    these; `ModelUnavailable` where it is damaged. Slow: it reads the whole model.
    """
    if model is None or calibration_beside(model) is None:
        return ASSUMED
    found = calibration_of(model)
    now = {"value_model": content_digest(model), "space": None if space is None else content_digest(space)}
    then = measured_with(model)
    for name, digest in now.items():
        if name not in then or then[name] != digest:
            raise StaleCalibration(
                f"{calibration_beside(model)} was measured with another {name.replace('_', ' ')}",
                "measure it again: pasta taste calibrate, or delete it",
            )
    return found
