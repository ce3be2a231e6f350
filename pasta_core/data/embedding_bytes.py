"""How embeddings are kept as bytes, in the store and in Parquet: little-endian float32."""

from __future__ import annotations

import numpy as np

from pasta_core.domain import Embedding

__all__ = ["embedding_from_bytes", "embedding_to_bytes"]


def embedding_to_bytes(embedding: Embedding | None) -> bytes | None:
    """An embedding of shape (d,) as 4 d bytes; None stays None."""
    return None if embedding is None else np.ascontiguousarray(embedding, dtype="<f4").tobytes()


def embedding_from_bytes(data: bytes | None) -> Embedding | None:
    """The embedding of shape (d,) that 4 d bytes hold."""
    return None if data is None else np.frombuffer(data, dtype="<f4").astype(np.float32)
