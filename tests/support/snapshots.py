"""SVG snapshots of screens, one file each."""

from __future__ import annotations

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

__all__ = ["SvgSnapshots"]


class SvgSnapshots(SingleFileSnapshotExtension):
    """Keeps what `App.export_screenshot` returns, so that a change can be looked at in a browser."""

    file_extension = "svg"
    _write_mode = WriteMode.TEXT
