"""Opens a file or a folder in whatever the desktop shows it with."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["open_outside", "viewer_command"]

_PATIENCE = 2.0
"""Seconds in which a viewer that cannot open something says so."""


def viewer_command(
    path: Path, platform: str = sys.platform, which: Callable[[str], str | None] = shutil.which
) -> list[str] | None:
    """The command that opens `path` on this platform; None where there is none."""
    for name in ("open",) if platform == "darwin" else ("xdg-open", "wslview"):
        if found := which(name):
            return [found, str(path)]
    return None


async def open_outside(path: Path, patience: float = _PATIENCE) -> str:
    """Open `path`; returns "" or one line that says why nobody could."""
    command = viewer_command(path)
    if command is None:
        return f"there is no viewer on this machine (no xdg-open); it lies at {path}"
    nowhere = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
        code = await asyncio.wait_for(asyncio.shield(process.wait()), patience)
    except TimeoutError:
        return ""
    except OSError as error:
        return f"the viewer cannot be started ({error.strerror}); it lies at {path}"
    return f"no viewer could open it; it lies at {path}" if code else ""
