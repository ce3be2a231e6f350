"""Writers in the file formats of large ones: instruct GGUFs, eyes, categories side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pasta_core.agent.branch_writer import BranchWriter
from pasta_core.agent.grammar import answer_grammar
from pasta_core.agent.llama import LlamaModel
from pasta_core.agent.llama_branches import LlamaBranches
from pasta_core.agent.llama_weights import LlamaWeights, Logits
from pasta_core.agent.pictures import INITIAL, picture_name
from pasta_core.agent.requests import ShownTurn, WriteRequest
from pasta_core.agent.sampling import sample_nucleus
from pasta_core.agent.slot_writer import SlotWriter
from pasta_core.agent.writer import open_writer
from pasta_core.agent.writing_prompt import WriterPrompt
from pasta_core.domain import Candidate, CandidateForm, Pixels
from pasta_core.errors import Cancelled, ModelUnavailable, PastaError
from pasta_core.settings import WriterProfile
from tests.support import small_writers

TEMPLATES = Path(__file__).parents[2] / "assets" / "templates"
SHOWN = ShownTurn(("a red train at night", "a red train, pop art", "red train in fog", "a red boat"), 1, "")
REQUEST = WriteRequest("a red train in the snow", (SHOWN,), CandidateForm(), 17, seed=7)
SEEING = """{{ initial_prompt }}: {{ picture }}
{% for turn in turns %}{% for prompt in turn.prompts %}
{{ prompt }}
{% if turn.pictures[loop.index0] %}
Its images: {{ turn.pictures[loop.index0] }}
{% endif %}
{% endfor %}{% endfor %}
"""
NAMES = (INITIAL, *(picture_name(1, column) for column in range(4)))


def never() -> bool:
    return False


def ignore(done: int, total: int) -> None:
    del done, total


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("writers")
    small_writers.instruct(root / "instruct.gguf")
    small_writers.turning(root / "turning.gguf")
    small_writers.llava_eyes(root / "llava.gguf")
    small_writers.qwen_eyes(root / "qwen.gguf")
    (root / "seeing.txt").write_text(SEEING, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def profile(folder: Path) -> WriterProfile:
    return WriterProfile(folder / "instruct.gguf", TEMPLATES / "micro-writer.txt", threads=1)


@pytest.fixture(scope="module")
def writer(profile: WriterProfile) -> Iterator[BranchWriter]:
    writer = BranchWriter(profile)
    yield writer
    writer.close()


def pictures(colour: tuple[int, int, int], names: tuple[str, ...] = NAMES) -> dict[str, Pixels]:
    return {name: np.full((64, 64, 3), colour, dtype=np.uint8) for name in names}


def test_an_instruct_model_is_asked_in_its_own_form_without_thinking(
    profile: WriterProfile, folder: Path
) -> None:
    weights = LlamaWeights(profile.model)
    asked = weights.detokenize(WriterPrompt(profile, weights, 4096).of(REQUEST).tokens)
    assert asked.startswith("<|im_start|>user\n") and "red train in fog" in asked
    assert asked.endswith("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
    weights.close()
    bare = replace(profile, model=small_writers.instruct(folder / "bare.gguf", None))
    for writes in (bare, replace(bare, parallel=False)):
        with pytest.raises(ModelUnavailable, match=r"bare\.gguf has no chat template"):
            open_writer(writes)
    open_writer(replace(bare, chat=False)).close()


def test_categories_are_written_side_by_side(writer: BranchWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    texts: list[int] = []
    step = LlamaBranches.step

    def watched(branches: LlamaBranches, tokens: Mapping[int, int]) -> dict[int, Logits]:
        texts.append(len(tokens))
        return step(branches, tokens)

    monkeypatch.setattr(LlamaBranches, "step", watched)
    found = writer.write(REQUEST, never, lambda done, total: counted.append(done))
    assert counted == list(range(26))
    assert set(texts) >= {1, 5}, "the names of the categories one after another, then all five together"
    assert texts == sorted(texts[: texts.index(5)]) + sorted(texts[texts.index(5) :], reverse=True)
    assert len({candidate.prompt.casefold() for candidate in found}) == 25
    names = [candidate.category for candidate in found]
    assert len(set(names)) == 5 and names == [name for name in names[::5] for _ in range(5)]
    assert REQUEST.current_prompt not in {candidate.prompt for candidate in found}
    assert all(1 <= len(candidate.prompt.split()) <= REQUEST.max_words for candidate in found)


def test_the_same_request_gives_the_same_candidates(writer: BranchWriter, profile: WriterProfile) -> None:
    first = writer.write(REQUEST, never, ignore)
    assert writer.write(replace(REQUEST, seed=8), never, ignore) != first
    fresh = BranchWriter(profile)
    assert fresh.write(REQUEST, never, ignore) == first == writer.write(REQUEST, never, ignore)
    fresh.close()
    for form in (CandidateForm(1, 4), CandidateForm(9, 2)):
        assert len(writer.write(replace(REQUEST, form=form), never, ignore)) == form.total


@pytest.mark.parametrize("after", [0, 7])
def test_stopping_leaves_the_writer_usable(writer: BranchWriter, after: int) -> None:
    expected = writer.write(REQUEST, never, ignore)
    count = 0

    def progress(done: int, total: int) -> None:
        nonlocal count
        count = done

    with pytest.raises(Cancelled):
        writer.write(REQUEST, lambda: count >= after, progress)
    assert count == after
    assert writer.write(REQUEST, never, ignore) == expected


def test_a_context_that_overflows_ends_in_one_line(profile: WriterProfile) -> None:
    small = BranchWriter(replace(profile, context=320))
    with pytest.raises(PastaError, match="context of 320 tokens is full"):
        small.write(replace(REQUEST, turns=(), form=CandidateForm(5, 20)), never, ignore)
    assert len(small.write(replace(REQUEST, turns=(), form=CandidateForm(2, 2)), never, ignore)) == 4
    small.close()


def test_texts_behind_a_shared_beginning_are_what_they_are_alone(profile: WriterProfile) -> None:
    alone = LlamaModel(profile.model, 512, 1)
    together = LlamaBranches(alone, 3, 512, 1, None)
    beginning = alone.tokenize("* light\n- a red train in the snow")
    texts = {0: alone.tokenize(" at night in the"), 2: alone.tokenize(" by the sea at")}
    together.share([beginning], never)
    for branch in texts:
        together.fork(branch)
    length = min(map(len, texts.values()))
    rows = [
        together.step({branch: tokens[place] for branch, tokens in texts.items()}) for place in range(length)
    ]
    together.rewind(0, 1)
    again = [together.step({0: texts[0][place]})[0] for place in range(1, length)]
    for branch, tokens in texts.items():
        alone.clear()
        alone.feed(beginning, never)
        for place in range(length):
            alone.feed(tokens[place : place + 1], never)
            expected = alone.logits()
            known = np.isfinite(expected)
            np.testing.assert_allclose(rows[place][branch][known], expected[known], atol=0.05)
            if branch == 0 and place:
                np.testing.assert_allclose(again[place - 1][known], expected[known], atol=0.05)
    together.close()
    alone.close()


@pytest.mark.parametrize(("model", "eyes"), [("instruct", "llava"), ("turning", "qwen")])
def test_a_writer_with_eyes_writes_by_what_it_sees(
    profile: WriterProfile, folder: Path, model: str, eyes: str
) -> None:
    sees = replace(
        profile,
        model=folder / f"{model}.gguf",
        mmproj=folder / f"{eyes}.gguf",
        template=folder / "seeing.txt",
        image_tokens=64,
    )
    writer = open_writer(sees)
    request = replace(REQUEST, form=CandidateForm(2, 2))
    notes: list[str] = []

    def written(shown: dict[str, Pixels]) -> tuple[Candidate, ...]:
        found = writer.write(request, never, ignore, pictures=shown, note=notes.append)
        assert len(found) == 4
        return found

    red = written(pictures((250, 0, 0)))
    assert written(pictures((0, 0, 250))) != red != written({})
    assert written(pictures((250, 0, 0))) == red
    assert not notes
    writer.close()


def test_what_the_context_does_not_hold_is_not_seen_and_said(profile: WriterProfile, folder: Path) -> None:
    sees = replace(profile, mmproj=folder / "llava.gguf", template=folder / "seeing.txt", context=1024)
    prompts = [tuple(f"{prompt} {turn}" for prompt in SHOWN.prompts) for turn in range(4)]
    turns = tuple(replace(SHOWN, prompts=shown) for shown in prompts)
    request = replace(REQUEST, turns=turns, form=CandidateForm(1, 2))
    names = (INITIAL, *(picture_name(turn + 1, column) for turn in range(4) for column in range(4)))
    shown = pictures((9, 9, 9), names)
    weights = LlamaWeights(sees.model)
    prompt = WriterPrompt(sees, weights, 1024).of(request, shown, lambda picture: 50)
    seen = sum(not isinstance(part, list) for part in prompt.parts)
    assert 0 < seen < 17 and seen % 4 == 0 and prompt.left_out == 17 - seen
    texts = [weights.detokenize(part) for part in prompt.parts if isinstance(part, list)]
    assert all(text.endswith("Its images: ") for text in texts[:-1])
    assert "red train in fog 3" in texts[-3] and "red boat 3" in texts[-2]
    weights.close()
    narrow = BranchWriter(replace(sees, context=512))
    notes: list[str] = []
    narrow.write(request, never, ignore, pictures=shown, note=notes.append)
    assert "the writer does not see the oldest images: its context holds no more (writer.context)" in notes
    narrow.close()


def session(turns: int) -> WriteRequest:
    """What is asked of a writer in a later turn of a session."""
    prompts = [tuple(f"{prompt} {turn}" for prompt in SHOWN.prompts) for turn in range(turns)]
    shown = tuple(replace(SHOWN, prompts=texts) for texts in prompts)
    return replace(REQUEST, turns=shown, form=CandidateForm(1, 2))


@pytest.mark.parametrize("kind", ["one by one", "side by side", "slots"])
def test_turns_that_the_context_does_not_hold_are_said_in_every_turn_alike(
    profile: WriterProfile, kind: str
) -> None:
    narrow = replace(profile, context=256, parallel=kind == "side by side")
    notes: list[str] = []
    if kind == "slots":
        slots = SlotWriter(narrow, 2)

        def write(request: WriteRequest) -> None:
            found: list[tuple[Candidate, ...] | PastaError] = []
            slots.begin(request, never, ignore, found.append, notes.append)
            while not found:
                slots.advance()
            assert isinstance(found[0], tuple) and len(found[0]) == 2

        close = slots.close
    else:
        writer = open_writer(narrow)

        def write(request: WriteRequest) -> None:
            assert len(writer.write(request, never, ignore, note=notes.append)) == 2

        close = writer.close
    write(session(1))
    assert not notes
    for turns in (4, 5, 6):
        write(session(turns))
    close()
    assert notes == ["the writer forgets the oldest turns: its context holds no more (writer.context)"] * 3


def test_images_that_the_context_does_not_hold_are_said_in_every_turn_alike(
    profile: WriterProfile, folder: Path
) -> None:
    sees = replace(profile, mmproj=folder / "llava.gguf", template=folder / "seeing.txt", context=320)
    writer = open_writer(sees)
    notes: list[str] = []
    for turns in (2, 3, 4):
        columns = [picture_name(turn + 1, column) for turn in range(turns) for column in range(4)]
        shown = pictures((9, 9, 9), (INITIAL, *columns))
        writer.write(session(turns), never, ignore, pictures=shown, note=notes.append)
    writer.close()
    said = "the writer does not see the oldest images: its context holds no more (writer.context)"
    assert notes.count(said) == 3


def test_eyes_of_another_model_are_named(profile: WriterProfile, folder: Path) -> None:
    wide = small_writers.llava_eyes(folder / "wide.gguf", width=256)
    short = folder / "short.gguf"
    short.write_bytes((folder / "llava.gguf").read_bytes()[:9000])
    for file, said in (
        (wide, r"wide\.gguf belongs to another model than instruct\.gguf"),
        (short, r"short\.gguf does not load"),
        (profile.model, r"instruct\.gguf does not load"),
        (folder / "absent.gguf", r"absent\.gguf is missing"),
    ):
        with pytest.raises(ModelUnavailable, match=said) as caught:
            BranchWriter(replace(profile, mmproj=file))
        assert caught.value.exit_code == 3 and "\n" not in caught.value.message


def test_weights_that_compute_no_number_are_named(profile: WriterProfile, folder: Path) -> None:
    broken = small_writers.instruct(folder / "nan.gguf", damage="output_norm.weight")
    with pytest.raises(ModelUnavailable, match=r"nan\.gguf computes no number"):
        open_writer(replace(profile, model=broken)).write(REQUEST, never, ignore)


def test_a_whole_answer_under_one_grammar_keeps_the_form(profile: WriterProfile) -> None:
    weights = LlamaWeights(profile.model)
    rng = np.random.default_rng(5)
    grammar = weights.grammar(answer_grammar(CandidateForm(2, 2), 3))
    text = ""
    while text.count("\n") < 6:
        logits = rng.normal(0, 3, weights.vocabulary).astype(np.float32)
        token = sample_nucleus(logits, grammar.allowed, rng, nucleus=0.9)
        grammar.accept(token)
        text += weights.detokenize([token])
    lines = text.splitlines()
    assert [line[:2] for line in lines] == ["* ", "- ", "- "] * 2
    assert all(1 <= len(line.split()) - 1 <= 3 for line in lines if line[0] == "-")
    weights.close()
