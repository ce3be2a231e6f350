"""The promises of the repository itself: what README, .ci/run, the lock file and the contracts say agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def toml(name: str) -> dict[str, object]:
    return tomllib.loads((ROOT / name).read_text())


def test_ci_runs_exactly_the_readmes_test_command() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    main_job, tests = (block.strip() for block in blocks[:2])
    assert "pasta session" in main_job
    assert "\n" not in main_job + tests
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == tests


def test_the_pictures_and_pages_that_markdown_links_to_exist() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_lock_file_knows_what_pyproject_asks_for() -> None:
    """A stale lock would only show on a fresh machine, as `--frozen` never compares the two."""
    project = toml("pyproject.toml")
    packages = toml("uv.lock")["package"]
    (locked,) = (package for package in packages if package["name"] == "pasta-t2i")
    assert _names(project["project"]["dependencies"]) == _names(
        item["name"] for item in locked["metadata"]["requires-dist"] if "marker" not in item
    )
    groups = locked["metadata"]["requires-dev"]
    for group, requirements in project["dependency-groups"].items():
        assert _names(requirements) == _names(item["name"] for item in groups[group])


def _names(requirements: object) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0].lower().replace("_", "-") for text in requirements}
