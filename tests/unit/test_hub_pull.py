"""Pulling from a hub: what arrives is whole and checked, what is stopped goes on, refusals are named."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pasta_core.errors import ExitCode, InvalidInput, ModelUnavailable
from pasta_core.hub import pull as pulling
from pasta_core.hub.cache import folder_of, local_path
from pasta_core.hub.keeping import LISTING, partial_bytes, remove, verify
from pasta_core.hub.pull import PARTIAL, TRIES, Pull, pull
from pasta_core.hub.remote import Remote
from pasta_core.models import Part, inspect_part
from pasta_core.settings import HubSource, ModelSource
from pasta_tui.plain.weights import Weights, _amends, _checked
from tests.support.hub_server import COMMIT, Hub, serving

LARGE = np.random.default_rng(0).bytes(300_000)
SMALL = b'{"small": true}'
REPO = "somebody/painter"


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {"unet/model.safetensors": LARGE, "config.json": SMALL, "other.bin": b"x" * 500}
    with serving(Hub({REPO: files, "somebody/empty": {}})) as hub:
        yield hub


def source(*files: str, revision: str = COMMIT, single: bool = False, repo: str = REPO) -> HubSource:
    return HubSource(repo, revision, files or ("unet/*", "config.json"), single)


def fetch(hub: Hub, root: Path, wanted: HubSource | None = None) -> tuple[Pull, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    one = Pull(Remote.ask(wanted or source(), hub.endpoint), root)
    pull([one], lambda done, total: seen.append((done, total)), sleep=lambda seconds: None)
    return one, seen


def test_what_is_wanted_arrives_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    one, seen = fetch(hub, tmp_path)
    folder = local_path(source(), [tmp_path])
    assert folder == one.snapshot
    assert (folder / "unet" / "model.safetensors").read_bytes() == LARGE
    assert (folder / "config.json").read_bytes() == SMALL
    assert not (folder / "other.bin").exists()
    assert not list(tmp_path.rglob(f"*{PARTIAL}"))
    assert seen[0] == (0, len(LARGE) + len(SMALL))
    assert seen[-1] == (len(LARGE) + len(SMALL),) * 2
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(seen))


def test_the_cache_is_that_of_hugging_faces_own_library(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import try_to_load_from_cache

    fetch(hub, tmp_path, source(revision="main"))
    found = try_to_load_from_cache(REPO, "config.json", cache_dir=tmp_path)
    assert isinstance(found, str) and Path(found).read_bytes() == SMALL
    blobs = {file.name for file in (tmp_path / "models--somebody--painter" / "blobs").iterdir()}
    assert hashlib.sha256(LARGE).hexdigest() in blobs


def test_a_second_pull_fetches_nothing(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    hub.requests.clear()
    fetch(hub, tmp_path)
    assert [path for path, _ in hub.requests if "/resolve/" in path] == []


def test_one_file_is_a_part_of_its_own(hub: Hub, tmp_path: Path) -> None:
    one = source("unet/model.safetensors", single=True)
    assert not local_path(one, [tmp_path]).exists()
    fetch(hub, tmp_path, one)
    path = local_path(one, [tmp_path])
    assert path.read_bytes() == LARGE
    assert folder_of(one, path) == path.parent.parent


def test_the_cache_that_has_all_of_it_is_taken(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "b", source(revision="main"))
    (tmp_path / "a" / "models--somebody--painter" / "snapshots" / COMMIT).mkdir(parents=True)
    both = [tmp_path / "a", tmp_path / "b"]
    assert local_path(source("config.json", revision="main"), both).is_relative_to(tmp_path / "b")
    assert local_path(source("config.json", revision="dev"), both).is_relative_to(tmp_path / "a")


def test_a_connection_that_breaks_is_made_again_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [100_000, 1, 50_000]
    one, seen = fetch(hub, tmp_path)
    assert (one.snapshot / "unet" / "model.safetensors").read_bytes() == LARGE
    ranges = [given for path, given in hub.requests if path.endswith("model.safetensors")]
    assert ranges[0] is None and len(ranges) == 4
    assert seen[-1] == (len(LARGE) + len(SMALL),) * 2


@pytest.mark.parametrize("arrived", [100_000, 250_000])
def test_a_hub_without_ranges_begins_again(hub: Hub, tmp_path: Path, arrived: int) -> None:
    hub.break_after, hub.ranges = [arrived], False
    one, seen = fetch(hub, tmp_path)
    assert (one.snapshot / "unet" / "model.safetensors").read_bytes() == LARGE
    assert seen[-1] == (len(LARGE) + len(SMALL),) * 2


def test_a_hub_that_never_gets_further_is_given_up(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.ranges = [100_000] * 50, False
    with pytest.raises(ModelUnavailable):
        fetch(hub, tmp_path)
    assert len([path for path, _ in hub.requests if path.endswith("model.safetensors")]) == TRIES


def test_what_has_arrived_without_its_name_is_pulled_again(hub: Hub, tmp_path: Path) -> None:
    wanted = source(revision="main")
    one, _ = fetch(hub, tmp_path, wanted)
    assert one.is_whole()
    shutil.rmtree(one.folder / "snapshots")
    assert one.arrived() == one.size and not one.is_whole()
    hub.requests.clear()
    fetch(hub, tmp_path, wanted)
    assert one.is_whole() and not [path for path, _ in hub.requests if "/resolve/" in path]
    (one.folder / "refs" / "main").unlink()
    assert not one.is_whole()
    fetch(hub, tmp_path, wanted)
    assert local_path(wanted, [tmp_path]) == one.snapshot


def test_half_a_pull_of_a_pattern_is_no_whole_one(hub: Hub, tmp_path: Path) -> None:
    hub.files[REPO] = {"unet/a.txt": LARGE, "unet/b.txt": LARGE[::-1]}
    whole = source("unet/*")
    hub.break_after = [len(LARGE)] + [0] * 20
    with pytest.raises(ModelUnavailable):
        fetch(hub, tmp_path, whole)
    folder = local_path(whole, [tmp_path])
    (found,) = inspect_part(Part("clip", folder, ModelSource("", whole)))
    assert found.problem == "lacks unet/b.txt"
    problems = {check.name: check.problem for check in verify(whole, folder)}
    assert problems == {"unet/a.txt": "", "unet/b.txt": "is missing"}


def test_without_a_list_of_its_files_nothing_says_that_a_pattern_is_whole(hub: Hub, tmp_path: Path) -> None:
    one, _ = fetch(hub, tmp_path)
    shutil.rmtree(one.folder / "pasta")
    assert [check.name for check in verify(source(), one.snapshot) if check.problem] == [LISTING]
    assert not one.is_whole()
    fetch(hub, tmp_path)
    assert not [check for check in verify(source(), one.snapshot) if check.problem]


def test_a_disk_without_links_is_verified_and_freed(hub: Hub, tmp_path: Path) -> None:
    one, _ = fetch(hub, tmp_path)
    for file in list(one.snapshot.rglob("*")):
        if file.is_symlink():
            file.resolve().replace(file)
    assert not [check for check in verify(source(), one.snapshot) if check.problem]
    (one.snapshot / "config.json").write_bytes(SMALL.upper())
    assert [check.name for check in verify(source(), one.snapshot) if check.problem] == ["config.json"]
    assert remove(source(), tmp_path) == len(LARGE) + len(SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_hub_that_goes_away_keeps_what_has_arrived(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [65_536] + [0] * 20
    with pytest.raises(ModelUnavailable) as raised:
        fetch(hub, tmp_path)
    assert raised.value.exit_code is ExitCode.MODEL
    assert partial_bytes(source(), tmp_path) == 65_536
    assert not local_path(source("unet/model.safetensors"), [tmp_path]).joinpath("unet").exists()
    hub.break_after.clear()
    hub.requests.clear()
    _, seen = fetch(hub, tmp_path)
    assert ("/somebody/painter/resolve/" + COMMIT + "/unet/model.safetensors", "bytes=65536-") in hub.requests
    assert seen[0][0] >= 65_536
    assert partial_bytes(source(), tmp_path) == 0


def test_what_arrives_damaged_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.damage = True
    with pytest.raises(ModelUnavailable, match="arrived damaged"):
        fetch(hub, tmp_path)
    assert not [file for file in tmp_path.rglob("blobs/*") if file.is_file()]
    assert not list(tmp_path.rglob("snapshots/*"))
    hub.damage = False
    fetch(hub, tmp_path)


def test_half_a_file_of_other_bytes_is_noticed(hub: Hub, tmp_path: Path) -> None:
    one = Pull(Remote.ask(source(), hub.endpoint), tmp_path)
    large = next(file for file in one.remote.files if file.size == len(LARGE))
    one.part(large).parent.mkdir(parents=True)
    one.part(large).write_bytes(b"x" * 1000)
    with pytest.raises(ModelUnavailable, match="arrived damaged"):
        fetch(hub, tmp_path)
    fetch(hub, tmp_path)


def test_a_disk_without_room_is_said_before_anything_is_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "free_bytes", lambda root: 1000)
    with pytest.raises(ModelUnavailable, match="GB free"):
        fetch(hub, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_no_half_file(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> Iterator[bytes]:
        yield LARGE[:1000]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pulling, "_chunks", full)
    with pytest.raises(ModelUnavailable, match="is full") as raised:
        fetch(hub, tmp_path)
    assert raised.value.exit_code is ExitCode.MODEL
    assert not list(tmp_path.rglob(f"*{PARTIAL}"))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (source(repo="somebody/nobody"), "has no model somebody/nobody"),
        (source(revision="v9"), "has no revision v9"),
        (source("unet/nothing.safetensors"), "has no file unet/nothing"),
        (source(repo="somebody/gated"), "accept its licence"),
        (HubSource("somebody/empty", COMMIT), "has no file at all"),
    ],
)
def test_what_a_hub_does_not_have_is_named(hub: Hub, wanted: HubSource, said: str) -> None:
    hub.gated.add("somebody/gated")
    with pytest.raises(ModelUnavailable, match=said) as raised:
        Remote.ask(wanted, hub.endpoint)
    assert raised.value.exit_code is ExitCode.MODEL
    assert raised.value.hint


def test_a_hub_cannot_write_elsewhere_or_for_ever(hub: Hub, tmp_path: Path) -> None:
    hub.files[REPO]["../outside.json"] = SMALL
    with pytest.raises(ModelUnavailable, match="outside itself"):
        Remote.ask(HubSource(REPO, COMMIT), hub.endpoint)
    one = Pull(Remote.ask(source(), hub.endpoint), tmp_path)
    hub.files[REPO]["unet/model.safetensors"] = LARGE + LARGE
    with pytest.raises(ModelUnavailable, match="larger than its hub says"):
        pull([one], lambda done, total: None)
    assert partial_bytes(source(), tmp_path) == 0


@pytest.mark.parametrize("answer", [b"<!DOCTYPE html>", b"{}", b"[]", b'{"id": "a/b", "siblings": [{}]}'])
def test_what_is_no_hub_is_named(hub: Hub, answer: bytes) -> None:
    hub.answer = answer
    with pytest.raises(ModelUnavailable, match="makes no sense") as raised:
        Remote.ask(source(), hub.endpoint)
    assert hub.endpoint in raised.value.message


def test_an_address_where_nobody_answers_is_named() -> None:
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        Remote.ask(source(), "http://127.0.0.1:9")


def test_an_impossible_id_is_named(hub: Hub) -> None:
    with pytest.raises(InvalidInput, match="no id of a model"):
        Remote.ask(source(repo="a/b/c"), hub.endpoint)


def test_every_changed_byte_is_noticed_without_a_network(hub: Hub, tmp_path: Path) -> None:
    one, _ = fetch(hub, tmp_path)
    assert {check.name: check.problem for check in verify(source(), one.snapshot)} == {
        "config.json": "",
        "unet/model.safetensors": "",
    }
    weights = (one.snapshot / "unet" / "model.safetensors").resolve()
    weights.write_bytes(LARGE[:-1] + b"\0")
    (one.snapshot / "config.json").resolve().unlink()
    problems = {check.name: check.problem for check in verify(source(), one.snapshot)}
    assert problems == {"config.json": "is missing", "unet/model.safetensors": "is damaged"}


def test_a_file_has_one_row_whether_its_bytes_or_its_kind_are_wrong(hub: Hub, tmp_path: Path) -> None:
    one, _ = fetch(hub, tmp_path)
    part = Part("clip", one.snapshot, ModelSource("", source()))
    weights = Weights(part, source(), ("mine.clip",))

    def rows() -> list[tuple[str, str, str]]:
        found = [(check, _amends(weights, check, arrived)) for check, arrived in _checked(weights)]
        return [(check.name, check.problem, hint if check.problem else "") for check, hint in found]

    # random bytes are no model, and would be none if they came again
    another = "name another in the profile ('pasta profiles check' says which part it is)"
    kind = ("unet/model.safetensors", "is cut short", another)
    assert rows() == [("config.json", "", ""), kind]
    (one.snapshot / "unet" / "model.safetensors").resolve().write_bytes(LARGE[:-1])
    again = "'pasta models remove mine.clip' and pull it again"
    assert rows() == [("config.json", "", ""), ("unet/model.safetensors", "is damaged", again)]
    (one.snapshot / "config.json").resolve().unlink()
    assert rows()[0] == ("config.json", "is missing", "get it with 'pasta models pull mine'")


def test_removing_takes_what_nobody_else_needs(hub: Hub, tmp_path: Path) -> None:
    config = source("config.json", revision="main")
    fetch(hub, tmp_path)
    fetch(hub, tmp_path, config)
    freed = remove(source(), tmp_path, [config])
    assert freed == len(LARGE)
    assert (local_path(config, [tmp_path]) / "config.json").read_bytes() == SMALL
    assert remove(config, tmp_path) == len(SMALL)
    assert list(tmp_path.iterdir()) == []
    assert remove(config, tmp_path) == 0


def test_removing_leaves_the_half_files_of_others(hub: Hub, tmp_path: Path) -> None:
    other, every = source("other.bin"), HubSource(REPO, COMMIT)
    one, _ = fetch(hub, tmp_path)
    half = {file.name: one.part(file) for file in one.remote.listing}
    for part in half.values():
        part.write_bytes(b"x" * 10)
    assert partial_bytes(other, tmp_path) == 10
    with half["config.json"].open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert remove(source(), tmp_path) == len(LARGE) + len(SMALL) + 10
    assert [name for name, part in half.items() if part.exists()] == ["config.json", "other.bin"]
    assert remove(source(), tmp_path, [every]) == 0
    assert remove(every, tmp_path) == 20
    assert list(tmp_path.iterdir()) == []


def test_a_branch_that_names_no_commit_is_removed(hub: Hub, tmp_path: Path) -> None:
    main = source(revision="main")
    for nonsense in (b"\xff\xfe", b"../../elsewhere"):
        one, _ = fetch(hub, tmp_path, main)
        (one.folder / "refs" / "main").write_bytes(nonsense)
        assert not one.is_whole()
        assert remove(main, tmp_path) == 0
        assert not (one.folder / "refs").exists()


@pytest.mark.parametrize("hub_source", [None, source(revision="x" * 300)])
def test_a_place_that_cannot_be_looked_at_is_named(tmp_path: Path, hub_source: HubSource | None) -> None:
    (tmp_path / "models--somebody--painter" / "snapshots").mkdir(parents=True)
    path = local_path(source(revision="x" * 300), [tmp_path])
    (found,) = inspect_part(Part("user", path, ModelSource("", hub_source)))
    assert found.problem.startswith("cannot be read (")
