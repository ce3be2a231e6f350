"""Where files of a hub lie on this machine, in the layout that Hugging Face's libraries share.

A repository is `models--OWNER--NAME` with `blobs/`, whose names are checksums, `snapshots/COMMIT/`, whose
files point at blobs, and `refs/`, which say what commit a branch or tag was when it was fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pasta_core.hub.manifest import read_manifest
from pasta_core.settings import HubSource

__all__ = [
    "commit_of",
    "folder_of",
    "is_commit",
    "is_explicit",
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


def is_explicit(source: HubSource) -> bool:
    """Whether a source names its files one by one."""
    return bool(source.files) and not any(_PATTERN.search(name) for name in source.files)


def is_fixed(source: HubSource) -> bool:
    """Whether a source means the same files for ever, so that its hub need not be asked again."""
    return is_explicit(source) and is_commit(source.revision)


def repository(root: Path, repo: str) -> Path:
    """The folder of a repository below a cache's root."""
    return root / f"models--{repo.replace('/', '--')}"


def commit_of(root: Path, source: HubSource) -> str | None:
    """The commit that a source means in a cache; None for a branch or tag that was never fetched to it."""
    if is_commit(source.revision):
        return source.revision
    try:
        named = (repository(root, source.repo) / "refs" / source.revision).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return named.strip() if is_commit(named.strip()) else None


def local_path(source: HubSource, roots: Sequence[Path]) -> Path:
    """The file or folder of a source: in the first cache that has all of it, else where it would be."""
    found = [_snapshot(root, source) for root in roots]
    begun = [folder for folder in found if _is_folder(folder)]
    whole = [folder for folder in begun if not missing_files(source, folder)]
    folder = [*whole, *begun, *found][0]
    return folder / source.files[0] if source.single else folder


def wanted(source: HubSource, name: str) -> bool:
    """Whether a file of the repository belongs to the source."""
    return not source.files or any(fnmatchcase(name, pattern) for pattern in source.files)


def missing_files(source: HubSource, folder: Path) -> list[str]:
    """The files of a source that its snapshot lacks.

    What patterns mean is known from what the hub said when pasta pulled; of what another program fetched only
    the files that are named one by one are known.
    """
    names = [name for name in source.files if not _PATTERN.search(name)]
    if not is_explicit(source):
        kept = [file.name for file in read_manifest(folder) or () if wanted(source, file.name)]
        names = list(dict.fromkeys([*names, *kept]))
    return [name for name in names if not _is_file(folder / name)]


def present_files(source: HubSource, folder: Path) -> Iterator[str]:
    """The names of a source's files that its snapshot has, sorted."""
    if not _is_folder(folder):
        return
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if (file.is_file() or file.is_symlink()) and wanted(source, name):
            yield name


def _is_folder(path: Path) -> bool:
    """Whether a folder is there and can be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _snapshot(root: Path, source: HubSource) -> Path:
    commit = commit_of(root, source) or source.revision
    return repository(root, source.repo) / "snapshots" / commit


def folder_of(source: HubSource, path: Path) -> Path:
    """The snapshot that a source's path lies in: the path itself, unless it is one file."""
    return path.parents[len(Path(source.files[0]).parts) - 1] if source.single else path
