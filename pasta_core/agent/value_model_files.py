"""A value model on the disk: a language model's folder, and `value_model.json`, which says how to read it.

`config.json`, `model.safetensors` and `tokenizer.json` are those of any Gemma; `value_model.json` names the
logit and keeps the templates' text, so that a model is always asked in the words it was trained on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pasta_core.agent.history_text import ValueTemplates
from pasta_core.agent.value_model import ValueModel, ValueNetwork, attention_for
from pasta_core.agent.value_model_document import (
    AGAIN,
    CONFIG,
    FORMAT,
    VERSION,
    read_document,
    refuse_foreign,
)
from pasta_core.agent.value_model_lora import base_of, merge_adapter, save_adapter
from pasta_core.agent.value_model_tokens import ValueTokens, read_tokenizer
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.files import make_directory, replacing, write_atomically

__all__ = ["CONFIG", "load_language_model", "load_value_model", "save_value_model"]

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"

_ARCHITECTURES = {
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
}
_TEXT_IN = {
    r"^(language_model\.model|model\.language_model)\.": "model.",
    r"^language_model\.lm_head\.": "lm_head.",
}
"""What models that also see (Gemma 3 from 4B on) call their language model, and what it is called alone."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_value_model(
    folder: Path, device: str = "cpu", dtype: str = "", profiles: Sequence[str] = ()
) -> ValueModel:
    """Load a trained value model for use; `ModelUnavailable` says what is missing, damaged or foreign.

    An adapter comes back merged into its base, as a whole model. Without a `dtype` it is bfloat16 on a GPU
    and float32 elsewhere. With `profiles`, one that says that it was trained for none of them is refused.
    """
    document = read_document(folder)
    refuse_foreign(folder, document, profiles)
    dtype = dtype or ("bfloat16" if device.startswith("cuda") else "float32")
    try:
        templates = ValueTemplates(document["templates"]["history"], document["templates"]["candidate"])
        logit, offset = int(document["logit"]), float(document["offset"])
        scale = float(document.get("scale", 1.0))
    except (KeyError, TypeError, ValueError, InvalidInput) as error:
        raise ModelUnavailable(f"{folder / CONFIG} has a wrong value: {error}", AGAIN) from error
    base = document.get("base")
    place = folder if base is None else base_of(folder, base)
    model = load_language_model(place, templates, logit, offset, device, dtype, scale)
    if base is not None:
        merge_adapter(model.network.language_model, folder)
    model.network.eval().requires_grad_(False)
    return model


def load_language_model(
    folder: Path,
    templates: ValueTemplates,
    logit: int,
    offset: float = 0.0,
    device: str = "cpu",
    dtype: str = "float32",
    scale: float = 1.0,
) -> ValueModel:
    """Load a Gemma folder as the start of a value model (E.3); nothing is fetched and nothing unpickled.

    Of a Gemma that also sees only what reads and writes is taken. `ModelUnavailable` where a file is missing
    or damaged, or it is another architecture.
    """
    tokenizer = read_tokenizer(folder / TOKENIZER)
    language_model = _language_model(folder, dtype)
    if tokenizer.get_vocab_size() > language_model.config.vocab_size:
        raise ModelUnavailable(
            f"the tokenizer in {folder} has {tokenizer.get_vocab_size()} tokens, "
            f"its model {language_model.config.vocab_size}",
            "put the model's own tokenizer.json beside it",
        )
    network = ValueNetwork(language_model, logit, offset, scale).to(device)
    return ValueModel(network, ValueTokens(templates, tokenizer, language_model.config.bos_token_id))


def save_value_model(
    model: ValueModel, folder: Path, facts: Mapping[str, Any] | None = None, *, half: bool = False
) -> None:
    """Write a model; each file appears whole, `value_model.json` last. `facts` (JSON): how it was trained.

    Of a model with an adapter only that is written, and what it is added to is named.
    `half` stores the weights in float16, for a model that ships with the program.
    """
    make_directory(folder)
    base = None
    if model.adapter is None:
        _save_whole(model, folder, half)
    else:
        base = save_adapter(model, folder, half=half)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "logit": model.network.logit,
        "offset": model.network.offset,
        "scale": model.network.scale,
        "templates": {
            "history": model.tokens.templates.history_source,
            "candidate": model.tokens.templates.candidate_source,
        },
        **({} if base is None else {"base": base}),
        "training": dict(facts or {}),
    }
    write_atomically(folder / CONFIG, json.dumps(document, indent=2).encode() + b"\n")


def _save_whole(model: ValueModel, folder: Path, half: bool) -> None:
    """Write the language model as any Gemma is written."""
    from safetensors.torch import save_file

    language_model = model.network.language_model
    weights = {
        name: (value.detach().half() if half else value.detach()).cpu().contiguous().clone()
        for name, value in language_model.state_dict().items()
        # tied weights are stored once
        if not (language_model.config.tie_word_embeddings and name == "lm_head.weight")
    }
    with replacing(folder / WEIGHTS) as partial:
        save_file(weights, partial, metadata={"format": "pt"})
    config = json.loads(language_model.config.to_json_string(use_diff=False))
    # the folder that the base was loaded from names the machine that trained it
    config.pop("_name_or_path", None)
    write_atomically(folder / "config.json", json.dumps(config, indent=2, sort_keys=True).encode() + b"\n")
    write_atomically(folder / TOKENIZER, model.tokens.tokenizer.to_str(pretty=True).encode())


def _language_model(folder: Path, dtype: str) -> Any:
    import transformers

    if dtype not in _DTYPES:
        raise InvalidInput(f"a value model cannot run in {dtype}", f"choose {' or '.join(_DTYPES)}")
    kind = _architecture(folder)
    if kind not in _ARCHITECTURES:
        raise ModelUnavailable(
            f"{folder} holds a {kind!r} model", f"a value model is one of {', '.join(_ARCHITECTURES)}"
        )
    cls = getattr(transformers, _ARCHITECTURES[kind])
    # its bar would stand in the middle of ours
    transformers.utils.logging.disable_progress_bar()
    try:
        config = _text_config(cls, folder, sees=kind == "gemma3")
        with _unreported(transformers.utils.logging):
            model, loading = cls.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                attn_implementation=attention_for(config),
                dtype=_DTYPES[dtype],
                key_mapping=_TEXT_IN if kind == "gemma3" else None,
            )
    except Exception as error:  # the library raises whatever its parts raise
        raise ModelUnavailable(
            f"the language model in {folder} does not load: {_first_line(error)}", AGAIN
        ) from error
    # what is missing would be drawn at random, with nothing but a line in the log
    if strange := {name for kind in ("missing_keys", "mismatched_keys") for name in loading[kind]}:
        raise ModelUnavailable(
            f"the weights in {folder} do not fit its config.json ({len(strange)} tensors, "
            f"{sorted(map(str, strange))[0]})",
            AGAIN,
        )
    return model


def _text_config(cls: Any, folder: Path, *, sees: bool) -> Any:
    if not sees:
        return cls.config_class.from_pretrained(folder, local_files_only=True)
    from transformers import Gemma3Config

    return Gemma3Config.from_pretrained(folder, local_files_only=True).text_config


@contextmanager
def _unreported(logging: Any) -> Iterator[None]:
    """Keep the library from listing what is left out of a file; what is missing there is looked at here."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _architecture(folder: Path) -> str:
    file = folder / "config.json"
    try:
        return str(json.loads(file.read_bytes())["model_type"])
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{folder} lacks config.json", "name a language model's folder") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"{file} does not describe a language model", AGAIN) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
