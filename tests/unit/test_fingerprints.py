"""What tells sets of models apart: every part that changes an image, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from pasta_core.engines.fingerprints import content_digest, profile_digest
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import Lora


def test_every_part_of_a_painter_counts(tmp_path: Path) -> None:
    profile = load_profile("micro", locate({}))
    one, other, third = (tmp_path / name for name in ("one", "other", "third"))
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    third.write_bytes(b"3")
    painters = [
        profile.painter,
        *(replace(profile.painter, vae=file) for file in (one, other)),
        *(replace(profile.painter, scheduler=file) for file in (third,)),
        *(
            replace(profile.painter, loras=loras)
            for loras in ((Lora(one),), (Lora(one, 0.5),), (Lora(other),))
        ),
    ]
    digests = [profile_digest(replace(profile, painter=painter)) for painter in painters]
    assert digests[0] == profile_digest(profile)
    assert len(set(digests)) == len(painters)


def test_a_fetched_file_counts_as_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    name = hashlib.sha256(b"weights").hexdigest()
    for folder in ("blobs", "snapshots", "own"):
        (tmp_path / folder).mkdir()
    (tmp_path / "blobs" / name).write_bytes(b"weights")
    (tmp_path / "snapshots" / "model.safetensors").symlink_to(tmp_path / "blobs" / name)
    (tmp_path / "own" / "model.safetensors").write_bytes(b"weights")
    fetched = content_digest(tmp_path / "snapshots" / "model.safetensors")
    assert fetched == content_digest(tmp_path / "own" / "model.safetensors")
    (tmp_path / "own" / "model.safetensors").write_bytes(b"others")
    assert fetched != content_digest(tmp_path / "own" / "model.safetensors")
