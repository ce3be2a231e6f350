"""What SDXL's original code calls the modules of diffusers' UNet: files of other programs use its names."""

from __future__ import annotations

import re

__all__ = ["original_name"]

_WHOLE = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_PLACE = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.?(.*)")


def original_name(module: str, layers: int, attentive: frozenset[int]) -> str:
    """The original name of a module of the UNet, "" for what has none.

    `layers` are the residual layers of a block, `attentive` the numbers of the up blocks with attention.
    """
    if module in _WHOLE:
        return _WHOLE[module]
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.?(.*)", module):
        kind, number, rest = found.groups()
        middle = 1 if kind == "attentions" else 2 * int(number)
        return _joined(f"middle_block.{middle}", _inner(kind, rest))
    if (found := _PLACE.fullmatch(module)) is None:
        return ""
    side, block, kind, number, rest = found.groups()
    first = int(block) * (layers + 1)
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{first + layers + 1}.0.op"
        place = f"input_blocks.{first + 1 + int(number)}"
    else:
        if kind == "upsamplers":
            return f"output_blocks.{first + layers}.{2 if int(block) in attentive else 1}.conv"
        place = f"output_blocks.{first + int(number)}"
    return _joined(f"{place}.{0 if kind == 'resnets' else 1}", _inner(kind, rest))


def _inner(kind: str, rest: str) -> str:
    return _RESNET.get(rest, rest) if kind == "resnets" else rest


def _joined(place: str, rest: str) -> str:
    return f"{place}.{rest}" if rest else place
