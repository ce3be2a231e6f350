"""Where files of a hub lie on this machine, in the layout that Hugging Face's libraries share.

A repository is `models--OWNER--NAME` with `blobs/`, whose names are checksums, `snapshots/COMMIT/`, whose
files point at blobs, and `refs/`, which say what commit a branch or tag was when it was fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pasta_core.settings import HubSource

__all__ = [
    "commit_of",
    "folder_of",
    "is_commit",
    "is_fixed",
    "local_path",
    "missing_files",
    "present_files",
    "repository",
    "wanted",
]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PATTERN = re.compile(r"[*?\[]")


def is_commit(revision: str) -> bool:
    """Whether a revision names one commit for ever."""
    return _COMMIT.fullmatch(revision) is not None


def is_fixed(source: HubSource) -> bool:
    """Whether a source means the same files for ever, so that its hub need not be asked again."""
    explicit = bool(source.files) and not any(_PATTERN.search(name) for name in source.files)
    return explicit and is_commit(source.revision)


def repository(root: Path, repo: str) -> Path:
    """The folder of a repository below a cache's root."""
    return root / f"models--{repo.replace('/', '--')}"


def commit_of(root: Path, source: HubSource) -> str | None:
    """The commit that a source means in a cache; None for a branch or tag that was never fetched to it."""
    if is_commit(source.revision):
        return source.revision
    try:
        return (repository(root, source.repo) / "refs" / source.revision).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def local_path(source: HubSource, roots: Sequence[Path]) -> Path:
    """The file or folder of a source: in the first cache that has all of it, else where it would be."""
    found = [_snapshot(root, source) for root in roots]
    whole = [folder for folder in found if folder.is_dir() and not missing_files(source, folder)]
    begun = [folder for folder in found if folder.is_dir()]
    folder = [*whole, *begun, *found][0]
    return folder / source.files[0] if source.single else folder


def wanted(source: HubSource, name: str) -> bool:
    """Whether a file of the repository belongs to the source."""
    return not source.files or any(fnmatchcase(name, pattern) for pattern in source.files)


def missing_files(source: HubSource, folder: Path) -> list[str]:
    """The files that a source names one by one and that its snapshot lacks."""
    return [name for name in source.files if not _PATTERN.search(name) and not (folder / name).is_file()]


def present_files(source: HubSource, folder: Path) -> Iterator[str]:
    """The names of a source's files that its snapshot has, sorted."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if (file.is_file() or file.is_symlink()) and wanted(source, name):
            yield name


def _snapshot(root: Path, source: HubSource) -> Path:
    commit = commit_of(root, source) or source.revision
    return repository(root, source.repo) / "snapshots" / commit


def folder_of(source: HubSource, path: Path) -> Path:
    """The snapshot that a source's path lies in: the path itself, unless it is one file."""
    return path.parents[len(Path(source.files[0]).parts) - 1] if source.single else path
