"""The models that live in the worker's own process: painter, CLIP and planted raters."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pasta_core.agent.requests import ValueRequest
from pasta_core.domain import Embedding, Pixels
from pasta_core.errors import InvalidInput, ModelUnavailable, PastaError
from pasta_core.settings import Profile
from pasta_core.worker.devices import choose_device, explained
from pasta_core.worker.handover import move, weights_of
from pasta_core.worker.station import Call

if TYPE_CHECKING:
    from pasta_core.agent.value_model import ValueModel
    from pasta_core.microworld.raters import PlantedRater
    from pasta_core.painter.diffusers_painter import DiffusersPainter
    from pasta_core.users.clip import ClipEncoder

__all__ = ["Models", "split_columns"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_NAMES = {"clip": "CLIP", "value": "value model"}


class Models:
    """Loads each model once, on first use, on one device; used from one thread only.

    `notes` are lines that a person is told with the first images. Where a CPU takes too long for anybody to
    wait (not `bearable`), a GPU that is there and cannot be used is an error. `mode` is how a language model
    shares the GPU; with `apart` the painter's own models take turns on it, too. Passes are never smaller than
    the profile's if they are `exact`. What is found out about the device is kept in `cache`; `loaded` is told
    how many bytes a part's weights take once they are there. `missed` is what to say where torch finds no GPU
    although there is one; `passed_over` is called where the CPU takes its place.
    """

    def __init__(
        self,
        profile: Profile,
        assets: Path,
        lanes: int,
        device: str | None = None,
        *,
        notes: Sequence[str] = (),
        bearable: bool = True,
        value_on_gpu: bool = True,
        mode: str = "",
        apart: bool = False,
        exact: bool = False,
        cache: Path | None = None,
        loaded: Callable[[str, int], None] = lambda part, size: None,
        missed: str = "",
        passed_over: Callable[[], None] = lambda: None,
    ) -> None:
        self._profile = profile
        self._assets = assets
        self._lanes = lanes
        self._asked = device
        self._device: str | None = None
        self._notes = list(notes)
        self._bearable = bearable
        self._value_on_gpu = value_on_gpu
        self._mode = mode
        self._apart = apart
        self._exact = exact
        self._cache = cache
        self._loaded = loaded
        self._missed = missed
        self._passed_over = passed_over
        self._parked = False
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
            self._device, trouble = choose_device(
                self._asked, torch.cuda.is_available, self._bearable, self._missed
            )
            if trouble:
                self._notes.append(trouble)
                self._passed_over()
        self.states["torch"] = f"{torch.__version__} on {self._device}"
        return self._device

    def park(self) -> None:
        """Let the painter's weights wait in the machine's own memory, if they are on a GPU."""
        self._move("cpu")

    def unpark(self) -> None:
        """Bring them back; where there is no room they wait on, whole, and `ModelUnavailable` says so.

        Those that are on the GPU apart from each other come when they are needed.
        """
        if self._apart:
            self._parked = False
            return
        try:
            self._within("the painter", lambda: self._move(self._device or "cpu"))
        except ModelUnavailable:
            assert self._painter is not None
            move(self._painter, "cpu")
            self.release()
            raise

    def release(self) -> None:
        """Give back the memory of a GPU that is held in reserve."""
        if self._device is not None and self._device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def _move(self, device: str) -> None:
        if self._painter is None or self._device in (None, "cpu") or self._parked == (device == "cpu"):
            return
        move(self._painter, device)
        self._parked = device == "cpu"

    def _within(self, what: str, work: Callable[[], T]) -> T:
        """Do some work; `ModelUnavailable` says it where there is not enough memory for `what`."""
        from pasta_core.painter.room import OutOfRoom, no_room, within_memory

        try:
            return within_memory(work)
        except OutOfRoom:
            self.release()
            raise no_room(what) from None

    def _lanes_on(self, device: str) -> int:
        return self._lanes if device == "cpu" else 1

    def clip(self) -> ClipEncoder:
        """The CLIP encoder."""
        if self._clip is None:
            device = self.device()
            from pasta_core.users.clip import ClipEncoder

            dtype = "float16" if device.startswith("cuda") else "float32"
            self._clip = self._noting(
                "clip", lambda: ClipEncoder.load(self._profile.clip.model, device, dtype)
            )
        return self._clip

    def painter(self) -> DiffusersPainter:
        """The SDXL pipeline."""
        if self._painter is None:
            device = self.device()
            from pasta_core.painter.diffusers_painter import DiffusersPainter

            self._painter = self._noting(
                "painter",
                lambda: DiffusersPainter.load(
                    self._profile.painter,
                    device,
                    self._lanes_on(device),
                    self._cache,
                    # with less beside them more images fit
                    mode=f"{self._mode} apart" if self._apart else self._mode,
                    exact=self._exact,
                    apart=self._apart,
                ),
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
            device = self.device() if self._value_on_gpu else "cpu"
            from pasta_core.agent.value_model_files import load_value_model

            made_for = (self._profile.name, *self._profile.lineage) if name else ()
            self._values[folder] = self._noting(
                "value", lambda: load_value_model(folder, device, profiles=made_for)
            )
        return self._values[folder]

    def warm(self) -> None:
        """Load what painting needs; what fails here is said when it is asked for."""
        try:
            painter = self.painter()
            self.clip()
            painter.settle(self._notes.append)
        except PastaError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("the painter did not load")

    def paint(self, call: Call) -> None:
        """Paint prompts x seeds: one item per image, with its CLIP embedding, as each pass ends.

        Previews go between them where they are asked for.
        """
        prompts = [str(prompt) for prompt in call.args["prompts"]]
        seeds = [[int(seed) for seed in column] for column in call.args["seeds"]]
        painter = self.painter()
        clip = self.clip()
        while self._notes:
            call.note(self._notes.pop(0))

        def preview(column: int, index: int, pixels: Pixels) -> None:
            call.preview({"column": column, "index": index}, {"pixels": pixels})

        shown = preview if call.args.get("previews") else None
        for batch in painter.paint(prompts, seeds, call.cancelled, call.progress, call.note, shown):
            embeddings = self._seen(clip, [pixels for _, _, pixels in batch])
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
        read = self._within("CLIP's texts", lambda: clip.embed_texts(texts))
        call.result({}, {"texts": read, "images": self._seen(clip, images)})

    def _seen(self, clip: ClipEncoder, images: Sequence[Pixels]) -> Embedding:
        return self._within("CLIP's images", lambda: clip.embed_images(images))

    def value(self, call: Call) -> None:
        """The value of every candidate of a turn, by the value model in `model`."""
        request = ValueRequest.from_json(call.args["request"])
        model = self.value_model(str(call.args.get("model", "")))
        from pasta_core.agent.scoring import score

        values = self._within("the value model's work", lambda: score(model, request))
        call.result({"values": list(values)})

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
            if (found := explained(error, _NAMES.get(name, name))) is error:
                raise
            raise found from error
        self.states[name] = "ready"
        for part, size in weights_of(model).items():
            self._loaded(part, size)
        return model


def split_columns(stacked: Pixels, sizes: list[int]) -> list[list[Pixels]]:
    """Undo the stacking of columns of images: (sum of sizes, h, w, 3) to one list of images per column."""
    ends = np.cumsum(sizes)
    if len(ends) == 0 or ends[-1] != len(stacked):
        raise ValueError(f"{len(stacked)} images do not fill columns of {sizes}")
    return [[stacked[n] for n in range(end - size, end)] for size, end in zip(sizes, ends, strict=True)]
