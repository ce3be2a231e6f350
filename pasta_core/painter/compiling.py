"""The UNet as compiled code, made by torch's inductor and kept in the cache directory for later runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["begin_compiling", "compile_problem", "stop_compiling"]


def begin_compiling(unet: Any, cache: Path | None) -> None:
    """Have the UNet compiled when it is first used, and again for each shape it is used at.

    The code is kept below `cache`, where that is not None, unless the environment names another place.
    """
    if cache is not None:
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir

        # importing diffusers sets it to torch's own default, which is no wish of anybody
        given = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
        if given is None or Path(given) == Path(default_cache_dir()).absolute():
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "inductor")
        os.environ.setdefault("TRITON_CACHE_DIR", str(cache / "triton"))
    unet.compile(dynamic=False)


def stop_compiling(unet: Any) -> None:
    """Have the UNet run as it is."""
    unet._compiled_call_impl = None


def compile_problem(error: Exception) -> str:
    """Why compiling failed, in a line; "" for an error of another kind."""
    from torch._dynamo.exc import TorchDynamoException

    if not isinstance(error, TorchDynamoException):
        return ""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200]
