"""The columns of the trajectory schema, as Parquet has them; docs/trajectories.md says what each means."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["SCHEMA", "VERSION", "VERSION_KEY"]

VERSION = 3
"""Version 2 added what only a simulation knows: the user's type and the utilities of every type.

Version 3 added what only a person does (slates that were refused, columns that showed other candidates),
and the values of candidates that were not shown.
"""

VERSION_KEY = b"pasta.trajectories.version"

_INTEGERS = pa.list_(pa.int64())
_REALS = pa.list_(pa.float64())
_IMAGE = pa.struct(
    [
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("embedding", pa.binary()),
        pa.field("png", pa.binary()),
    ]
)
_CANDIDATE = pa.struct(
    [pa.field("category", pa.string(), nullable=False), pa.field("prompt", pa.string(), nullable=False)]
)
_RATING = pa.struct(
    [
        pa.field("preferred", pa.int64(), nullable=False),
        pa.field("column_scores", _INTEGERS, nullable=False),
        pa.field("score", pa.int64(), nullable=False),
        pa.field("comparison", pa.string()),
        pa.field("rationale", pa.string(), nullable=False),
    ]
)
_REPLACED = pa.struct(
    [
        pa.field("column", pa.int64(), nullable=False),
        pa.field("candidate", pa.int64(), nullable=False),
        pa.field("images", pa.list_(_IMAGE), nullable=False),
    ]
)
_PROPOSED = [
    pa.field("candidates", pa.list_(_CANDIDATE), nullable=False),
    pa.field("slate", _INTEGERS, nullable=False),
    pa.field("values", _REALS),
    pa.field("all_values", _REALS),
    pa.field("columns", pa.list_(pa.list_(_IMAGE)), nullable=False),
    pa.field("replaced", pa.list_(_REPLACED), nullable=False),
    pa.field("critique", pa.string(), nullable=False),
    pa.field("max_words", pa.int64()),
    pa.field("write_seed", pa.int64()),
    pa.field("select_seed", pa.int64()),
]
_REFUSAL = pa.struct([pa.field("turn", pa.int64(), nullable=False), *_PROPOSED])
_TURN = pa.struct(
    [
        pa.field("number", pa.int64(), nullable=False),
        *_PROPOSED,
        pa.field("choice", pa.int64(), nullable=False),
        pa.field("utilities", _REALS),
        pa.field("type_utilities", pa.list_(_REALS)),
        pa.field("posterior", _REALS),
        pa.field("reward", pa.float64()),
        pa.field("rating", _RATING),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("created_at", pa.timestamp("us", tz="UTC")),
        pa.field("complete", pa.bool_(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("user_type", pa.int64()),
        pa.field("profile", pa.string(), nullable=False),
        pa.field("selector", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("versions", pa.string(), nullable=False),
        pa.field("initial_prompt", pa.string(), nullable=False),
        pa.field("initial_images", pa.list_(_IMAGE), nullable=False),
        pa.field("turns", pa.list_(_TURN), nullable=False),
        pa.field("refusals", pa.list_(_REFUSAL), nullable=False),
    ],
    metadata={VERSION_KEY: str(VERSION).encode()},
)
