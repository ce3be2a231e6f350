"""A trained `LlamaForCausalLM` and its tokenizer as one GGUF file that llama.cpp reads, and back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

__all__ = ["export_gguf", "weights_of"]


def export_gguf(
    model: LlamaForCausalLM, tokenizer: Tokenizer, end: str, path: Path, quantisation: str
) -> None:
    """Write the model; `quantisation`, for matrices only, is "f32", "f16" or "q8_0"."""
    import gguf

    kind = {
        "f32": gguf.GGMLQuantizationType.F32,
        "f16": gguf.GGMLQuantizationType.F16,
        "q8_0": gguf.GGMLQuantizationType.Q8_0,
    }[quantisation]
    temporary = path.with_suffix(".part")
    writer = gguf.GGUFWriter(temporary, "llama")
    _add_configuration(writer, model.config)
    _add_tokenizer(writer, tokenizer, end)
    for name, values in _tensors(model):
        matrix = values.ndim == 2
        stored = gguf.quants.quantize(values, kind) if matrix else values
        writer.add_tensor(name, stored, raw_dtype=kind if matrix else gguf.GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def weights_of(path: Path) -> LlamaForCausalLM:
    """The model of a GGUF file in float32, as it was exported but for what quantisation lost."""
    import torch
    import transformers
    from transformers import LlamaForCausalLM

    transformers.utils.logging.disable_progress_bar()
    return LlamaForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()


def _add_configuration(writer: Any, config: Any) -> None:
    writer.add_name("pasta micro writer")
    writer.add_license("apache-2.0")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: Any, tokenizer: Tokenizer, end: str) -> None:
    import gguf

    described = json.loads(tokenizer.to_str())["model"]
    vocabulary = sorted(described["vocab"], key=described["vocab"].__getitem__)
    control = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([control if token == end else gguf.TokenType.NORMAL for token in vocabulary])
    writer.add_token_merges(
        [pair if isinstance(pair, str) else " ".join(pair) for pair in described["merges"]]
    )
    writer.add_bos_token_id(tokenizer.token_to_id(end))
    writer.add_eos_token_id(tokenizer.token_to_id(end))
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)


def _tensors(model: LlamaForCausalLM) -> list[tuple[str, npt.NDArray[np.float32]]]:
    weights = {name: value.detach().float().cpu().numpy() for name, value in model.state_dict().items()}
    tensors = [("token_embd.weight", weights["model.embed_tokens.weight"])]
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    for layer in range(model.config.num_hidden_layers):
        for theirs, ours in names.items():
            values = weights[f"model.layers.{layer}.{theirs}.weight"]
            if ours in heads:
                values = _interleaved(values, heads[ours])
            tensors.append((f"blk.{layer}.{ours}.weight", values))
    tensors.append(("output_norm.weight", weights["model.norm.weight"]))
    if not model.config.tie_word_embeddings:
        tensors.append(("output.weight", weights["lm_head.weight"]))
    return [(name, np.ascontiguousarray(values)) for name, values in tensors]


def _interleaved(weight: npt.NDArray[np.float32], heads: int) -> npt.NDArray[np.float32]:
    """Rows reordered from transformers' rotary halves to the neighbouring pairs that llama.cpp rotates."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)
