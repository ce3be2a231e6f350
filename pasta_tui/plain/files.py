"""Where a person wants files, and copies of images there under names that say where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pasta_core.errors import InvalidInput
from pasta_core.events import Finished, TurnReady
from pasta_core.files import make_directory, storage_error, write_atomically

__all__ = ["copy_final", "copy_images", "copy_turn", "usable_directory", "usable_file"]


def usable_directory(path: Path) -> Path:
    """Make the directory if it is not there; `InvalidInput` where a file is in its way."""
    directory = path.expanduser().absolute()
    if directory.exists() and not directory.is_dir():
        raise InvalidInput(f"{directory} is not a directory", "choose another --out")
    make_directory(directory)
    return directory


def usable_file(path: Path) -> Path:
    """The file that is to be written; `InvalidInput` for a folder, or in a folder that is not there."""
    file = path.expanduser().absolute()
    if file.is_dir():
        raise InvalidInput(f"{file} is a folder", f"name a file: {file / (path.name or 'FILE')}")
    if not file.parent.is_dir():
        raise InvalidInput(f"there is no folder {file.parent}", "make it, or name a file in one that exists")
    return file


def copy_final(event: Finished, directory: Path) -> list[Path]:
    """Copy the final images; returns the copies."""
    return [
        _copied(path, directory / f"{event.session}-final-{number}.png")
        for number, path in enumerate(event.paths, start=1)
        if path is not None
    ]


def copy_turn(session: str, event: TurnReady, column: int | None, directory: Path) -> list[Path]:
    """Copy one column of a turn, or all of them."""
    return copy_images(session, event.turn, list(_turn_files(event, column)), directory)


def copy_images(session: str, turn: int, paths: Sequence[Path], directory: Path) -> list[Path]:
    """Copy images of one turn; returns the copies. Their folder tells a refused slate from the next."""
    return [_copied(path, directory / f"{session}-{_folder(path, turn)}-{path.name}") for path in paths]


def _folder(path: Path, turn: int) -> str:
    folder = path.parent.name
    return folder if folder.startswith(f"turn-{turn}") else f"turn-{turn}"


def _turn_files(event: TurnReady, column: int | None) -> Iterator[Path]:
    wanted: Sequence[int] = range(len(event.paths)) if column is None else (column,)
    for place in wanted:
        for path in event.paths[place]:
            if path is not None:
                yield path


def _copied(source: Path, target: Path) -> Path:
    try:
        data = source.read_bytes()
    except OSError as error:
        raise storage_error(error, source) from error
    write_atomically(target, data)
    return target
