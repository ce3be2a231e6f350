"""What a profile says of a writer that is a server, and of one with eyes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.engines.fingerprints import profile_digest
from pasta_core.errors import InvalidInput
from pasta_core.models import parts
from pasta_core.paths import Paths, find_assets, locate
from pasta_core.profiles import load_profile
from pasta_core.settings import Profile


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "profiles").mkdir()
    return replace(locate({}), assets=find_assets(), config=tmp_path)


def written(paths: Paths, writer: str, name: str = "mine", extends: str = "micro") -> None:
    text = f'extends = "{extends}"\n[writer]\n{writer}\n'
    (paths.config / "profiles" / f"{name}.toml").write_text(text)


def _elsewhere(profile: Profile) -> Profile:
    """The profile where its other files are on another machine, and so are not read."""
    absent = Path("/nowhere")
    return replace(
        profile,
        writer=replace(profile.writer, template=absent),
        painter=replace(profile.painter, model=absent),
        clip=replace(profile.clip, model=absent),
        captions=absent,
    )


def test_a_server_writes_instead_of_a_file(paths: Paths) -> None:
    written(paths, 'url = "http://gpubox:8080/v1"')
    mine = load_profile("mine", paths)
    assert mine.writer.served == "" and not mine.writer.sees
    assert "writer" not in {part.role for part in parts(mine)}
    written(paths, 'model = "Qwen/Qwen3-4B"\nimages = true', "named", "mine")
    named = load_profile("named", paths)
    assert named.writer.served == "Qwen/Qwen3-4B" and named.writer.sees
    assert named.writer.url == "http://gpubox:8080/v1"
    written(paths, "timeout = 5", "later", "named")
    assert load_profile("later", paths).writer.served == "Qwen/Qwen3-4B"
    elsewhere = [_elsewhere(load_profile(name, paths)) for name in ("micro", "mine", "named", "later")]
    assert len(set(map(profile_digest, elsewhere[:3]))) == 3
    assert profile_digest(elsewhere[2]) == profile_digest(elsewhere[3])


def test_without_a_server_it_needs_a_file_again(paths: Paths) -> None:
    written(paths, 'url = "http://gpubox:8080"')
    written(paths, 'url = ""', "own", "mine")
    with pytest.raises(InvalidInput, match='lacks "model"'):
        load_profile("own", paths)
    written(paths, 'url = ""\nmodel = "/w.gguf"\nmmproj = "/eyes.gguf"', "own", "mine")
    own = load_profile("own", paths)
    assert own.writer.model == Path("/w.gguf") and own.writer.sees
    assert {part.role for part in parts(own)} >= {"writer", "mmproj"}


@pytest.mark.parametrize(
    "url", ["gpubox:8080", "http://", "ftp://gpubox", "http://gpubox:99999", "http://[x"]
)
def test_what_is_no_address_is_refused(paths: Paths, url: str) -> None:
    written(paths, f'url = "{url}"')
    with pytest.raises(InvalidInput, match="url is") as caught:
        load_profile("mine", paths)
    assert "http://HOST:PORT" in caught.value.hint
