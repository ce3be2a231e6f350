"""`pasta plan` and the doctor's line of it, and what a session says of a selector that nobody asked for."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.configuration import configure
from pasta_core.errors import InvalidInput
from pasta_core.planning.machine import find_machine
from pasta_core.planning.measured import Measurements, profile_key
from pasta_tui.cli.app import run
from pasta_tui.plain.request import Request, new_session, selector_note


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    assert run(["plan", *arguments]) == 0
    said = capsys.readouterr()
    return said.out, said.err


def test_a_plan_of_another_machine_says_what_it_assumes(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = planned(capsys, "--profile", "sdxl", "--memory", "12")
    lines = out.splitlines()
    assert lines[0].startswith("profile sdxl on a GPU of 12 GB (11.5 GiB of 12.0 GiB free, imagined)")
    assert [line[50:62] for line in lines if line.startswith("writer")] == ["GPU in turns"]
    assert "~4.8 GiB" in out and "its file is not here yet, or unreadable" in err
    assert "estimated (data sheet of RTX 3060)" in out
    assert "take turns on the GPU" in lines[-2]


def test_a_plan_leaves_a_gpu_that_is_too_small_where_the_cpu_takes_minutes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = planned(capsys, "--profile", "micro", "--memory", "1")
    first, second = out.splitlines()[-2:]
    assert first.startswith("micro fits the CPU (")
    assert second.startswith("planned without a GPU: a GPU of 1 GB has 0.5 GiB free, and 0.6 GiB are needed")
    assert "does not fit a GPU of 1 GB" in planned(capsys, "--profile", "sdxl", "--memory", "1")[0]
    # who asked for a way to share it is told that there is none
    monkeypatch.setenv("PASTA_MEMORY", "swap")
    assert "does not fit a GPU of 1 GB" in planned(capsys, "--profile", "micro", "--memory", "1")[0]


def test_what_was_measured_stands_beside_what_was_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    config = configure({}, os.environ, Path.cwd())
    kept, key = (
        Measurements(config.paths.cache),
        (find_machine().key, profile_key(config.profile, "resident")),
    )
    before, _ = planned(capsys)
    assert "estimated (" in before
    kept.note_peak(*key, "worker", 3 << 30)
    for what, seconds in (("write", 0.02), ("value", 0.3), ("paint", 0.05)):
        kept.note_seconds(*key, what, seconds)
    out, _ = planned(capsys)
    (row,) = [line for line in out.splitlines() if line.startswith("painter, CLIP")]
    assert row.endswith("3.0 GiB")
    assert "measured here" in out and "estimated" not in out
    document = json.loads(planned(capsys, "--json")[0])
    assert document["turn"]["measured"]
    assert document["turn"]["seconds"] == pytest.approx(25 * 0.02 + 0.3 + 16 * 0.05)
    assert document["processes"][0]["measured_bytes"] == 3 << 30


def test_what_a_compiled_painter_took_is_found_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure({}, os.environ, Path.cwd())
    # as the worker compiles it that a session starts with --compile
    compiled = replace(config.profile, painter=replace(config.profile.painter, compile=True))
    kept = Measurements(config.paths.cache)
    kept.note_peak(find_machine().key, profile_key(compiled, "resident"), "worker", 3 << 30)
    for setting, expected in (("", None), ("true", 3 << 30)):
        monkeypatch.setenv("PASTA_COMPILE", setting)
        document = json.loads(planned(capsys, "--json")[0])
        assert document["processes"][0]["measured_bytes"] == expected


def test_the_document_has_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(planned(capsys, "--json", "--memory", "0", "--profile", "turbo")[0])
    assert set(document) == {
        *("profile", "machine", "memory", "parts", "peak", "processes", "turn", "verdict")
    }
    assert document["machine"]["imagined"] and document["machine"]["gpu_bytes"] == 0
    assert document["peak"]["painting_bytes"] <= document["peak"]["room_bytes"]
    assert {part["lives"] for part in document["parts"]} == {"CPU"}
    assert not any(part["known"] for part in document["parts"] if part["part"] == "writer")


def test_how_memory_is_shared_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_directories: Path
) -> None:
    monkeypatch.setenv("PASTA_MEMORY", "cpu")
    document = json.loads(planned(capsys, "--json", "--memory", "24", "--profile", "sdxl")[0])
    assert document["memory"]["asked"] == document["memory"]["mode"] == "cpu"
    monkeypatch.setenv("PASTA_MEMORY", "some")
    with pytest.raises(InvalidInput, match="memory is 'some'"):
        run(["plan"])
    monkeypatch.delenv("PASTA_MEMORY")
    profiles = own_directories / "config" / "pasta" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "mine.toml").write_text('extends = "sdxl"\nmemory = "swap"\n')
    document = json.loads(planned(capsys, "--json", "--memory", "24", "--profile", "mine")[0])
    assert document["memory"]["mode"] == "swap"
    (profiles / "mine.toml").write_text('extends = "sdxl"\nmemory = "often"\n')
    with pytest.raises(InvalidInput, match="memory is 'often'"):
        run(["plan", "--profile", "mine"])


def test_a_profile_without_a_value_model_says_so(own_directories: Path) -> None:
    def said(flags: dict[str, object], study: bool = False) -> str:
        config = configure(flags, os.environ, Path.cwd())
        return selector_note(config, new_session(Request("a cat", study=study), config, "a cat"))

    assert said({"profile": "sdxl"}) == "profile sdxl has no value model: your picks alone say what is shown"
    for quiet in ({"profile": "micro"}, {"profile": "sdxl", "selector": "random"}):
        assert said(quiet) == ""
    assert said({"profile": "sdxl"}, study=True) == ""


def test_the_doctor_says_whether_the_profile_fits(capsys: pytest.CaptureFixture[str]) -> None:
    run(["doctor"])
    said = capsys.readouterr().out.splitlines()
    (line,) = [line for line in said if line.startswith("plan")]
    assert "micro fits" in line and " of " in line
    run(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["plan"] == [line.removeprefix("plan").strip()]
