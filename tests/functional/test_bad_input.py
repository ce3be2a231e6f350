"""Bad input: one clear line that says what to do, the right exit code, and nothing lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pasta_core.paths import find_assets
from tests.support.commands import PASTA, complaint, pasta
from tests.support.terminal import TerminalSession

RATER = ("--rater", "planted:0")
OWN = ("--profile", "own", *RATER)


@pytest.fixture
def own_profile(own_directories: Path) -> Path:
    """A user's profile of copies of the shipped models; returns the folder they lie in."""
    profiles = own_directories / "config" / "pasta" / "profiles"
    profiles.mkdir(parents=True)
    shipped = find_assets()
    micro = (shipped / "profiles" / "micro.toml").read_text()
    (profiles / "own.toml").write_text(micro.replace("assets:micro", "micro"))
    shutil.copytree(shipped / "micro", profiles / "micro")
    return profiles / "micro"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("session", "", *RATER), ["prompt is empty"]),
        (("session", "  \t ", *RATER), ["prompt is empty"]),
        (("session", "\x1b[31m\x1b[0m", *RATER), ["prompt is empty"]),
        (("session", "word " * 63, *RATER), ["63 words", "at most 62"]),
        (("session", "a cat", "--profile", "mirco", *RATER), ['"mirco"', '"micro"']),
        (("session", "a cat", "--selector", "best", *RATER), ["'best'", "random", "writer"]),
        (("session", "a cat", "--rater", "planted:99"), ['"99"', "0 to 7"]),
        (("session", "a cat", "--rater", "planted:nocturn"), ["nocturne"]),
        (("session", "a cat", "--rater", "me"), ["planted:TYPE"]),
        (("session", "a cat"), ["terminal", "--rater"]),
        (("session", *RATER), ["terminal", "prompt"]),
        (("session", "--resume", "last"), ["no session yet"]),
        (("session", "--resume", "20990101-zzzz"), ["no session", "sessions list"]),
        (("session", "a cat", "--turns", "0", *RATER), ["turns is 0", "1 to 50"]),
        (("session", "a cat", "--columns", "6", *RATER), ["6 columns"]),
        (("session", "a cat", "--images", "17", *RATER), ["images is 17"]),
        (("session", "a cat", "--seed", "-1", *RATER), ["seed is -1"]),
        (("session", "a cat", "--turns", "many", *RATER), ["--turns"]),
        (("session", "a cat", "--turn", "3", *RATER), ["--turn", "--help"]),
        (("session", "a cat", "--worker", "nowhere 'x", *RATER), ["quot"]),
        (("paint", ""), ["prompt is empty"]),
        (("paint", "-"), ["stdin has no prompt"]),
        (("paint", "a cat", "--images", "0"), ["images is 0"]),
        (("paint", "a cat", "--profile", "x"), ["no profile"]),
        (("sessions", "show", "nothing"), ["no session"]),
        (("sessions", "export", "nothing"), ["no session"]),
        (("microworld", "show", "qwerty"), ["can be drawn"]),
        (("nonsense",), ["nonsense", "--help"]),
    ],
)
def test_usage_errors_are_one_line_and_2(
    arguments: tuple[str, ...], words: list[str], tmp_path: Path
) -> None:
    line = complaint(pasta(*arguments, cwd=tmp_path), 2)
    for word in words:
        assert word in line


def test_a_worker_of_another_profile_is_refused() -> None:
    worker = f"{sys.executable} -m pasta_tui worker --profile mirco"
    line = complaint(pasta("session", "a cat", *RATER, "--worker", worker), 2)
    assert "serves profile mirco" in line
    assert "--profile micro" in line


@pytest.mark.parametrize(
    ("worker", "code", "word"),
    [("/nowhere/worker", 2, "/nowhere/worker"), ("true", 1, "true"), ("echo hello", 1, "hello")],
)
def test_a_worker_that_is_none_is_one_line(worker: str, code: int, word: str) -> None:
    line = complaint(pasta("session", "a cat", *RATER, "--worker", worker), code)
    assert word in line


def test_a_wrong_key_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "pasta.toml").write_text("turn = 3\n")
    line = complaint(pasta("session", "a cat", *RATER, cwd=tmp_path), 2)
    assert f'{tmp_path / "pasta.toml"}: unknown key "turn"; did you mean "turns"?' in line


@pytest.mark.parametrize("part", ["writer/writer.gguf", "painter", "clip"])
def test_a_missing_model_is_3_and_named(part: str, own_profile: Path) -> None:
    path = own_profile / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    line = complaint(pasta("session", "a cat", *OWN), 3)
    assert str(own_profile / part) in line
    assert "is missing" in line


@pytest.mark.parametrize(
    "pattern", ["writer/writer.gguf", "painter/unet/*.safetensors", "clip/*.safetensors"]
)
def test_a_truncated_model_is_3_and_named(pattern: str, own_profile: Path) -> None:
    file = sorted(own_profile.glob(pattern))[0]
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)
    for command in (("session", "a cat", *OWN), ("paint", "a cat", "--profile", "own")):
        line = complaint(pasta(*command), 3)
        assert str(file) in line
        assert "is cut short" in line


def test_the_doctor_reports_a_truncated_model_and_ends_with_3(own_profile: Path) -> None:
    file = own_profile / "writer" / "writer.gguf"
    file.write_bytes(file.read_bytes()[:1000])
    run = pasta("doctor", "--profile", "own")
    assert run.returncode == 3
    assert "is cut short" in run.stdout
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("where", ["/sys/pasta", "/dev/null/pasta"])
def test_an_unwritable_data_directory_is_1(where: str) -> None:
    line = complaint(pasta("session", "a cat", *RATER, env={"PASTA_DATA_DIR": where}), 1)
    assert where.rsplit("/", 1)[0] in line


def test_a_locked_database_is_1_after_five_seconds(own_directories: Path) -> None:
    assert pasta("sessions", "list").returncode == 0
    (database,) = (own_directories / "data").rglob("*.sqlite3")
    holder = sqlite3.connect(database, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        line = complaint(pasta("session", "a cat", *RATER), 1)
    finally:
        holder.close()
    assert "locked" in line


def test_a_damaged_store_is_1(own_directories: Path) -> None:
    assert pasta("sessions", "list").returncode == 0
    (database,) = (own_directories / "data").rglob("*.sqlite3")
    for file in database.parent.glob(f"{database.name}*"):
        file.write_bytes(b"not a database" * 1000)
    complaint(pasta("sessions", "list"), 1)


def test_nobody_reading_the_output_ends_quietly_with_1() -> None:
    show = subprocess.Popen(
        [*PASTA, "microworld", "show", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert show.stdout is not None
    show.stdout.close()
    assert show.stderr is not None
    assert show.stderr.read() == ""
    assert show.wait(60) == 1


def test_a_full_disk_on_stdout_is_1() -> None:
    with Path("/dev/full").open("w") as full:
        show = subprocess.run(
            [*PASTA, "microworld", "show", "a cat"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert show.returncode == 1
    assert len(show.stderr.splitlines()) == 1
    assert "disk is full" in show.stderr


def test_ctrl_c_and_ctrl_d_at_the_first_question() -> None:
    for key, code in ((b"\x03", 130), (b"\x04", 2)):
        with TerminalSession([*PASTA, "session", "--plain"], {"TERM": "xterm"}) as terminal:
            terminal.wait_for("What do you want to see? ")
            terminal.press(key)
            assert terminal.wait() == code
            assert "Traceback" not in terminal.text
