"""Large JSON files entry by entry: a top-level list, or JSON lines, never all of it in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from pasta_core.data.images import said
from pasta_core.data.records import Tally
from pasta_core.errors import InvalidInput

__all__ = ["json_entries"]

CHUNK = 1 << 20
LONGEST = 64 << 20
"""Bytes of the longest entry: a longer one is damage."""

_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


def json_entries(stream: IO[bytes], name: str, tally: Tally) -> Iterator[Any]:
    """The entries of a list, or of JSON lines; one lone object is an entry too.

    Where the text is damaged, what comes after is left out and counted once in `tally`; `InvalidInput` if
    that is at the very beginning.
    """
    text = _Text(stream, name)
    text.fill()
    if not text.rest.lstrip("\ufeff").strip():
        raise InvalidInput(f"{name} is empty", "name a JSON file")
    text.position = len(text.rest) - len(text.rest.lstrip("\ufeff \t\r\n"))
    listed = text.rest.startswith("[", text.position)
    text.position += listed
    count = 0
    while not text.at_end(listed):
        try:
            entry = text.entry()
        except (ValueError, RecursionError, OSError, EOFError) as error:
            if count == 0:
                raise InvalidInput(f"{name} is not JSON that can be read ({said(error)})") from error
            tally.skip("the file is damaged from here on")
            tally.note(f"{name} is damaged after entry {count}: what follows is left out")
            return
        yield entry
        count += 1


class _Text:
    """A window on the decoded text: what is read but not yet used begins at `position` of `rest`."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._finished = False
        self.rest = ""
        self.position = 0

    def fill(self) -> bool:
        """Read on; False at the end of the file."""
        if self._finished:
            return False
        chunk = self._stream.read(CHUNK)
        self._finished = not chunk
        self.rest = self.rest[self.position :] + self._decode(chunk, final=self._finished)
        self.position = 0
        return True

    def at_end(self, listed: bool) -> bool:
        """Whether nothing but the list's end, or the file's, follows; moves over what separates entries."""
        while True:
            match = _BETWEEN.match(self.rest, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self.rest):
                return listed and self.rest[self.position] == "]"
            if not self.fill():
                # A list that was not closed lost its end.
                if listed:
                    self.rest, self.position = " ", 0
                return not listed

    def entry(self) -> Any:
        """The next entry; reads on until it is whole. Raises `ValueError` where it never is."""
        while True:
            try:
                entry, end = _DECODER.raw_decode(self.rest, self.position)
            except ValueError:
                if len(self.rest) > LONGEST or not self.fill():
                    raise
            else:
                # A number may go on in the next chunk.
                if end == len(self.rest) and self.fill():
                    continue
                self.position = end
                return entry
