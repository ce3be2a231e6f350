"""What a command says: data on stdout, everything else on stderr, for people or as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pasta_core.text import clean, clean_line
from pasta_tui.terminal.capabilities import Terminal, detect

__all__ = ["Output"]

_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON may hold as it is, and a terminal obeys or no encoding knows."""


class Output:
    """One command's two streams; in JSON mode stdout carries JSON and nothing else."""

    def __init__(
        self,
        env: Mapping[str, str],
        as_json: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self._env = env
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self._messages = detect(self._stderr, env)
        on_stdout = not as_json and self._stdout.isatty()
        self._view = self._stdout if on_stdout else self._stderr
        self._stage = ""
        self._line_open = False

    @property
    def terminal(self) -> Terminal:
        """Where pictures and questions go, as large as it is now: stdout if it is a terminal, else stderr."""
        return detect(self._view, self._env)

    def data(self, line: str) -> None:
        """One line of result for people and pipes, made safe to show; silent in JSON mode."""
        if not self.as_json:
            self._write(self._stdout, clean_line(line) + "\n")

    def record(self, values: Mapping[str, Any]) -> None:
        """One JSON line of a stream; silent outside JSON mode."""
        if self.as_json:
            self._write(self._stdout, self._dumped(values) + "\n")

    def document(self, values: Mapping[str, Any] | Sequence[Any]) -> None:
        """The one JSON document of a reporting command."""
        self._write(self._stdout, self._dumped(values, indent=2) + "\n")

    def show(self, lines: Sequence[str]) -> None:
        """Lines for the person's eyes: pictures, prompts, what to do next."""
        self._write(self._view, "".join(f"{line}\n" for line in lines))

    def ask(self, question: str) -> None:
        """A question, the cursor left behind it."""
        self._write(self._view, question)

    def note(self, text: str) -> None:
        """One line that is worth reading once."""
        self._write(self._stderr, f"note: {clean(text).text}\n")

    def message(self, text: str) -> None:
        """Lines about how things go, on stderr, made safe to show."""
        self._write(self._stderr, "".join(f"{clean_line(line)}\n" for line in text.split("\n")))

    def progress(self, stage: str, done: int | None = None, total: int | None = None) -> None:
        """Name what is being done; counts are shown only where a line can be rewritten."""
        stage = clean_line(stage)
        if self._messages.cursor:
            line = stage if done is None else f"{stage} {done}/{total}"
            self._stderr.write(f"\r\x1b[K{line[: self._messages.width - 1]}")
            self._line_open = True
        elif stage != self._stage:
            self._stderr.write(f"{stage}\n")
        self._stage = stage
        self._stderr.flush()

    def end_progress(self) -> None:
        """Take the progress line away before something else is written."""
        if self._line_open:
            self._stderr.write("\r\x1b[K")
            self._stderr.flush()
        self._line_open = False

    def _dumped(self, values: object, indent: int | None = None) -> str:
        encoding = (getattr(self._stdout, "encoding", None) or "utf-8").lower()
        dumped = json.dumps(values, ensure_ascii=not encoding.startswith("utf"), indent=indent)
        return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", dumped)

    def _write(self, stream: TextIO, text: str) -> None:
        self.end_progress()
        stream.write(text)
        stream.flush()
