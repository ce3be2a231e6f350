"""Five layers of settings, and complaints that name file, key and neighbour."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pasta_core.configuration import Configuration, configure
from pasta_core.errors import InvalidInput
from pasta_tui.plain.request import Request, new_session

PROFILE = """
description = "for tests"
[writer]
model = "writer.gguf"
template = "assets:templates/micro-writer.txt"
[painter]
model = "painter"
[clip]
model = "clip"
[session]
turns = 9
columns = 2
images = 6
"""


@pytest.fixture
def config_dir(own_directories: Path) -> Path:
    folder = own_directories / "config" / "pasta"
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "mine.toml").write_text(PROFILE)
    return folder


def configured(cwd: Path, flags: dict[str, object] | None = None, **env: str) -> Configuration:
    return configure(flags or {}, {**os.environ, **env}, cwd)


def test_each_layer_beats_the_one_below_it(config_dir: Path, tmp_path: Path) -> None:
    (config_dir / "pasta.toml").write_text('profile = "mine"\ncolumns = 3\nturns = 8\n')
    assert configured(tmp_path).session.turns == 8
    (tmp_path / "pasta.toml").write_text("turns = 7\n")
    assert configured(tmp_path).session.turns == 7
    assert configured(tmp_path, PASTA_TURNS="6").session.turns == 6
    top = configured(tmp_path, {"turns": 5, "columns": None}, PASTA_TURNS="6")
    assert (top.session.turns, top.session.columns, top.session.images) == (5, 3, 6)
    assert top.profile.name == "mine"
    assert top.sources["turns"] == "flag"
    assert top.sources["columns"] == str(config_dir / "pasta.toml")


def test_defaults_are_the_papers_and_the_shipped_profile(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert (config.profile.name, config.selector, config.worker) == ("micro", "taste+value", "")
    session = config.session
    assert (session.turns, session.columns, session.images, session.form.total) == (5, 4, 4, 25)


def test_the_taste_alone_selects_where_the_profile_has_no_value_model(
    config_dir: Path, tmp_path: Path
) -> None:
    assert configured(tmp_path, {"profile": "mine"}).selector == "taste"
    assert configured(tmp_path, {"profile": "mine"}, PASTA_SELECTOR="writer").selector == "writer"


def test_a_study_is_of_a_baseline_unless_a_selector_is_named(config_dir: Path, tmp_path: Path) -> None:
    cases: tuple[tuple[bool, dict[str, object], str], ...] = (
        (False, {}, "taste:0.25+value"),
        (True, {}, "random"),
        (True, {"selector": "value"}, "value"),
        (True, {"selector": "writer"}, "writer"),
    )
    for study, given, selector in cases:
        request = Request("a cat", study=study)
        assert new_session(request, configured(tmp_path, given), "a cat").selector == selector
    (tmp_path / "pasta.toml").write_text('selector = "value"\n')
    assert new_session(Request("a cat", study=True), configured(tmp_path), "a cat").selector == "value"


def test_without_a_taste_the_best_selector_that_needs_none_selects(config_dir: Path, tmp_path: Path) -> None:
    def selector(study: bool = False, **flags: object) -> str:
        request = Request("a cat", no_taste=True, study=study)
        return new_session(request, configured(tmp_path, flags), "a cat").selector

    assert selector() == "value"
    assert selector(profile="mine") == "random"
    assert selector(selector="taste") == "taste:0.25", "it learns from the session's own picks"
    assert selector(study=True) == "random"


def test_paths_start_at_the_profile_and_shipped_ones_at_the_assets(config_dir: Path, tmp_path: Path) -> None:
    config = configured(tmp_path, {"profile": "mine"})
    assert config.profile.writer.model == config_dir / "profiles" / "writer.gguf"
    assert config.profile.writer.template == config.paths.assets / "templates" / "micro-writer.txt"


def test_a_data_directory_in_a_project_file_starts_at_that_file(tmp_path: Path) -> None:
    (tmp_path / "pasta.toml").write_text('data_dir = "here"\n')
    assert configured(tmp_path).paths.data == tmp_path / "here"
    assert configured(tmp_path, PASTA_DATA_DIR="/elsewhere").paths.data == Path("/elsewhere")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("turn = 3", ['unknown key "turn"', 'did you mean "turns"?']),
        ('turns = "many"', ["turns is 'many'", "a whole number"]),
        ("turns = 2.5", ["turns is 2.5", "a whole number"]),
        ("turns = true", ["turns is True", "a whole number"]),
        ("turns = 99", ["turns is 99", "from 1 to 50"]),
        ("profile = 3", ["profile is 3", "text"]),
        ("turns = = 3", ["not valid TOML", "line 1"]),
        ("columns = 6", ["6 columns need as many categories"]),
    ],
)
def test_a_wrong_line_names_file_key_and_remedy(text: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "pasta.toml").write_text(text)
    with pytest.raises(InvalidInput) as raised:
        configured(tmp_path)
    said = f"{raised.value.message}; {raised.value.hint}"
    assert str(tmp_path / "pasta.toml") in said
    for word in words:
        assert word in said


def test_a_wrong_key_in_a_profile_names_the_profile(config_dir: Path, tmp_path: Path) -> None:
    file = config_dir / "profiles" / "mine.toml"
    file.write_text(PROFILE.replace("[painter]", "[painter]\nstep = 4"))
    with pytest.raises(InvalidInput, match="step") as raised:
        configured(tmp_path, {"profile": "mine"})
    assert str(file) in raised.value.message
    assert raised.value.hint == 'did you mean "steps"?'


def test_an_environment_value_is_named_as_it_is_spelled_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="PASTA_TURNS is 'x'"):
        configured(tmp_path, PASTA_TURNS="x")


def test_an_unknown_profile_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as raised:
        configured(tmp_path, {"profile": "mirco"})
    assert raised.value.hint == 'did you mean "micro"?'
