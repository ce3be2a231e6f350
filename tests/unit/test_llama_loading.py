"""What becomes of a language model that does not load, or of which something else does not."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp
import pytest
from llama_cpp import mtmd_cpp

from pasta_core.agent.branch_writer import BranchWriter
from pasta_core.agent.llama_vision import LlamaVision
from pasta_core.agent.llama_weights import LlamaWeights
from pasta_core.agent.slot_writer import SlotWriter
from pasta_core.agent.writer import LlamaWriter
from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.settings import WriterProfile
from tests.support import small_writers

TEMPLATE = Path(__file__).parents[2] / "assets" / "templates" / "micro-writer.txt"
PROFILE = WriterProfile(small_writers.MICRO, TEMPLATE, threads=1, chat=False, context=512)
WITHOUT_ROOM = """
import logging, resource, sys
logging.basicConfig(level=logging.INFO)
from pathlib import Path
from pasta_core.agent.llama_weights import LlamaWeights
from pasta_core.errors import ModelUnavailable
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3_500_000, resource.RLIM_INFINITY))
try:
    LlamaWeights(Path(sys.argv[1]))
except ModelUnavailable as error:
    print(error.message, "|", error.hint)
"""


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many models, contexts and image encoders llama.cpp holds since the test began."""
    counts: Counter[str] = Counter()

    def counting(module: Any, name: str, what: str, change: int) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def call(*given: Any) -> Any:
            made = real(*given)
            counts[what] += change if change < 0 or made else 0
            return made

        monkeypatch.setattr(module, name, call)

    counting(llama_cpp, "llama_model_load_from_file", "models", 1)
    counting(llama_cpp, "llama_model_free", "models", -1)
    counting(llama_cpp, "llama_init_from_model", "contexts", 1)
    counting(llama_cpp, "llama_free", "contexts", -1)
    counting(mtmd_cpp, "mtmd_init_from_file", "encoders", 1)
    counting(mtmd_cpp, "mtmd_free", "encoders", -1)
    return counts


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its own address space")
def test_a_model_that_finds_no_memory_is_not_called_damaged() -> None:
    command = [sys.executable, "-c", WITHOUT_ROOM, str(small_writers.MICRO)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    said, _, hint = done.stdout.partition("|")
    assert "memory left for the writer's model writer.gguf" in said, done
    assert "--memory swap" in hint
    # what llama.cpp said is in the log
    assert "Cannot allocate memory" in done.stderr or "bad_alloc" in done.stderr


def test_a_damaged_model_is_called_damaged_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pasta_core")
    short = tmp_path / "short.gguf"
    short.write_bytes(small_writers.MICRO.read_bytes()[:500_000])
    with pytest.raises(ModelUnavailable, match=r"short\.gguf is cut short"):
        LlamaWeights(short)
    assert any("error" in record.message for record in caplog.records)
    lacking = small_writers.instruct(tmp_path / "lacking.gguf", without="output_norm.weight")
    with pytest.raises(ModelUnavailable, match=r"lacking\.gguf does not load: it is damaged"):
        LlamaWeights(lacking)


def test_a_model_of_a_kind_that_is_unknown_here_is_not_called_damaged(tmp_path: Path) -> None:
    new = small_writers.instruct(tmp_path / "new.gguf", architecture="zorblax")
    with pytest.raises(ModelUnavailable, match=r"new\.gguf is of the architecture zorblax") as raised:
        LlamaWeights(new)
    assert "newer llama-cpp-python" in raised.value.hint
    other = small_writers.instruct(tmp_path / "other.gguf", tokenizer="quux")
    with pytest.raises(ModelUnavailable, match=r"other\.gguf has a tokenizer of the type quux"):
        LlamaWeights(other)


def opens_slots(profile: WriterProfile) -> SlotWriter:
    return SlotWriter(profile, 2)


@pytest.mark.parametrize("opens", [LlamaWriter, BranchWriter, opens_slots])
def test_nothing_stays_loaded_where_a_later_part_fails(
    opens: Callable[[WriterProfile], Any], held: Counter[str], tmp_path: Path
) -> None:
    with pytest.raises(PastaError):
        opens(replace(PROFILE, template=tmp_path / "absent.txt"))
    assert held["models"] == held["contexts"] == 0
    opened = opens(PROFILE)
    assert held["models"] == held["contexts"] == 1
    opened.close()
    assert held["models"] == held["contexts"] == 0


@pytest.mark.parametrize("opens", [LlamaWriter, BranchWriter, opens_slots])
def test_nothing_stays_loaded_where_there_is_no_context(
    opens: Callable[[WriterProfile], Any], held: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp, "llama_init_from_model", lambda *given: None)
    with pytest.raises(ModelUnavailable, match="no memory for"):
        opens(PROFILE)
    assert held["models"] == 0


def test_no_image_encoder_stays_loaded_that_takes_no_picture(
    held: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = small_writers.llava_eyes(tmp_path / "eyes.gguf")
    monkeypatch.setattr(mtmd_cpp, "mtmd_tokenize", lambda *given: 1)
    with pytest.raises(PastaError, match="takes no picture"):
        BranchWriter(replace(PROFILE, mmproj=eyes))
    assert held["encoders"] == held["models"] == 0
    monkeypatch.undo()
    weights = LlamaWeights(PROFILE.model)
    LlamaVision(eyes, weights, 64, 1).close()
    weights.close()
