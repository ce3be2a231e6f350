"""Whose GPUs the PyTorch that is installed was built for, as its files tell; it is not imported."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

__all__ = ["torch_is_for_amd", "torch_is_for_nvidia"]


def torch_is_for_amd() -> bool:
    """Whether it says that it was built for ROCm (`torch.version.hip`)."""
    return _says("hip", _version())


def torch_is_for_nvidia() -> bool:
    """Whether it says that it was built for CUDA (`torch.version.cuda`), or says nothing of it."""
    said = _version()
    return _says("cuda", said) or not re.search(r"^cuda\b", said, re.MULTILINE)


def _says(name: str, said: str) -> bool:
    return re.search(rf"^{name}\b[^=]*=\s*['\"]", said, re.MULTILINE) is not None


def _version() -> str:
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return ""
    try:
        return Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
