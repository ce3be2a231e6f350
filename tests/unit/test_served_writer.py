"""A writer behind an address: what it sends, what it makes of answers, and how a server can fail it."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from pasta_core.agent.answers import Gathering
from pasta_core.agent.pictures import contact_sheet, picture_name
from pasta_core.agent.requests import ShownTurn, WriteRequest
from pasta_core.agent.served_writer import ANSWERS, ServedWriter
from pasta_core.agent.writer import open_writer
from pasta_core.domain import CandidateForm
from pasta_core.errors import Cancelled, ModelUnavailable
from pasta_core.settings import WriterProfile
from tests.support.chat_server import FakeServer, serving, well_formed

TEMPLATE = Path(__file__).parents[2] / "assets" / "templates" / "writer.txt"
SHOWN = ShownTurn(("a cat at night", "a cat in fog", "a grey cat", "a cat, pop art"), 1, "darker")
REQUEST = WriteRequest("a cat", (), CandidateForm(), 20, seed=7)


def never() -> bool:
    return False


def ignore(done: int, total: int) -> None:
    del done, total


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    monkeypatch.setattr("pasta_core.agent.chat_server.PAUSE", 0.01)
    with serving(FakeServer()) as fake:
        yield fake


def writer(server: FakeServer, key: str = "", **changes: object) -> ServedWriter:
    profile = WriterProfile(Path(), TEMPLATE, url=server.url, timeout=5.0)
    return ServedWriter(replace(profile, **changes), key)  # type: ignore[arg-type]


def test_a_turn_is_asked_for_with_the_papers_sampling_and_a_grammar(server: FakeServer) -> None:
    heard: list[int] = []
    found = writer(server).write(REQUEST, never, lambda done, total: heard.append(done))
    assert [candidate.prompt for candidate in found] == [f"a cat in place {n}" for n in range(25)]
    assert [candidate.category for candidate in found[::5]] == [f"kind {n}" for n in range(5)]
    assert heard[0] == 0 and heard[-1] == 25 and heard == sorted(heard) and len(set(heard)) > 5
    (body,) = server.bodies
    assert body["model"] == "small.gguf" and body["stream"] is True
    assert (body["temperature"], body["top_p"], body["top_k"], body["min_p"]) == (1.0, 0.8, 0, 0.0)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["grammar"].startswith("root ::=") and '"a cat"' in body["messages"][0]["content"]
    again = replace(REQUEST, seed=8)
    writer(server).write(REQUEST, never, ignore)
    writer(server).write(again, never, ignore)
    seeds = [asked["seed"] for asked in server.bodies]
    assert seeds[0] == seeds[1] != seeds[2]
    assert set(server.paths) == {"/v1/models", "/v1/chat/completions"}


def test_vllm_is_told_of_the_grammar_in_its_own_way_and_others_not_at_all(server: FakeServer) -> None:
    server.owner = "vllm"
    writer(server, model=Path("small.gguf")).write(REQUEST, never, ignore)
    assert server.bodies[0]["structured_outputs"]["grammar"].startswith("root ::=")
    assert "grammar" not in server.bodies[0]
    server.owner = "somebody"
    writer(server).write(REQUEST, never, ignore)
    assert not {"grammar", "structured_outputs", "top_k"} & set(server.bodies[1])


def test_pictures_are_sent_where_they_belong(server: FakeServer) -> None:
    red = np.full((64, 64, 3), (200, 0, 0), dtype=np.uint8)
    pictures = {"0": red, picture_name(1, 2): red // 2}
    request = replace(REQUEST, turns=(SHOWN,))
    writer(server).write(request, never, ignore, pictures=pictures)
    assert isinstance(server.bodies[0]["messages"][0]["content"], str)
    writer(server, images=True).write(request, never, ignore, pictures=pictures)
    parts = server.bodies[1]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "text", "image_url", "text"]
    assert parts[0]["text"].endswith("The images of the initial prompt: ")
    assert '3. Prompt: "a grey cat"\nIts images: ' in parts[2]["text"]
    address = parts[3]["image_url"]["url"].removeprefix("data:image/png;base64,")
    sent = np.asarray(Pillow.open(io.BytesIO(base64.b64decode(address))))
    assert (sent == red // 2).all()


def test_a_contact_sheet_is_a_square_of_all_images() -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)]
    images = [np.full((40, 40, 3), colour, dtype=np.uint8) for colour in colours]
    sheet = contact_sheet(images, 64)
    assert sheet.shape == (64, 64, 3)
    corners = [sheet[8, 8], sheet[8, 56], sheet[56, 8], sheet[56, 56]]
    assert [tuple(map(int, corner)) for corner in corners] == colours
    assert contact_sheet(images[:1], 64).min(axis=(0, 1)).tolist() == [250, 0, 0]


@pytest.mark.parametrize("how", ["drop", "busy", "damaged"])
def test_what_breaks_off_is_asked_for_again(server: FakeServer, how: str) -> None:
    server.script = [how, how]
    assert len(writer(server).write(REQUEST, never, ignore)) == 25
    assert len(server.bodies) == 3


def test_an_answer_that_is_not_streamed_counts_too(server: FakeServer) -> None:
    server.script = ["whole"]
    assert len(writer(server).write(REQUEST, never, ignore)) == 25


def test_an_answer_that_stops_half_way_is_completed_by_the_next(server: FakeServer) -> None:
    server.script = ["long"]
    server.answers = [well_formed(3, words="a dog in place") + "* kind 9\n- a dog in pl"]
    found = writer(server).write(REQUEST, never, ignore)
    assert [candidate.prompt.split()[1] for candidate in found] == ["dog"] * 15 + ["cat"] * 10
    assert [candidate.category for candidate in found[::5]] == [f"kind {n}" for n in (0, 1, 2, 3, 4)]


def test_a_server_without_grammars_is_asked_without(server: FakeServer) -> None:
    server.script = ["nogrammar"]
    notes: list[str] = []
    asked = writer(server)
    assert len(asked.write(REQUEST, never, ignore, note=notes.append)) == 25
    assert "grammar" not in server.bodies[1] and len(notes) == 1
    asked.write(REQUEST, never, ignore, note=notes.append)
    assert "grammar" not in server.bodies[2] and len(notes) == 1


def test_a_history_beyond_the_context_loses_its_oldest_turns(server: FakeServer) -> None:
    server.script = ["context"]
    notes: list[str] = []
    first = replace(SHOWN, prompts=("a first cat", *SHOWN.prompts[1:]))
    writer(server).write(replace(REQUEST, turns=(first, SHOWN)), never, ignore, note=notes.append)
    before, after = (body["messages"][0]["content"] for body in server.bodies)
    assert "a first cat" in before and "a first cat" not in after and "a cat at night" in after
    assert len(notes) == 1 and "oldest turns" in notes[0]


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, I can't do that.",
        "",
        "- a cat\n" * 40,
        '{"prompts": ["a dog"]}',
        "<think>" + well_formed(),
    ],
)
def test_a_model_that_never_keeps_to_the_form_ends_in_one_clear_line(server: FakeServer, answer: str) -> None:
    server.answers = [answer] * 10
    with pytest.raises(ModelUnavailable, match="wrote 0 of 25 prompts in the template's form") as caught:
        writer(server).write(REQUEST, never, ignore)
    assert len(server.bodies) == ANSWERS and caught.value.exit_code == 3 and "\n" not in caught.value.message


def test_a_model_that_loops_is_cut_off(server: FakeServer) -> None:
    server.script = ["loop"]
    assert len(writer(server).write(replace(REQUEST, max_words=5), never, ignore)) == 25
    assert server.gone.wait(5)


@pytest.mark.parametrize("how", ["hang", "mute"])
def test_a_server_that_hangs_is_named(server: FakeServer, how: str) -> None:
    server.script = [how] * 3
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match=r"said nothing for 0\.5 s"):
        writer(server, timeout=0.5).write(REQUEST, never, ignore)
    assert time.monotonic() - began < 10 and len(server.bodies) == 1


def test_an_address_where_nobody_is_is_named(server: FakeServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ModelUnavailable, match=f"{url} cannot be reached") as caught:
        writer(server, url=url.replace("//", "//me:secret@")).write(REQUEST, never, ignore)
    assert caught.value.exit_code == 3 and "writer.url" in caught.value.hint
    assert not server.paths


def test_what_is_no_such_server_is_named(server: FakeServer) -> None:
    with pytest.raises(ModelUnavailable, match="OpenAI interface"):
        writer(server, url=f"{server.url}/elsewhere").write(REQUEST, never, ignore)
    server.script = ["html"]
    with pytest.raises(ModelUnavailable, match="OpenAI interface"):
        writer(server).write(REQUEST, never, ignore)


def test_keys_and_names_of_models_are_checked(server: FakeServer) -> None:
    server.key = "secret"
    with pytest.raises(ModelUnavailable, match="refuses the key") as caught:
        writer(server).write(REQUEST, never, ignore)
    assert "PASTA_WRITER_KEY" in caught.value.hint
    assert len(writer(server, "secret").write(REQUEST, never, ignore)) == 25
    server.owner, server.models = "vllm", ["one", "two"]
    with pytest.raises(ModelUnavailable, match="has 2 models: one, two"):
        writer(server, "secret").write(REQUEST, never, ignore)
    with pytest.raises(ModelUnavailable, match="has no model 'three'"):
        writer(server, "secret", model=Path("three")).write(REQUEST, never, ignore)
    writer(server, "secret", model=Path("two")).write(REQUEST, never, ignore)
    assert server.bodies[-1]["model"] == "two"


@pytest.mark.parametrize("key", ["TOP\rSECRET", "TOPSECRET\u00e9", "TOP\0SECRET"])
def test_what_can_be_no_key_is_refused_before_anything_prints_it(server: FakeServer, key: str) -> None:
    with pytest.raises(ModelUnavailable, match="PASTA_WRITER_KEY holds what no key can") as caught:
        writer(server, key).write(REQUEST, never, ignore)
    assert not server.paths
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_space_around_a_key_is_no_part_of_it(server: FakeServer) -> None:
    server.key = "secret"
    assert len(writer(server, " secret\r\n").write(REQUEST, never, ignore)) == 25


@pytest.mark.parametrize("how", ["hang", "mute", "loop"])
def test_stopping_takes_effect_at_once(server: FakeServer, how: str) -> None:
    # one that says too much is asked again, perhaps before it is stopped
    server.script = [how, "hang"]
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        writer(server, timeout=60.0).write(replace(REQUEST, max_words=200), stop.is_set, ignore)
    assert time.monotonic() - began < 10


def test_a_server_is_asked_only_where_one_is_named(server: FakeServer) -> None:
    assert isinstance(open_writer(WriterProfile(Path(), TEMPLATE, url=server.url)), ServedWriter)
    assert not server.paths


@pytest.mark.parametrize(
    ("answer", "prompts"),
    [
        ("* A\n- One cat.\n- two cats\n", ["One cat.", "two cats"]),
        ("### **A**\n1. **one** cat\n2) `two cats`\n", ["one** cat", "two cats"]),
        ("Sure!\n\n**A:**\n\n - one cat\n - two cats\n", ["one cat", "two cats"]),
        ('<think>* B\n- x\n- y\n</think>* A\n- "one" cat\n- two\x1b[31m cats\n', ["one' cat", "two cats"]),
        ("* A\n- one cat\n- ONE CAT.\n- a cat\n- one two three four five six\n- two cats\n- three\n", None),
    ],
)
def test_answers_are_read_as_models_write_them(answer: str, prompts: list[str] | None) -> None:
    gathered = Gathering(replace(REQUEST, form=CandidateForm(2, 2), max_words=5))
    gathered.add(answer)
    expected = ["one cat", "two cats"] if prompts is None else prompts
    assert [candidate.prompt for candidate in gathered.candidates] == expected
    assert {candidate.category for candidate in gathered.candidates} == {"A"}
    assert not gathered.done
    gathered.add(answer)
    assert len(gathered.candidates) == 2


def test_the_direct_form_gathers_prompts_one_by_one() -> None:
    gathered = Gathering(replace(REQUEST, form=CandidateForm(1, 3)))
    gathered.add("- one\n- two\n- one\n")
    assert not gathered.done
    gathered.add("- two\n- three\n- four\n")
    assert [candidate.prompt for candidate in gathered.candidates] == ["one", "two", "three"]
    assert gathered.done
