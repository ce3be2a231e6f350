"""A trained user model as the evaluation sees one: arrays in, arrays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pasta_core.errors import ModelUnavailable
from pasta_core.evaluation.preferences import Array
from pasta_core.users.model_files import CLIP_FOLDER, load_user_model
from pasta_core.users.user_model import UserModel

__all__ = ["UserModelPreferences", "check_encoder", "encoder_folder", "usual_device"]

Rows = npt.NDArray[np.int64]


class UserModelPreferences:
    """`PreferenceModel` of a user model on its device."""

    def __init__(self, model: UserModel) -> None:
        self._model = model

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> UserModelPreferences:
        """Load a user model's folder; raises `ModelUnavailable`."""
        return cls(load_user_model(folder, device))

    @property
    def clip(self) -> str:
        """The fingerprint of the encoder it was trained on; empty where that was not kept."""
        return self._model.config.clip

    @property
    def dimension(self) -> int:
        """d, the length of the embeddings that it takes."""
        return self._model.config.dimension

    @property
    def prior(self) -> Array:
        prior = self._model.prior.double().cpu().numpy()
        return np.asarray(prior / prior.sum())

    def scores(self, images: npt.ArrayLike, texts: npt.ArrayLike, image_rows: Rows, text_rows: Rows) -> Array:
        import torch

        device = self._model.prior.device
        with torch.inference_mode():
            tables = [
                torch.as_tensor(np.asarray(table, np.float32), device=device) for table in (images, texts)
            ]
            rows = [torch.as_tensor(which, device=device) for which in (image_rows, text_rows)]
            scores = self._model.scores(self._model.cosines(*tables, *rows))
        return np.asarray(scores.double().cpu().numpy())

    def utilities(self, scores: Array) -> Array:
        import torch

        with torch.inference_mode():
            given = torch.as_tensor(scores, dtype=torch.float32, device=self._model.prior.device)
            return np.asarray(self._model.utilities(given).double().cpu().numpy())

    def log_choices(self, utilities: Array) -> Array:
        import torch

        with torch.inference_mode():
            given = torch.as_tensor(utilities, dtype=torch.float32, device=self._model.prior.device)
            return np.asarray(self._model.log_choices(given).double().cpu().numpy())


def usual_device() -> str:
    """The GPU if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def encoder_folder(model: Path, default: Path) -> Path:
    """Where the CLIP of a user model lies: its own, if fine-tuning changed it (§6.2), else the profile's."""
    own = model / CLIP_FOLDER
    return own if own.is_dir() else default


def check_encoder(model: UserModelPreferences, fingerprint: str, folder: Path) -> None:
    """`ModelUnavailable` where a model was trained on the embeddings of another encoder."""
    if model.clip and model.clip != fingerprint:
        raise ModelUnavailable(
            f"this user model was trained with another CLIP than the one in {folder}",
            "choose the --profile whose CLIP it was trained with",
        )
