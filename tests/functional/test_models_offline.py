"""`pasta models pull --dry-run` where the hub cannot be reached: what is known without it, and no success."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import complaint, pasta
from tests.support.hub_server import COMMIT

NOWHERE = "http://127.0.0.1:9"
HERE = "0" * 40
PROFILE = f"""
extends = "micro"
[writer]
model = {{ hub = "somebody/writer", revision = "{COMMIT}", file = "w.gguf", bytes = 2_500_000_000 }}
[painter]
vae = {{ hub = "somebody/vae", revision = "{COMMIT}", files = ["a.json", "b.json"], bytes = 300_000 }}
preview = {{ hub = "somebody/preview", revision = "{COMMIT}", file = "config.json", bytes = 9_800_000 }}
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config" / "profiles").mkdir(parents=True)
    (tmp_path / "config" / "profiles" / "mine.toml").write_text(PROFILE)
    here = tmp_path / "cache" / "models--somebody--preview" / "snapshots" / COMMIT
    here.mkdir(parents=True)
    (here / "config.json").write_text("{}")
    half = tmp_path / "cache" / "models--somebody--vae" / "blobs"
    half.mkdir(parents=True)
    (half / f"{HERE}.pasta.incomplete").write_bytes(bytes(100_000))
    return {
        "HF_ENDPOINT": NOWHERE,
        "PASTA_CONFIG_DIR": str(tmp_path / "config"),
        "PASTA_MODELS_DIR": str(tmp_path / "cache"),
    }


def test_what_the_profile_knows_is_said_without_a_network(env: dict[str, str]) -> None:
    run = pasta("models", "pull", "mine", "--dry-run", env=env)
    assert run.returncode == 3, run.stderr
    writer, vae, preview, total = run.stdout.splitlines()
    assert writer.split("somebody")[0].split() == ["2.5", "GB", "2.5", "GB", "to", "fetch"]
    assert vae.split("somebody")[0].split() == ["300.0", "kB", "200.0", "kB", "to", "fetch"]
    assert preview.split("somebody")[0].split() == ["2", "B", "is", "here"]
    assert total.startswith("about 2.5 GB to fetch into ")
    (line,) = run.stderr.splitlines()
    assert f"{NOWHERE} cannot be reached" in line and "exact ones need the network" in line
    assert "kept" not in line


def test_a_size_that_nobody_knows_is_said_to_be_unknown(env: dict[str, str], tmp_path: Path) -> None:
    profile = tmp_path / "config" / "profiles" / "mine.toml"
    profile.write_text(PROFILE.replace(", bytes = 300_000", ""))
    run = pasta("models", "pull", "mine", "--dry-run", "--json", env={**env, "HF_HUB_OFFLINE": "1"})
    assert run.returncode == 3 and "HF_HUB_OFFLINE is set" in run.stderr
    report = json.loads(run.stdout)
    assert [
        (row["bytes"], row["missing_bytes"], row["complete"], row["exact"]) for row in report["parts"]
    ] == [
        (2_500_000_000, 2_500_000_000, False, False),
        (None, None, False, False),
        (2, 0, True, True),
    ]
    assert report["missing_bytes"] == 2_500_000_000 and report["pulled"] is False
    people = pasta("models", "pull", "mine", "--dry-run", env=env).stdout.splitlines()
    assert people[1].startswith("unknown   to fetch")
    assert people[-1].startswith("at least 2.5 GB to fetch")


def test_a_pull_without_a_network_says_nothing_but_that(env: dict[str, str]) -> None:
    run = pasta("models", "pull", "mine", env=env)
    assert (run.returncode, run.stdout) == (3, "")
    assert "what has arrived is kept" in run.stderr


def test_a_list_counts_what_is_missing(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config" / "profiles" / "one.toml").write_text(
        f'extends = "micro"\n[painter]\nvae = {{ hub = "some/vae", revision = "{COMMIT}", file = "a.json" }}'
    )
    (tmp_path / "config" / "profiles" / "mixed.toml").write_text('extends = "mine"\nuser_model = "nowhere"\n')
    listed = {row["name"]: row for row in json.loads(pasta("profiles", "list", "--json", env=env).stdout)}
    assert listed["mine"]["problem"] == (
        "2 of its models are not on this machine; get them with 'pasta models pull mine'"
    )
    assert listed["one"]["problem"] == "vae is not on this machine; get it with 'pasta models pull one'"
    assert listed["mixed"]["problem"].endswith("(2 more: 'pasta profiles check mixed')")


def test_a_list_keeps_long_names_apart_from_what_they_are(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config" / "profiles" / "juggernaut-at-home.toml").write_text('extends = "micro"\n')
    lines = pasta("profiles", "list", env=env).stdout.splitlines()
    (own,) = [line for line in lines if line.startswith("juggernaut-at-home  any CPU")]
    (shipped,) = [line for line in lines if line.startswith("micro ")]
    assert own.index("any CPU") == shipped.index("small trained")


def test_only_what_is_here_is_asked_about(env: dict[str, str], tmp_path: Path) -> None:
    assert 'no profile "nope"' in complaint(pasta("models", "remove", "nope", env=env), 2)
    run = pasta("models", "remove", "mine.writer", env=env)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "nothing of mine.writer is here\n")
    run = pasta("models", "remove", "mine.writer", "--yes", "--json", env=env)
    assert (run.returncode, json.loads(run.stdout)) == (0, {"removed": [], "kept": []})
    assert "asks first" in complaint(pasta("models", "remove", "mine", env=env), 2)
    # the half file of one source and the whole of another, and no word of what was never here
    run = pasta("models", "remove", "mine", "--yes", "--json", env=env)
    sizes = {row["source"].partition("@")[0]: row["bytes"] for row in json.loads(run.stdout)["removed"]}
    assert sizes == {"somebody/vae": 100_000, "somebody/preview": 2}
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_what_another_profile_needs_is_not_asked_about(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config" / "profiles" / "other.toml").write_text('extends = "mine"\n')
    run = pasta("models", "remove", "mine", env=env)
    assert (run.returncode, run.stdout) == (0, "")
    *notes, last = run.stderr.splitlines()
    assert [note.partition("@")[0] for note in notes] == ["note: somebody/vae", "note: somebody/preview"]
    assert last == "nothing was removed"
