"""A profile's own value model that was trained for another one: used, as somebody named it, and told of."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pasta_core.agent.value_model_document import CONFIG, FORMAT, VERSION
from pasta_core.configuration import configure
from pasta_tui.plain.request import Request, new_session, selector_note


def test_a_profiles_own_value_model_of_another_profile_is_told_of(
    own_directories: Path, tmp_path: Path
) -> None:
    profiles = own_directories / "config" / "pasta" / "profiles"
    profiles.mkdir(parents=True)

    def said(base: str, trained_for: object, **flags: str) -> str:
        document = {"format": FORMAT, "version": VERSION, "training": {"profiles": trained_for}}
        (tmp_path / CONFIG).write_text(json.dumps(document))
        (profiles / "mine.toml").write_text(f'extends = "{base}"\nvalue_model = "{tmp_path}"\n')
        config = configure({"profile": "mine", **flags}, os.environ, Path.cwd())
        return selector_note(config, new_session(Request("a cat"), config, "a cat"))

    line = said("turbo", ["sdxl-like", "micro"])
    assert line.startswith("the value model of profile mine was trained for profile sdxl-like, micro: ")
    assert said("turbo", ["micro\x1b[2J"], selector="value").count("\x1b") == 0
    # turbo extends sdxl
    for met in (["mine"], ["turbo"], ["sdxl", "other"], [], None, "micro"):
        assert said("turbo", met) == ""
    for other in ("random", "taste"):
        assert said("turbo", ["micro"], selector=other) == ""
    (tmp_path / CONFIG).unlink()
    config = configure({"profile": "mine"}, os.environ, Path.cwd())
    assert selector_note(config, new_session(Request("a cat"), config, "a cat")) == ""
