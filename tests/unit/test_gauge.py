"""What a worker keeps of its times: never those of a CPU under the name of a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pasta_core.planning.measured import Measurements
from pasta_core.worker.gauge import Gauge


@pytest.mark.parametrize("planned_for_gpu", [False, True])
def test_what_a_cpu_does_in_a_gpus_place_is_kept_only_where_a_cpu_was_planned_for(
    tmp_path: Path, planned_for_gpu: bool
) -> None:
    kept = Measurements(tmp_path)
    gauge = Gauge(kept, "here", "micro", gpu=planned_for_gpu)
    gauge.passed_over()
    gauge.took("paint", 2.0, units=4)
    gauge.peak("UNet", 100)
    gauge.wrote(os.getpid(), 1.0, candidates=5)
    found = kept.of("here", "micro")
    if planned_for_gpu:
        assert not found.seconds and not found.peaks
    else:
        assert found.seconds == {"paint": 0.5, "write": 0.2}
        assert found.peaks["UNet"] == 100 and found.peaks["writer"] > 0
