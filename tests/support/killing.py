"""Kills headless sessions at random moments, resumes them, and compares what they lead to."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pasta_core.sessions.images import read_png

Line = dict[str, Any]

NO_SESSION = 2
"""How a resume ends where nothing had begun yet."""

_UNCOMPARED = frozenset({"session", "images", "copies", "replayed"})
"""Names and places, which differ between two runs of the same session."""


@dataclass(frozen=True)
class Program:
    """How a session is begun and resumed, and where its images appear."""

    begin: Sequence[str]
    resume: Sequence[str]
    data: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """When to kill, and whom: after so many image files of the data directory, and a delay in seconds.

    `worker` kills one of the program's children instead of the program itself, `which` chooses among them.
    """

    images: int
    delay: float
    worker: bool = False
    which: float = 0.0


@dataclass
class Run:
    """One process's life: what it printed, how it ended, and whom it was killed with."""

    lines: list[Line]
    code: int
    log: str
    killed: str = ""


def random_moment(draw: random.Random, images: int, longest_delay: float, worker: bool = False) -> Moment:
    """A moment that is about equally likely to lie anywhere in a session that paints so many images."""
    return Moment(draw.randrange(images + 1), draw.random() * longest_delay, worker, draw.random())


def in_order(moments: Sequence[Moment]) -> list[Moment]:
    """The same victims, each killed after the one before: images are counted over the whole session."""
    counts = sorted(moment.images for moment in moments)
    return [replace(moment, images=count) for moment, count in zip(moments, counts, strict=True)]


def run(program: Program, command: Sequence[str], moment: Moment | None = None, limit: float = 600) -> Run:
    """Run a command to its end, or to its kill at a moment."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **program.env},
    )
    printed, logged = bytearray(), bytearray()
    readers = [_reader(process.stdout, printed), _reader(process.stderr, logged)]
    killed = ""
    try:
        if moment is not None:
            killed = _kill_at(program, process, moment)
        process.wait(timeout=limit)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for reader in readers:
            reader.join(timeout=30)
    whole = bytes(printed).split(b"\n")[:-1]
    lines = [json.loads(line) for line in whole]
    return Run(lines, process.returncode, bytes(logged).decode(errors="replace"), killed)


def _reader(pipe: Any, into: bytearray) -> threading.Thread:
    def read() -> None:
        while chunk := os.read(pipe.fileno(), 65536):
            into.extend(chunk)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _kill_at(program: Program, process: subprocess.Popen[bytes], moment: Moment) -> str:
    while process.poll() is None and count_images(program.data) < moment.images:
        time.sleep(0.002)
    time.sleep(moment.delay)
    if process.poll() is not None:
        return ""
    if not moment.worker:
        family = descendants(process.pid)
        process.kill()
        process.wait()
        await_deaths(family)
        return "front end"
    children = descendants(process.pid)
    if not children:
        return ""
    victim = children[int(moment.which * len(children))]
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return ""
    return "worker"


def count_images(data: Path) -> int:
    """How many whole image files there are."""
    return sum(1 for _ in data.rglob("turn-*/column-*.png"))


def descendants(pid: int) -> list[int]:
    """All processes below a process, in the order of their ids."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = list[int](), [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return sorted(found)


def await_deaths(pids: Sequence[int], limit: float = 15) -> None:
    """Wait until none of the processes lives any more; fail if one outlives its parent for long."""
    end = time.monotonic() + limit
    while alive := [pid for pid in pids if _alive(pid)]:
        if time.monotonic() > end:
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"{len(alive)} processes outlived the program that had started them")
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def comparable(lines: Sequence[Line]) -> list[Line]:
    """What two runs of one session must have in common."""
    return [_compared(line) for line in lines]


def _compared(line: Line) -> Line:
    kept = {key: value for key, value in line.items() if key not in _UNCOMPARED}
    if "swaps" in kept:
        kept["swaps"] = [_compared(swap) for swap in kept["swaps"]]
    return kept


def check_files(lines: Sequence[Line]) -> None:
    """Every image that was printed lies where its line says, with the bytes that its line says."""
    for line in lines:
        final = line["event"] == "final"
        before = [] if final else line["swaps"]
        paths = [*([line["images"]] if final else line["images"]), *(swap["images"] for swap in before)]
        hashes = [*([line["sha256"]] if final else line["sha256"]), *(swap["sha256"] for swap in before)]
        for column, expected in zip(paths, hashes, strict=True):
            for path, sha256 in zip(column, expected, strict=True):
                pixels = read_png(Path(path).read_bytes())
                assert hashlib.sha256(pixels.tobytes()).hexdigest() == sha256, path


def survive(program: Program, moments: Sequence[Moment], reference: Sequence[Line]) -> list[str]:
    """Begin a session, kill it at each moment and resume it, then let it end; returns who was killed.

    Fails if a line that was printed before a kill is missing or different afterwards, if an image it names is
    gone, or if the end is not that of the uninterrupted `reference`.
    """
    killed, acknowledged = list[str](), list[Line]()
    command = program.begin
    for moment in (*moments, None):
        done = run(program, command, moment)
        if done.killed:
            killed.append(done.killed)
        else:
            assert done.code in (0, NO_SESSION), done.log
        assert comparable(done.lines)[: len(acknowledged)] == comparable(acknowledged)[: len(done.lines)]
        acknowledged = max(acknowledged, done.lines, key=len)
        check_files(acknowledged)
        command = program.resume if count_sessions(program) else program.begin
    assert comparable(acknowledged) == list(reference)
    return killed


def count_sessions(program: Program) -> int:
    """How many sessions have begun, by their directories."""
    folder = program.data / "sessions"
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
