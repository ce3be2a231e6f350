"""Data sets, embeddings and trajectory shards."""
