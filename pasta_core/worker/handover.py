"""One GPU for two: the language model and the painter take turns on it, each gone while the other works.

The writer process ends before images are painted, which gives its memory back for certain, and is started
again when they are done, so that it loads while a person looks at them. Where the painter's weights leave no
room for it even then, they wait in the machine's own memory meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pasta_core.worker.relay import WriterRelay
from pasta_core.worker.station import Call, Handler

if TYPE_CHECKING:
    from pasta_core.painter.diffusers_painter import DiffusersPainter

__all__ = ["Handover", "Parkable", "move", "weights_of"]

log = logging.getLogger(__name__)


class Parkable(Protocol):
    """Models whose weights can leave the GPU and come back."""

    def park(self) -> None: ...

    def unpark(self) -> None: ...

    def release(self) -> None:
        """Give back the memory that is held in reserve."""
        ...


def move(painter: DiffusersPainter, device: str) -> None:
    """Move a painter's weights; it paints only on the device that it was loaded for."""
    painter._pipe.to(device)


def weights_of(model: object) -> dict[str, int]:
    """Bytes of the weights that were loaded, by the names that plans give a model's parts."""
    pipe = getattr(model, "_pipe", None)
    if pipe is None:
        name = {"ClipEncoder": "CLIP", "ValueModel": "value model"}.get(type(model).__name__, "")
        return {name: _bytes(getattr(model, "network", None))} if name else {}
    return {
        "text encoders": _bytes(pipe.text_encoder) + _bytes(pipe.text_encoder_2),
        "UNet": _bytes(pipe.unet),
        "autoencoder": _bytes(pipe.vae),
    }


def _bytes(module: Any) -> int:
    tensors = [] if module is None else [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class Handover:
    """Passes the GPU on; used from the thread that paints, which writing requests pass through too."""

    def __init__(
        self,
        relay: WriterRelay,
        models: Parkable,
        *,
        park: bool,
        took: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._relay = relay
        self._models = models
        self._park = park
        self._took = took

    def write(self, call: Call) -> None:
        """Pass a writing request on, once the painter has made room."""
        self._make_room()
        self._relay.write(call)

    def painting(self, paint: Handler) -> Handler:
        """The same handler, for which the writer makes room first and comes back afterwards."""

        def handler(call: Call) -> None:
            begun = time.monotonic()
            self._relay.leave(call.cancelled)
            try:
                if self._park:
                    self._models.unpark()
                self._took(time.monotonic() - begun)
                paint(call)
            finally:
                self._make_room()
                self._relay.start()

        return handler

    def _make_room(self) -> None:
        if self._park:
            self._models.park()
        self._models.release()
