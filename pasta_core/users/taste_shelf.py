"""The tastes below a data directory: one file each, one of them in use, one process at a time that writes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pasta_core.errors import InvalidInput, StorageError
from pasta_core.files import make_directory, storing, try_lock, write_atomically
from pasta_core.users.taste_files import read_taste, write_taste
from pasta_core.users.taste_record import TasteRecord

__all__ = ["DEFAULT", "TasteShelf", "check_name"]

DEFAULT = "default"
"""The taste in use until another one is; it need not have a file."""

WAIT_SECONDS = 5.0
_PAUSE = 0.02
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SUFFIX = ".json"


def check_name(name: str) -> str:
    """Refuse (`InvalidInput`) what cannot name a taste."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot name a taste",
            "use up to 40 small letters, digits, - and _, a letter or digit first",
        )
    return name


class TasteShelf:
    """All tastes of one data directory. Methods raise `StorageError`; what is only read makes nothing."""

    def __init__(self, data: Path, wait: float = WAIT_SECONDS) -> None:
        self.folder = data.absolute() / "tastes"
        self._wait = wait

    @property
    def in_use(self) -> str:
        """The name of the taste that sessions go by."""
        file = self.folder / "in-use"
        with storing(file):
            name = file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""
        return name if _NAME.fullmatch(name) else DEFAULT

    def names(self) -> tuple[str, ...]:
        """Every taste there is, in alphabetical order; the default one is always there."""
        with storing(self.folder):
            files = list(self.folder.glob(f"*{_SUFFIX}")) if self.folder.is_dir() else []
        found = {file.name.removesuffix(_SUFFIX) for file in files}
        return tuple(sorted({name for name in found if _NAME.fullmatch(name)} | {DEFAULT, self.in_use}))

    def path(self, name: str) -> Path:
        """The file of a taste."""
        return self.folder / f"{check_name(name)}{_SUFFIX}"

    def has(self, name: str) -> bool:
        """Whether there is a taste of this name."""
        return check_name(name) in self.names()

    def read(self, name: str) -> TasteRecord:
        """A taste; `InvalidInput` where there is none of this name, or its file is none."""
        if not self.has(name):
            raise InvalidInput(f"there is no taste {name!r}", f"there are: {', '.join(self.names())}")
        file = self.path(name)
        # named, as the taste in use is reset otherwise, which may be a sound one
        mend = f"restore it from a copy, or empty it: 'pasta taste reset {name}'"
        return read_taste(file, mend) if file.is_file() else TasteRecord()

    def update(self, name: str, change: Callable[[TasteRecord], TasteRecord]) -> TasteRecord:
        """Change a taste; what `change` raises leaves it as it is."""
        with self._writing():
            record = change(self.read(name))
            write_taste(record, self.path(name))
        return record

    def create(self, name: str, record: TasteRecord) -> None:
        """Keep a new taste; `InvalidInput` where there is one of this name."""
        with self._writing():
            if self.path(name).exists():
                raise InvalidInput(
                    f"there is a taste {name!r} already", "choose another name, or 'pasta taste merge'"
                )
            write_taste(record, self.path(name))

    def reset(self, name: str) -> None:
        """Forget all picks of a taste; also mends a damaged file."""
        if not self.has(name):
            self.read(name)
        with self._writing():
            try:
                before = self.read(name)
            except InvalidInput:
                before = TasteRecord()
            empty = TasteRecord(strength=before.strength, half_life_days=before.half_life_days)
            write_taste(empty, self.path(name))

    def use(self, name: str) -> None:
        """Let sessions go by another taste; `InvalidInput` where there is none of this name."""
        self.read(name)
        with self._writing():
            write_atomically(self.folder / "in-use", f"{name}\n".encode())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep other writers out; the operating system lets go of the lock however this process ends."""
        make_directory(self.folder)
        path = self.folder / "lock"
        end = time.monotonic() + self._wait
        with storing(path), path.open("ab") as file:
            while not try_lock(file):
                if time.monotonic() > end:
                    raise StorageError(
                        "another process keeps the tastes locked", "wait for it or end it, then try again"
                    )
                time.sleep(_PAUSE)
            yield
