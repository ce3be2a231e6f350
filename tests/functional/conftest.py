"""What functional tests share."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.snapshots import SvgSnapshots


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """What a screen looked like when it was last looked at."""
    return snapshot.use_extension(SvgSnapshots)
