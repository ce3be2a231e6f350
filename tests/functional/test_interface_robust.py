"""The full screen where things go wrong: signals, deaths, odd windows, hostile text, full and locked disks.

The models are those of `tests.support.quick_worker`, a process of its own behind the real wire.
"""

from __future__ import annotations

import asyncio
import os
import pty
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from pasta_core.configuration import configure
from pasta_core.errors import StorageError
from pasta_core.sessions.connection import BUSY_SECONDS
from pasta_core.sessions.store import Store
from pasta_tui.plain.opening import begun
from pasta_tui.plain.request import Request, new_session
from tests.support.commands import PASTA, complaint, pasta
from tests.support.killing import await_deaths, descendants
from tests.support.patient_program import PATIENCE
from tests.support.terminal import TerminalSession

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--turns", "2", "--columns", "2", "--images", "2")
PATIENT = (sys.executable, "-m", "tests.support.patient_program")
CHOOSING = "takes column"
"""What stands in the last lines while the interface waits for a choice."""


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker be found wherever it is started, in a terminal that can do what most can."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TERM", "xterm-256color")
    # the small models have no CLIP that a taste could be of
    monkeypatch.setenv("PASTA_SELECTOR", "value")


@pytest.fixture
def data(own_directories: Path) -> Path:
    return own_directories / "data" / "pasta"


def start(
    *arguments: str,
    writing: float = 0.01,
    painting: float = 0.01,
    size: tuple[int, int] = (80, 24),
    where: Path | None = None,
    program: Sequence[str] = PASTA,
) -> TerminalSession:
    """A full-screen session; a candidate takes `writing` seconds, an image `painting`."""
    worker = f"{sys.executable} -m tests.support.quick_worker {writing} {painting}"
    env = {"PASTA_DATA_DIR": str(where)} if where else {}
    command = [*program, "session", *arguments, "--worker", worker, "--graphics", "half"]
    return TerminalSession(command, env, *size)


def worker_of(session: TerminalSession) -> int:
    (worker,) = descendants(session.pid)
    return worker


def press_until_seen(session: TerminalSession, key: bytes, text: str, limit: float = 120) -> None:
    """Press a key that does no harm twice: on a busy machine an escape and the next key are read as one."""
    end = time.monotonic() + limit
    while text not in session.shown:
        assert time.monotonic() < end, session.shown
        session.press(key)
        session.settle(1)


def assert_given_back(session: TerminalSession, before: list[int]) -> None:
    """The terminal is as it was: its screen, its cursor, its mouse, its paste mode, its line discipline."""
    for mode, at_rest in ((1049, "l"), (25, "h"), (1000, "l"), (1003, "l"), (1006, "l"), (2004, "l")):
        switches = re.findall(rf"\x1b\[\?{mode}([hl])", session.raw)
        assert switches[-1:] in ([at_rest], []), mode
    assert session.modes == before


def last_line(session: TerminalSession) -> str:
    """The last line that was left on the terminal after the screen was given back."""
    left = re.sub(r"\x1b\[[0-9;?<]*[a-z]", "", session.raw.rsplit("\x1b[?1049l", 1)[-1])
    return left.strip().splitlines()[-1]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_gives_the_terminal_back(signum: signal.Signals) -> None:
    with start("a cat", *SMALL, painting=2) as session:
        before = session.modes
        session.wait_to_see("painting")
        family = descendants(session.pid)
        os.kill(session.pid, signum)
        assert session.wait() == 128 + signum
        assert_given_back(session, before)
        await_deaths(family)
        assert "go on with: pasta session --resume" in last_line(session)


def test_quitting_in_mid_painting_leaves_nothing_behind_and_the_session_goes_on_later() -> None:
    with start("a cat", *SMALL, painting=2) as session:
        before = session.modes
        session.wait_to_see("painting 1/")
        family = descendants(session.pid)
        session.press(b"\x11")
        assert session.wait() == 0
        assert_given_back(session, before)
        await_deaths(family)
    with start("--resume", "last") as session:
        session.wait_to_see(CHOOSING)
        session.press(b"\x11")
        assert session.wait() == 0


