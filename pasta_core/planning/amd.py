"""AMD's GPUs as the kernel lists them.

A PyTorch for ROCm calls them `cuda` like any other GPU. Neither it nor AMD's tools are needed to find them:
the kernel's driver lists them in the order in which ROCm counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["AmdGpu", "SYSTEM", "amd_gpus"]

SYSTEM = Path("/sys/class")
_NODES = "kfd/kfd/topology/nodes"

AmdGpu = tuple[str, int, int]
"""A GPU's name, its memory and what of it is free, in bytes."""


def amd_gpus(system: Path = SYSTEM) -> list[AmdGpu]:
    """Every GPU that computes; one whose memory is not told is left out."""
    try:
        nodes = sorted((system / _NODES).iterdir(), key=lambda node: (len(node.name), node.name))
    except OSError:
        return []
    return [gpu for node in nodes for gpu in _gpu(node, system)]


def _gpu(node: Path, system: Path) -> Iterator[AmdGpu]:
    facts = dict(line.split(maxsplit=1) for line in _text(node / "properties").splitlines() if " " in line)
    if not _number(facts.get("simd_count", "")):
        # a node of CPU cores
        return
    device = system / "drm" / f"renderD{_number(facts.get('drm_render_minor', ''))}" / "device"
    total = _number(_text(device / "mem_info_vram_total"))
    if total:
        name = _text(device / "product_name").strip() or f"AMD {_target(facts)}"
        yield name, total, max(total - _number(_text(device / "mem_info_vram_used")), 0)


def _target(facts: dict[str, str]) -> str:
    """The instruction set by its usual name: 110000 is gfx1100, 90010 is gfx90a."""
    version = _number(facts.get("gfx_target_version", ""))
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}" if version else "GPU"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 20 else 0
