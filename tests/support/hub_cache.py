"""Files that were fetched from a hub, as Hugging Face's libraries keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pasta_core.settings import HubSource
from tests.support.hub_server import git_sha1


def keep(cache: Path, source: HubSource, made: Path) -> None:
    """Put the files of a source, which lie in the folder `made` under their names, into a cache.

    The content is a blob named by its checksum, which its name in the commit's snapshot points to.
    """
    repository = cache / f"models--{source.repo.replace('/', '--')}"
    for name in source.files:
        data = (made / name).read_bytes()
        large = name.endswith((".safetensors", ".gguf"))
        blob = repository / "blobs" / (hashlib.sha256(data).hexdigest() if large else git_sha1(data))
        pointer = repository / "snapshots" / source.revision / name
        for file in (blob, pointer):
            file.parent.mkdir(parents=True, exist_ok=True)
        if not pointer.is_symlink():
            blob.write_bytes(data)
            pointer.symlink_to(f"../../blobs/{blob.name}")