def test_leaving_does_not_wait_for_the_next_look_at_the_keyboard() -> None:
    script = """
import sys
from pasta_tui.__main__ import main
from pasta_tui.terminal import driver
driver._MOMENT = 1e6
sys.exit(main())
"""
    with start("a cat", *SMALL, program=(sys.executable, "-c", script)) as session:
        before = session.modes
        session.wait_to_see(CHOOSING)
        session.press(b"\x11")
        assert session.wait() == 0
        assert_given_back(session, before)


def test_quitting_before_there_are_models_leaves_nothing_behind() -> None:
    mark = "0.0123456789"
    with start("a cat", *SMALL, writing=float(mark)) as session:
        before = session.modes
        session.wait_to_see("starting the models")
        session.press(b"\x11")
        assert session.wait() == 0
        assert_given_back(session, before)
        await_deaths([int(entry.name) for entry in Path("/proc").iterdir() if mark in command_of(entry)])


def test_what_cannot_be_shown_leaves_no_worker_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = "0.0987654321"
    monkeypatch.setenv("PASTA_THEME", "no such colours")
    with start("a cat", *SMALL, writing=float(mark)) as session:
        assert session.wait() == 2
        await_deaths([int(entry.name) for entry in Path("/proc").iterdir() if mark in command_of(entry)])
        assert "no such colours" in last_line(session)


def command_of(process: Path) -> str:
    """The command line of a process by its directory in /proc; empty for anything else."""
    try:
        return (process / "cmdline").read_text() if process.name.isdigit() else ""
    except OSError:
        return ""


@pytest.mark.parametrize("stage", ["writing", "painting"])
def test_a_killed_worker_is_told_and_its_step_done_again(stage: str) -> None:
    slow = {stage: 0.5 if stage == "writing" else 3}
    with start("a cat", *SMALL, **slow) as session:
        session.wait_to_see("writing")
        session.wait_to_see(stage)
        os.kill(worker_of(session), signal.SIGKILL)
        session.wait_to_see("the worker was restarted")
        session.wait_to_see(CHOOSING)
        session.press(b"\x11")
        assert session.wait() == 0


def test_a_worker_that_always_dies_is_told_and_can_be_tried_again(tmp_path: Path) -> None:
    flag = tmp_path / "alive"
    script = tmp_path / "worker"
    script.write_text(
        f"#!/bin/sh\ntest -e {flag} && exec {sys.executable} -m tests.support.quick_worker 0.01 0.01\n"
    )
    script.chmod(0o755)
    flag.touch()
    command = [*PASTA, "session", "a cat", *SMALL, "--worker", str(script), "--graphics", "half"]
    with TerminalSession(command, None, 80, 24) as session:
        session.wait_to_see(CHOOSING)
        flag.unlink()
        os.kill(worker_of(session), signal.SIGKILL)
        session.press(b"\r")
        session.wait_to_see("tries again")
        assert "died" in session.shown
        flag.touch()
        session.press(b"r")
        session.wait_to_see("turn 2 of 2")
        session.wait_to_see(CHOOSING)
        session.press(b"\x11")
        assert session.wait() == 0


def test_no_window_is_too_small_and_none_may_change_while_it_paints() -> None:
    with start("a cat", *SMALL, painting=1, size=(0, 0)) as session:
        for columns, rows in ((20, 5), (80, 24), (1, 1), (0, 0), (300, 90), (3, 40), (200, 2), (80, 24)):
            session.resize(columns, rows)
            session.settle()
        session.wait_to_see(CHOOSING)
        for size in ((20, 5), (0, 0), (80, 24)):
            session.resize(*size)
            for key in (b"z", b"\x1b[C", b"\x1b", b"c", b"\x1b", b"?", b"\x1b"):
                session.press(key)
                session.settle(0.1)
        press_until_seen(session, b"\x1b", CHOOSING)
        press_until_seen(session, b"2", "takes column 2")
        session.press(b"\x11")
        assert session.wait() == 0


