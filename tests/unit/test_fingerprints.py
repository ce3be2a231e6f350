"""What tells sets of models apart: every part that changes an image, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pasta_core.engines.fingerprints import profile_digest
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
