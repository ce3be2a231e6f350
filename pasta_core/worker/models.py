"""The models that live in the worker's own process: painter, CLIP and planted raters."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pasta_core.agent.requests import ValueRequest
from pasta_core.domain import Pixels
from pasta_core.errors import InvalidInput, PastaError
from pasta_core.settings import Profile
from pasta_core.worker.station import Call

if TYPE_CHECKING:
    from pasta_core.agent.value_model import ValueModel
    from pasta_core.microworld.raters import PlantedRater
    from pasta_core.painter.diffusers_painter import DiffusersPainter
    from pasta_core.users.clip import ClipEncoder

__all__ = ["Models", "split_columns"]

log = logging.getLogger(__name__)


class Models:
    """Loads each model once, on first use, on one device; used from one thread only."""

    def __init__(self, profile: Profile, assets: Path, lanes: int, device: str | None = None) -> None:
        self._profile = profile
        self._assets = assets
        self._lanes = lanes
        self._device = device
        self._painter: DiffusersPainter | None = None
        self._clip: ClipEncoder | None = None
        self._raters: dict[str, PlantedRater] = {}
        self._values: dict[Path, ValueModel] = {}
        self.states: dict[str, str] = {"torch": "not loaded", "painter": "not loaded", "clip": "not loaded"}
        """What is loaded, in words, for `status`."""

    def device(self) -> str:
        """Import torch, fix its threads, and name the device that everything runs on."""
        # Nothing is fetched, whatever a model folder asks for.
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
        import torch

        # One thread an operation, everywhere: what a model computes never depends on the number of cores.
        torch.set_num_threads(1)
        if self._device is None:
            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.states["torch"] = f"{torch.__version__} on {self._device}"
        return self._device

    def _lanes_on(self, device: str) -> int:
        return self._lanes if device == "cpu" else 1

    def clip(self) -> ClipEncoder:
        """The CLIP encoder."""
        if self._clip is None:
            device = self.device()
            from pasta_core.users.clip import ClipEncoder

            self._clip = self._noting("clip", lambda: ClipEncoder.load(self._profile.clip.model, device))
        return self._clip

    def painter(self) -> DiffusersPainter:
        """The SDXL pipeline."""
        if self._painter is None:
            device = self.device()
            from pasta_core.painter.diffusers_painter import DiffusersPainter

            self._painter = self._noting(
                "painter",
                lambda: DiffusersPainter.load(self._profile.painter, device, self._lanes_on(device)),
            )
        return self._painter

    def rater(self, spec: str) -> PlantedRater:
        """A planted rater by its name, `planted:TYPE[:INDIVIDUAL]`."""
        if spec not in self._raters:
            self.device()
            from pasta_core.microworld.raters import PlantedRater

            self._raters[spec] = PlantedRater.load(spec, self._assets)
        return self._raters[spec]

    def value_model(self, name: str) -> ValueModel:
        """The value model in the folder `name`, or the profile's where that is empty."""
        folder = Path(name).expanduser() if name else self._profile.value_model
        if folder is None:
            raise InvalidInput(
                f"profile {self._profile.name} has no value model", "name one: --selector value:PATH"
            )
        if folder not in self._values:
            device = self.device()
            from pasta_core.agent.value_model_files import load_value_model

            self._values[folder] = self._noting("value", lambda: load_value_model(folder, device))
        return self._values[folder]

    def warm(self) -> None:
        """Load what painting needs; what fails here is said when it is asked for."""
        try:
            self.painter()
            self.clip()
        except PastaError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("the painter did not load")

    def paint(self, call: Call) -> None:
        """Paint prompts x seeds: one item per image, with its CLIP embedding, as each pass ends."""
        prompts = [str(prompt) for prompt in call.args["prompts"]]
        seeds = [[int(seed) for seed in column] for column in call.args["seeds"]]
        painter = self.painter()
        clip = self.clip()
        for batch in painter.paint(prompts, seeds, call.cancelled, call.progress, call.note):
            embeddings = clip.embed_images([pixels for _, _, pixels in batch])
            for (column, index, pixels), embedding in zip(batch, embeddings, strict=True):
                call.item({"column": column, "index": index}, {"pixels": pixels, "embedding": embedding})
        call.result({})

    def embed(self, call: Call) -> None:
        """CLIP embeddings of images (arrays "0", "1", ...) and of texts, before normalisation."""
        texts = [str(text) for text in call.args.get("texts", [])]
        images = [call.arrays[str(n)] for n in range(len(call.arrays))]
        clip = self.clip()
        for text in clip.too_long(texts):
            call.note(f"CLIP reads only the beginning of: {text}")
        call.result({}, {"texts": clip.embed_texts(texts), "images": clip.embed_images(images)})

    def value(self, call: Call) -> None:
        """The value of every candidate of a turn, by the value model in `model`."""
        request = ValueRequest.from_json(call.args["request"])
        model = self.value_model(str(call.args.get("model", "")))
        from pasta_core.agent.scoring import score

        call.result({"values": list(score(model, request))})

    def choose(self, call: Call) -> None:
        """Let a planted rater choose among painted columns."""
        columns = split_columns(call.arrays["pixels"], call.args["sizes"])
        rater = self.rater(str(call.args["rater"]))
        verdict = rater.choose(str(call.args["prompt"]), columns, int(call.args["seed"]))
        column = int(verdict.column)
        critique = ""
        if (study := call.args.get("study")) is not None:
            from pasta_core.microworld.ratings.answers import critic_turn, wished_critique

            if int(study["turn"]) == critic_turn(int(study["seed"])):
                critique = wished_critique(rater, str(study["prompts"][column]), int(call.args["seed"]))
        utilities = [float(utility) for utility in verdict.utilities]
        call.result({"column": column, "utilities": utilities, "critique": critique})

    def rate(self, call: Call) -> None:
        """Let a planted rater answer the evaluation phase's questions about a turn (App. B.2).

        The array `before` are the images of the column preferred in the turn before; turn 1 comes without.
        """
        from pasta_core.microworld.ratings.answers import Verdicts, rate_columns

        columns = split_columns(call.arrays["pixels"], call.args["sizes"])
        rater = self.rater(str(call.args["rater"]))
        prompt, before = str(call.args["prompt"]), call.arrays.get("before")
        worth = None if before is None else float(rater.column_utilities(prompt, [list(before)])[0])
        verdicts = Verdicts(rater, int(call.args["seed"]))
        rating, _ = rate_columns(verdicts, rater, prompt, columns, worth)
        call.result({"rating": asdict(rating)})

    def _noting(self, name: str, load: Any) -> Any:
        self.states[name] = "loading"
        try:
            model = load()
        except Exception as error:
            self.states[name] = f"failed: {error}"
            raise
        self.states[name] = "ready"
        return model


def split_columns(stacked: Pixels, sizes: list[int]) -> list[list[Pixels]]:
    """Undo the stacking of columns of images: (sum of sizes, h, w, 3) to one list of images per column."""
    ends = np.cumsum(sizes)
    if len(ends) == 0 or ends[-1] != len(stacked):
        raise ValueError(f"{len(stacked)} images do not fill columns of {sizes}")
    return [[stacked[n] for n in range(end - size, end)] for size, end in zip(sizes, ends, strict=True)]
