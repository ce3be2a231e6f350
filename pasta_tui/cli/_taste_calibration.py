"""Calibrating a value model beside a taste, and what came of it, as text and as JSON."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pasta_core.agent.value_model_document import require_value_model
from pasta_core.configuration import configure
from pasta_core.data.sources import parse_source
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.taste_calibration import calibration_records, weigh
from pasta_core.training.value_calibration import Agreement, CalibratedValue
from pasta_tui.console.output import Output

__all__ = ["measure"]


def measure(data: Sequence[str], model: Path | None, profile: str | None, as_json: bool) -> None:
    """Measure how a value model is weighed beside a profile's taste, and keep it in the model's folder."""
    out = Output(os.environ, as_json)
    config = configure({"profile": profile}, os.environ, Path.cwd())
    folder = model or config.profile.value_model
    if folder is None:
        raise InvalidInput(f"profile {config.profile.name} has no value model", "name one: --value-model DIR")
    if model is not None:
        require_value_model(model, config.profile)
    records = calibration_records([parse_source(text) for text in data], config.profile)
    out.progress("loading the models")
    weighed = asyncio.run(
        weigh(records, folder, config.profile, lambda done, total: out.progress("listening", done, total))
    )
    out.end_progress()
    if as_json:
        made = asdict(weighed.found.calibration)
        out.document({"path": str(weighed.file), **made, "measured": weighed.measured})
        return
    out.message("\n".join(_lines(weighed.found)))
    out.data(str(weighed.file))


def _lines(found: CalibratedValue) -> list[str]:
    made = found.calibration
    return [
        f"{found.slates:,} slates: f = {made.slope:.3f} g + {made.shared:.3f} m, error {made.deviation:.3f}; "
        f"it measures utilities with a variance of {made.variance:.2f} nats squared",
        f"the taste errs {found.doubt:.2f} times as much (squared) as it says",
        f"correlation with utilities within slates: {_said(found.agreement)}",
        *(f"  turn {turn}: {_said(one)}" for turn, one in enumerate(found.by_turn, 1)),
    ]


def _said(one: Agreement) -> str:
    return f"taste {one.taste:.2f}, value model {one.value:.2f}, both {one.both:.2f}"
