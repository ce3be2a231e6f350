"""Which versions a session was made with: the same ones on the same kind of machine give the same bytes."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

__all__ = ["changed_versions", "versions"]

_PACKAGES = {
    "pasta": "pasta-t2i",
    "torch": "torch",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "open_clip": "open_clip_torch",
    "llama_cpp": "llama-cpp-python",
}


def versions() -> dict[str, str]:
    """The versions of what images and prompts depend on; reads package metadata, imports none of them."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for name, package in _PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


def changed_versions(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One line that names what has changed since a session began; none if nothing has."""
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if not names:
        return []
    changes = ", ".join(f"{name} {before.get(name, 'none')} -> {now.get(name, 'none')}" for name in names)
    return [f"what is painted from here on may differ in detail, versions have changed: {changes}"]