def test_without_a_terminal_on_either_side_it_says_so() -> None:
    assert "terminal" in complaint(pasta("session", "a cat"), 2)
    own, theirs = pty.openpty()
    try:
        run = subprocess.run(
            [*PASTA, "session", "a cat"],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        os.close(own)
        os.close(theirs)
    assert "--plain" in complaint(run, 2)


def test_closing_the_terminal_ends_everything_and_loses_nothing(data: Path) -> None:
    with start("a cat", *SMALL, painting=2) as session:
        session.wait_to_see("painting 1/")
        family = [session.pid, *descendants(session.pid)]
        session.hang_up()
        await_deaths(family, limit=60)
    with closing(sqlite3.connect(data / "sessions.sqlite3")) as sql:
        assert sql.execute("SELECT status FROM sessions").fetchall() == [("active",)]
        assert sql.execute("SELECT count(*) FROM images").fetchone()[0] > 0


def test_a_terminal_that_is_closed_without_a_signal_ends_it_too() -> None:
    own, theirs = pty.openpty()
    worker = f"{sys.executable} -m tests.support.quick_worker 0.01 0.01"
    command = [*PASTA, "session", "a cat", *SMALL, "--worker", worker, "--graphics", "half"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as session:
        os.close(theirs)
        seen, end = b"", time.monotonic() + 120
        while b"turn 1 of 2" not in seen and time.monotonic() < end:
            seen += os.read(own, 65536)
        os.close(own)
        try:
            session.wait(60)
        finally:
            session.kill()


def test_text_is_shown_as_it_is_and_never_obeyed() -> None:
    prompt = "hostile [red]x[/] \x1b[31m\x1b]0;owned\x07 \u202e猫 [link='x'] {curly} 👩‍👩‍👧"
    with start(prompt, *SMALL, size=(120, 40)) as session:
        session.wait_to_see("control characters were removed")
        session.wait_to_see(CHOOSING)
        session.settle()
        assert "hostile [red]x[/]" in session.shown
        assert "[link='x'] {curly}" in session.shown
        assert re.search(r"\[red\]\d+\[/\]", session.shown)
        assert session.shown.count("[b]kind[/b]") == 2
        session.press(b"c")
        session.type("[b]more[/b] \x1b[200~\x1b[31m[/i]\x1b[201~")
        session.wait_to_see("[b]more[/b]")
        session.wait_to_see("“[b]more[/b]")
        session.press(b"z")
        session.wait_to_see("image 1 of 2")
        session.press(b"z")
        session.wait_to_see(CHOOSING)
        session.press(b"\r")
        session.wait_to_see("turn 2 of 2")
        # half a frame was read perhaps, with the line of the turn before below
        session.settle()
        session.wait_to_see(CHOOSING)
        session.press(b"\r")
        session.wait_to_see("finished", limit=60)
        assert "owned" not in session.raw
        assert "\x1b[31m[/i]" not in session.raw
        assert "\u202e" not in session.raw
        session.press(b"\x11")
        assert session.wait() == 0


def test_a_place_that_cannot_be_written_is_one_line() -> None:
    with start("a cat", *SMALL, where=Path("/proc/pasta")) as session:
        before = session.modes
        assert session.wait() == 1
        assert_given_back(session, before)
        assert last_line(session).startswith("pasta: ")
        assert "/proc/pasta" in last_line(session)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB; only root may make one."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=False)


def fill(file: Path) -> None:
    """Write into a file until its disk is full."""
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(b"\0" * 4096):
            pass


def test_a_full_disk_is_told_and_the_session_goes_on_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with start("a cat", *SMALL, writing=0.3, where=small_disk) as session:
        session.wait_to_see("writing")
        fill(ballast)
        session.wait_to_see("no space left")
        ballast.unlink()
        session.press(b"r")
        session.wait_to_see(CHOOSING)
        session.press(b"\x11")
        assert session.wait() == 0


def test_a_locked_store_is_told_and_the_session_goes_on_when_it_is_free(data: Path) -> None:
    with start("a cat", *SMALL, writing=0.3) as session:
        session.wait_to_see("writing")
        with closing(sqlite3.connect(data / "sessions.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            session.wait_to_see("has locked")
        session.press(b"r")
        session.wait_to_see(CHOOSING)
        session.press(b"\x11")
        assert session.wait() == 0


def test_quitting_does_not_wait_for_whoever_has_locked_the_store(data: Path) -> None:
    with start("a cat", *SMALL, writing=0.1) as session:
        session.wait_to_see("writing")
        with closing(sqlite3.connect(data / "sessions.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            session.wait_to_see("has locked")
            session.press(b"r")
            session.wait_to_see("writing 25/25")
            session.settle(0.5, 1)
            begin = time.monotonic()
            session.press(b"\x11")
            assert session.wait() == 0
            assert time.monotonic() - begin < BUSY_SECONDS / 2


def test_a_star_that_waits_for_a_locked_store_holds_up_nobody_who_leaves(data: Path, tmp_path: Path) -> None:
    waits = tmp_path / "waits"
    with start("a cat", *SMALL) as session:
        session.wait_to_see(CHOOSING)
        session.press(b"\x11")
        assert session.wait() == 0
    with (
        TerminalSession([*PATIENT, str(waits), "sessions", "browse"]) as session,
        closing(sqlite3.connect(data / "sessions.sqlite3", isolation_level=None)) as other,
    ):
        session.wait_to_see("1 session")
        session.settle(0.5, 2)
        other.execute("BEGIN IMMEDIATE")
        session.press(b"s")
        end = time.monotonic() + 240
        while not waits.exists():
            assert time.monotonic() < end, session.shown
            session.settle(0.1, 0.1)
        session.press(b"\x11")
        assert session.wait(PATIENCE / 4) == 0


def test_a_store_that_is_locked_from_the_start_holds_up_no_key(data: Path) -> None:
    config = configure(
        {"worker": f"{sys.executable} -m tests.support.quick_worker 0 0"},
        {**os.environ, "PASTA_DATA_DIR": str(data)},
        Path.cwd(),
    )
    new = new_session(Request("a dog"), config, "a dog")
    beats: list[float] = []

    async def beat() -> None:
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def wait() -> None:
        heart = asyncio.create_task(beat())
        async with begun(new, config, lambda text: None):
            heart.cancel()

    Store(data).close()
    with closing(sqlite3.connect(data / "sessions.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            asyncio.run(wait())
    assert max(later - earlier for earlier, later in pairwise(beats)) < BUSY_SECONDS - 1


def test_what_nobody_expected_ends_it_with_one_line_and_an_exit_code() -> None:
    script = """
import sys
from pasta_tui.__main__ import main
from pasta_tui.screens.help import HelpScreen
def broken(self):
    secret = "what is in memory"
    raise ValueError("an [odd]\\x1b[31m help")
HelpScreen.compose = broken
sys.exit(main())
"""
    with start("a cat", *SMALL, program=(sys.executable, "-c", script)) as session:
        before = session.modes
        session.wait_to_see(CHOOSING)
        family = descendants(session.pid)
        session.press(b"?")
        assert session.wait() == 1
        assert_given_back(session, before)
        await_deaths(family)
        assert "something went wrong inside pasta (ValueError: an [odd] help)" in last_line(session)
        assert "Traceback" not in session.text
        assert "what is in memory" not in session.text


def test_a_session_that_is_open_elsewhere_is_refused() -> None:
    with start("a cat", *SMALL) as first:
        first.wait_to_see(CHOOSING)
        with start("--resume", "last") as second:
            before = second.modes
            assert second.wait() == 1
            assert_given_back(second, before)
            assert "open in another process" in last_line(second)
        first.press(b"\x11")
        assert first.wait() == 0


KEYS = (
    *(bytes([code]) for code in range(32, 127)),
    *(b"\r", b"\t", b"\x1b", b"\x7f", b"\x01", b"\x05", b"\x0b"),
    *(b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[Z", b"\x1b[5~", b"\x1b[6~", b"\x1b[3~"),
    *(b"\x1b[<0;5;5M", b"\x1b[<0;5;5m", b"\x1b[<64;40;12M", b"\x1b[<35;70;20M", b"\x1b[<0;999;999M"),
    *(b"\x1b[200~[red]\x1b[31m pasted\r\n\x1b[201~", b"\x1b[I", b"\x1b[O", b"\x1b[", b"\x1b]", b"\x1bP"),
    *("猫".encode(), b"\xff\xfe", b"\xc3", b"\x00", b"\x1b[1;5C", b"\x1b[999;999R", b"\x1b[?62;4c"),
)


def test_no_key_ends_it_but_the_one_for_that() -> None:
    draw = random.Random(7)
    with start("a cat", "--turns", "50", "--columns", "2", "--images", "2", writing=0.001) as session:
        session.wait_to_see(CHOOSING)
        for _ in range(40):
            session.press(b"".join(draw.choice(KEYS) for _ in range(draw.randint(1, 12))))
            session.settle(0.05)
        time.sleep(0.5)
        session.settle()
        session.press(b"\x11")
        assert session.wait() == 0, session.text[-2000:]
        assert "Traceback" not in session.text
