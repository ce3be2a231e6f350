"""What all user types think of a slate, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Appraisal", "Table"]

Table = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Appraisal:
    """Utilities R_k of Eq. 3 and log C_k of Eq. 4, each (K, L): one row a type, one column a prompt."""

    utilities: Table
    log_choices: Table
