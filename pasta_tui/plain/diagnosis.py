"""What `pasta doctor` reports: versions, devices, models, terminal and paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pasta_core.agent.value_calibration import calibration_beside
from pasta_core.configuration import Configuration, configure
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.engines.calibrations import fitting_calibration, foreign_types
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.models import ModelFile, model_files, require_models
from pasta_core.paths import Paths
from pasta_core.planning.machine import Machine, find_machine
from pasta_core.planning.verdict import verdict_of
from pasta_core.profiles import known_profiles, load_profile
from pasta_core.sessions.provenance import versions
from pasta_core.settings import Profile
from pasta_core.text import told
from pasta_core.users.taste_space_files import load_space, space_beside
from pasta_tui.console.output import Output
from pasta_tui.plain.plan import plan_here
from pasta_tui.terminal.capabilities import Terminal
from pasta_tui.terminal.graphics import Graphics, find_graphics
from pasta_tui.terminal.probe import drop_answers

__all__ = ["diagnose"]

_GPU_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")


def diagnose(profile: str | None, as_json: bool) -> None:
    """Report everything, then raise `ModelUnavailable` if the profile in use cannot be loaded."""
    out = Output(os.environ, as_json)
    config = configure({"profile": profile}, os.environ, Path.cwd())
    profiles = {name: _models(name, config.paths) for name in sorted(known_profiles(config.paths))}
    graphics = find_graphics(config.graphics, os.environ, sys.stdin, sys.stdout)
    machine = find_machine()
    report: dict[str, Any] = {
        "versions": versions(),
        "devices": _devices(machine),
        "profile": config.profile.name,
        "plan": list(verdict_of(plan_here(config, machine)[0])),
        "profiles": profiles,
        "calibration": _calibration(config.profile),
        "space": _space(config.profile),
        "terminal": _terminal(out.terminal, os.environ),
        "graphics": _graphics(config.graphics, graphics),
        "paths": _paths(config),
        "settings": dict(config.sources),
    }
    if as_json:
        out.document(report)
    else:
        _print(report, out)
    if graphics.owing and sys.stdin is not None:
        # The shell would take them for what is typed.
        drop_answers(sys.stdin.fileno())
    require_models(config.profile)


def _models(name: str, paths: Paths) -> list[dict[str, Any]]:
    """A profile's models; one that cannot be read is reported like a model that cannot."""
    try:
        return [_model(model) for model in model_files(load_profile(name, paths))]
    except InvalidInput as error:
        return [_model(ModelFile("profile", known_profiles(paths)[name], 0, told(error)))]


def _model(model: ModelFile) -> dict[str, Any]:
    return {
        "role": model.role,
        "path": str(model.path),
        "bytes": model.size,
        "problem": model.problem or None,
    }


def _calibration(profile: Profile) -> dict[str, Any] | None:
    """By what the profile's value model is weighed beside its taste; None where it has no value model."""
    model = profile.value_model
    if model is None:
        return None
    file = problem = None
    try:
        file = calibration_beside(model)
        fitting_calibration(model, profile)
    except ModelUnavailable as error:
        problem = told(error)
    return {"file": None if file is None else str(file), "problem": problem}


def _space(profile: Profile) -> dict[str, Any] | None:
    """What the profile's tastes begin with; None where there is no space beside its CLIP."""
    file = space_beside(profile.clip.model)
    if file is None:
        return None
    users = problem = None
    try:
        users = load_space(file, encoder_fingerprint(profile.clip.model)).users or None
        problem = foreign_types(profile) or None
    except ModelUnavailable as error:
        problem = told(error)
    return {"file": str(file), "users": users, "problem": problem}


def _devices(machine: Machine) -> dict[str, Any]:
    gpus = _gpus()
    if not gpus and machine.has_gpu:
        # of another maker than NVIDIA
        gpus = [f"{machine.name}, {machine.gpu_bytes // 2**20} MiB"]
    return {"cpus": machine.cores, "memory_bytes": machine.ram_bytes, "gpus": gpus}


def _gpus() -> list[str]:
    """NVIDIA's own list, which needs no model library and no seconds."""
    if shutil.which(_GPU_QUERY[0]) is None:
        return []
    try:
        found = subprocess.run(_GPU_QUERY, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in found.stdout.splitlines() if line.strip()]


def _terminal(terminal: Terminal, env: Mapping[str, str]) -> dict[str, Any]:
    return {
        "interactive": terminal.interactive,
        "columns": terminal.width,
        "rows": terminal.height,
        "colours": int(terminal.colours),
        "unicode": terminal.unicode,
        "term": env.get("TERM", ""),
    }


def _graphics(setting: str, found: Graphics) -> dict[str, Any]:
    """How the interface would show pictures here."""
    cell = list(found.cell) if found.cell else None
    return {"setting": setting, "protocol": found.protocol.value, "why": found.why, "cell": cell}


def _paths(config: Configuration) -> dict[str, str]:
    paths = config.paths
    return {
        "python": sys.executable,
        "assets": str(paths.assets),
        "data": str(paths.data),
        "config": str(paths.config),
        "logs": str(paths.logs),
    }


def _amount(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def _weighed(calibration: Mapping[str, Any]) -> str:
    if calibration["problem"]:
        return str(calibration["problem"])
    if calibration["file"] is None:
        return "weighed by assumed numbers (pasta taste calibrate measures them)"
    return f"weighed by {calibration['file']}"


def _print(report: Mapping[str, Any], out: Output) -> None:
    for name, version in report["versions"].items():
        out.data(f"{name:14}{version}")
    devices = report["devices"]
    out.data(f"{'cpus':14}{devices['cpus']}, {devices['memory_bytes'] / 2**30:.1f} GiB memory")
    out.data(f"{'gpus':14}{'; '.join(devices['gpus']) or 'none found, the CPU paints'}")
    for number, line in enumerate(report["plan"]):
        out.data(f"{'' if number else 'plan':14}{line}")
    if weighed := report["calibration"]:
        out.data(f"{'taste+value':14}{_weighed(weighed)}")
    if space := report["space"]:
        out.data(f"{'taste space':14}{space['problem'] or space['file']}")
    for name, models in report["profiles"].items():
        out.data("")
        out.data(f"profile {name}{' (in use)' if name == report['profile'] else ''}")
        for model in models:
            state = model["problem"] or _amount(model["bytes"])
            out.data(f"  {model['role']:12}{state:24}{model['path']}")
    out.data("")
    terminal = report["terminal"]
    colours = {0: "no colours", 256: "256 colours"}.get(terminal["colours"], "true colour")
    kind = f"{terminal['columns']}x{terminal['rows']}, {colours}" if terminal["interactive"] else "none"
    out.data(
        f"{'terminal':14}{kind}{'' if terminal['unicode'] else ', no Unicode'} ({terminal['term'] or '-'})"
    )
    out.data(f"{'graphics':14}{report['graphics']['protocol']}: {report['graphics']['why']}")
    for name, path in report["paths"].items():
        out.data(f"{name:14}{path}")
    for key, source in report["settings"].items():
        out.data(f"{key:14}set by {source}")
