"""Where things lie: assets, data, the user's settings and logs; nothing is created here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Paths", "find_assets", "locate"]

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Paths:
    """The directories of one run; all absolute, not all of them need to exist."""

    assets: Path
    """Shipped profiles, templates and models."""
    data: Path
    """The session store and its images."""
    config: Path
    """The user's `pasta.toml` and `profiles/`."""
    logs: Path
    """What workers print."""
    cache: Path
    """What was measured or compiled here, and can be made again."""
    models: tuple[Path, ...] = ()
    """Caches of models that were fetched from a hub; new ones go to the first."""


def find_assets(package: Path = _PACKAGE) -> Path:
    """Find the assets: those of a checkout win over the package data of a wheel."""
    checkout = package.parent / "assets"
    return checkout if (checkout / "profiles").is_dir() else package / "_assets"


def locate(env: Mapping[str, str]) -> Paths:
    """Locate everything; `PASTA_{ASSETS,DATA,CONFIG,LOGS,CACHE,MODELS}_DIR` win over the usual places."""
    import platformdirs

    user = platformdirs.PlatformDirs("pasta", appauthor=False)

    def directory(name: str, default: Path) -> Path:
        given = env.get(f"PASTA_{name}_DIR", "")
        return Path(given).expanduser().absolute() if given else default

    return Paths(
        assets=directory("ASSETS", find_assets()),
        data=directory("DATA", user.user_data_path),
        config=directory("CONFIG", user.user_config_path),
        logs=directory("LOGS", user.user_log_path),
        cache=directory("CACHE", user.user_cache_path),
        models=_models(env),
    )


def _models(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The cache of one's own, where there is one, then that which Hugging Face's libraries share."""
    own = env.get("PASTA_MODELS_DIR", "")
    home = env.get("HF_HOME") or f"{env.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    shared = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return tuple(Path(given).expanduser().absolute() for given in (own, shared) if given)
