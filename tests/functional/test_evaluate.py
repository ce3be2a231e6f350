"""`pasta data embed` and `pasta evaluate user-model`, with the shipped CLIP and small data sets."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.errors import Cancelled, InvalidInput, ModelUnavailable
from pasta_core.evaluation.user_model import METRICS
from pasta_core.paths import find_assets
from pasta_core.users.model_files import save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig
from pasta_tui.cli.app import run
from tests.support.preference_sets import write_hpd_test, write_planted_pickapic

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, a store and untrained models of 1 and 2 types."""
    root = tmp_path_factory.mktemp("evaluate")
    write_hpd_test(root / "hpd", 5)
    clip = encoder_fingerprint(find_assets() / "micro" / "clip")
    for types in (1, 2):
        torch.manual_seed(types)
        model = UserModel(UserModelConfig(dimension=96, types=types, clip=clip))
        save_user_model(model, root / "models" / str(types))
    torch.manual_seed(3)
    save_user_model(UserModel(UserModelConfig(dimension=96, types=2, clip="ab" * 32)), root / "foreign")
    return root


def pasta(place: Path, *arguments: str) -> int:
    return run([*arguments, "--store", str(place / "store")])


def test_embedding_says_what_it_did_and_does_it_once(place: Path, capsys: Capture) -> None:
    source = f"hpd:{place / 'hpd'}"
    assert pasta(place, "data", "embed", source, "--json") == 0
    captured = capsys.readouterr()
    (first,) = json.loads(captured.out)["sources"]
    assert (first["images"], first["texts"], first["unreadable"]) == (45, 5, 0)
    assert "images 45/45" in captured.err
    assert "/s" in captured.err
    assert pasta(place, "data", "embed", source) == 0
    captured = capsys.readouterr()
    assert "45 images (0 new)" in captured.out
    assert captured.out.splitlines()[-1] == str(place / "store")
    assert "loading CLIP" not in captured.err


def test_ctrl_c_keeps_what_was_embedded(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pasta_tui.cli import _embedding

    shown = _embedding.Embedder._show
    told = []

    def interrupted(self: object, progress: object) -> None:
        told.append(progress)
        os.kill(os.getpid(), signal.SIGINT)
        shown(self, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(_embedding.Embedder, "_show", interrupted)
    with pytest.raises(Cancelled) as caught:
        run(["data", "embed", f"hpd:{place / 'hpd'}", "--store", str(tmp_path)])
    assert "goes on" in caught.value.hint
    assert len(told) == 1
    assert list(tmp_path.rglob("*.safetensors"))


def test_every_metric_has_its_key(place: Path, capsys: Capture) -> None:
    arguments = ["evaluate", "user-model", str(place / "models" / "2"), "--data", f"hpd:{place / 'hpd'}"]
    assert pasta(place, *arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert tuple(document) == METRICS
    for metric in document.values():
        assert set(metric) == {"value", "ci95", "chance", "n"}
    assert document["hpd_spearman"]["n"] == 10
    assert document["hpd_accuracy"]["n"] == 5
    assert document["hpd_accuracy"]["chance"] == 0.5
    assert document["choice_nll"] == {"value": None, "ci95": None, "chance": None, "n": 0}
    assert pasta(place, *arguments, "--json", "--variants") == 0
    variants = json.loads(capsys.readouterr().out)
    assert {name: variants[name] for name in METRICS} == document
    assert variants["hpd_spearman_averaged"]["n"] == 5
    assert pasta(place, *arguments) == 0
    assert "HPD Spearman" in capsys.readouterr().out


def test_a_sweep_draws_its_curves_and_the_types_show_their_pictures(place: Path, capsys: Capture) -> None:
    data, figures = f"hpd:{place / 'hpd'}", place / "figures"
    command = ["evaluate", "user-model", "--sweep", str(place / "models"), "--types", "1,2", "--data", data]
    assert pasta(place, *command, "--out", str(figures), "--top-images", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["types"]) == ["1", "2"]
    assert [Path(path).name for path in document["figures"]] == [
        "user-types.png",
        "user-types.svg",
        "types.png",
        "types.png",
    ]
    assert all(Path(path).is_file() for path in document["figures"])
    assert (figures / "top-images-2" / "type-2.png").is_file()
    assert pasta(place, *command, "--out", str(figures)) == 0
    captured = capsys.readouterr()
    assert "2 types" in captured.out
    assert "●" in captured.err
    assert captured.out.splitlines()[-1] == str(figures / "user-types.svg")


@pytest.mark.parametrize(("population", "typed"), [("archetypes", True), ("continuous", False)])
def test_planted_raters_are_measured_against_what_they_are(
    place: Path, tmp_path: Path, capsys: Capture, population: str, typed: bool
) -> None:
    data = f"pickapic:{write_planted_pickapic(tmp_path / 'planted', population)}"
    command = ["evaluate", "user-model", "--sweep", str(place / "models"), "--types", "1,2", "--data", data]
    command += ["--planted", "--variants", "--out", str(tmp_path)]
    assert pasta(place, *command, "--json") == 0
    one, two = json.loads(capsys.readouterr().out)["types"].values()
    assert one["planted"]["gap_closed"]["value"] == 0
    assert two["planted"]["gap_closed"]["n"] == two["pickapic_accuracy"]["n"] > 100
    assert two["planted"]["oracle_accuracy"]["value"] > 0.8 > two["pickapic_accuracy"]["value"]
    assert two["pickscore_accuracy"]["n"] > 10
    for found in (one["planted"], two["planted"]):
        assert (
            (found["types_adjusted_rand"] is not None) == (found["bayes_adjusted_rand"] is not None) == typed
        )
    if typed:
        assert one["planted"]["types_adjusted_rand"] == 0 < one["planted"]["bayes_adjusted_rand"]
    assert pasta(place, *command) == 0
    assert one["planted"]["raters_sha256"][:12] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        (["models/2"], InvalidInput, "nothing to measure"),
        ([], InvalidInput, "MODEL or a --sweep"),
        (["models/2", "--sweep", "models"], InvalidInput, "not both"),
        (["--sweep", "models", "--types", "1,x"], InvalidInput, "numbers of types"),
        (["--sweep", "models", "--types", "1,16"], InvalidInput, "no model in"),
        (["models/2", "--data", "hpd:nowhere"], InvalidInput, "nowhere"),
        (["models/2", "--data", "hpd:hpd", "--split", "none"], InvalidInput, "no split"),
        (["models/2", "--data", "hpd:hpd", "--dtype", "int8"], InvalidInput, "int8"),
        (["models/2", "--data", "hpd:hpd", "--planted"], InvalidInput, "pickapic"),
        (["nothing", "--data", "hpd:hpd"], ModelUnavailable, "no user model"),
        (["foreign", "--data", "hpd:hpd"], ModelUnavailable, "another CLIP"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: type[Exception], word: str
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(error, match=word):
        pasta(place, "evaluate", "user-model", *arguments)
