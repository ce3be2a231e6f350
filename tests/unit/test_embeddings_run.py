"""Embedding a data set: each image and prompt once, whatever stops it in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pasta_core.data.embeddings import EmbeddingStore, text_hash
from pasta_core.data.embeddings_references import ImageRows, TextRows
from pasta_core.data.embeddings_run import EmbeddingJob, EmbeddingProgress, embed_source
from pasta_core.data.images import AbsentImage, EncodedImage, ImageReference, PixelImage
from pasta_core.data.records import Kind, SessionRecord, SessionTurn, Tally
from tests.support.data_sets import picture
from tests.support.embedding_job import DIMENSION, FINGERPRINT, Folder, Projection, embed, paint


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    paint(folder, 200)
    return folder


def files(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()
    }


def test_every_picture_is_embedded_once_and_found_without_being_opened(
    pictures: Path, tmp_path: Path
) -> None:
    encoder, store = Projection(), tmp_path / "store"
    summary = embed(pictures, store, encoder)
    assert (summary.images, summary.texts, summary.unreadable) == (200, 67, 1)
    assert encoder.images == summary.embedded_images == 198  # one is none, two are equal
    assert encoder.texts == 67
    references = [reference for record in Folder(pictures).records() for reference in record.images[:1]]
    opened = EmbeddingStore(store, FINGERPRINT)
    rows = ImageRows(opened, Folder(pictures))(references)
    assert rows[3] == -1
    assert rows[1] == rows[2]
    expected = Projection().embed_images([references[5].open()])
    assert np.allclose(opened.images.gather(rows[5:6]), expected, rtol=1e-3)
    assert TextRows(opened)(["prompt 3", "never seen"]).tolist() == [3, -1]
    again = Projection()
    assert embed(pictures, store, again).embedded_images == 0
    assert again.images == again.texts == 0


def test_a_picture_that_has_changed_is_embedded_again(pictures: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    embed(pictures, store, Projection())
    (pictures / "00003.png").write_bytes((pictures / "00007.png").read_bytes())
    (pictures / "00004.png").write_bytes((pictures / "00008.png").read_bytes())
    references = [reference for record in Folder(pictures).records() for reference in record.images[:1]]
    before = ImageRows(EmbeddingStore(store, FINGERPRINT), Folder(pictures))(references)
    assert (before[3], before[4]) == (-1, -1)
    embed(pictures, store, Projection())
    rows = ImageRows(EmbeddingStore(store, FINGERPRINT), Folder(pictures))(references)
    assert (rows[3], rows[4]) == (rows[7], rows[8])


@pytest.mark.parametrize("looks", [0, 1, 2, 3, 4, 5])
def test_a_stopped_run_keeps_its_work_and_goes_on_to_the_same_files(
    pictures: Path, tmp_path: Path, looks: int
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    embed(pictures, whole, Projection())
    left = iter([False] * looks)
    encoder = Projection()
    summary = embed(pictures, cut, encoder, stop=lambda: next(left, True))
    assert summary.stopped
    kept = EmbeddingStore(cut, FINGERPRINT)
    assert (len(kept.images), len(kept.texts)) == (encoder.images, encoder.texts)
    embed(pictures, cut, encoder)
    assert encoder.images == 198
    assert files(cut) == files(whole)


def test_progress_counts_to_the_end_and_says_how_long_it_takes(pictures: Path, tmp_path: Path) -> None:
    seconds, told = iter(range(1000)), list[EmbeddingProgress]()
    embed(pictures, tmp_path / "store", Projection(), clock=lambda: float(next(seconds)), report=told.append)
    images = [progress for progress in told if progress.kind == "image"]
    assert [progress.done for progress in images] == [64, 128, 192, 200]
    assert {progress.total for progress in images} == {200}
    assert images[-1].seconds_left == 0
    assert images[0].seconds_left == pytest.approx(136 / images[0].per_second)


@dataclass(frozen=True)
class Sessions:
    """One session of one turn with the given images."""

    images: tuple[ImageReference, ...]
    made_by: str
    path: Path = Path("sessions")
    prompt: str = "a cat"
    kind = Kind.SESSIONS
    splits = ("test",)

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[SessionRecord]:
        turn = SessionTurn(1, tuple((image,) for image in self.images), 0)
        yield SessionRecord("s", self.prompt, (turn,), "a", "a", profile="micro", encoder=self.made_by)


@pytest.mark.parametrize(("made_by", "ours"), [(FINGERPRINT, True), ("ab" * 32, False), ("", False)])
def test_what_a_session_carries_is_taken_over_if_the_encoder_made_it(
    tmp_path: Path, made_by: str, ours: bool
) -> None:
    pixels = np.full((2, 2, 3), 9, np.uint8)
    painted = PixelImage("painted", pixels=pixels, embedding=np.full(DIMENSION, 0.5, np.float32))
    named = PixelImage("named", pixels=pixels, known_sha256=painted.sha256, embedding=painted.embedding)
    absent = AbsentImage(
        "absent", known_sha256=text_hash("elsewhere"), embedding=np.full(DIMENSION, 2.0, np.float32)
    )
    encoder, source = Projection(), Sessions((named, absent), made_by)
    job = EmbeddingJob(tmp_path, encoder, FINGERPRINT, "float32", lambda: 0.0)
    summary = embed_source(job, source, None, Tally())
    store = EmbeddingStore(tmp_path, FINGERPRINT, "float32")
    rows = ImageRows(store, source)([named, absent])
    assert encoder.images == (0 if ours else 1)
    assert summary.unreadable == (0 if ours else 1)
    if ours:
        assert store.images.gather(rows)[:, 0].tolist() == [0.5, 2.0]
    else:
        assert np.array_equal(store.images.gather(rows[:1]), Projection().embed_images([pixels]))
        assert rows[1] == -1


def test_another_picture_under_the_same_name_is_read_again(tmp_path: Path) -> None:
    job = EmbeddingJob(tmp_path, Projection(), FINGERPRINT, "float16", lambda: 0.0)
    for shade in (0, 9):
        for image in (
            EncodedImage("row/0", picture(shade)),
            PixelImage("row/1", pixels=np.full((2, 2, 3), shade, np.uint8)),
        ):
            source = Sessions((image,), "")
            embed_source(job, source, None, Tally())
            store = EmbeddingStore(tmp_path, FINGERPRINT)
            assert ImageRows(store, source)([image]).tolist() == store.images.rows([image.sha256]).tolist()


def test_text_that_no_tokenizer_takes_is_embedded_under_its_own_name(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    half = "a cat \ud83d"
    source = Sessions((PixelImage("p", pixels=pixels),), "", prompt=half)
    job = EmbeddingJob(tmp_path, Projection(), FINGERPRINT, "float16", lambda: 0.0)
    embed_source(job, source, None, Tally())
    assert TextRows(EmbeddingStore(tmp_path, FINGERPRINT))([half, "a cat ?"]).tolist() == [0, -1]


def test_a_picture_that_is_not_what_the_data_says_is_not_found_under_its_name(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    wrong = PixelImage("wrong", pixels=pixels, known_sha256=text_hash("another"))
    source = Sessions((wrong,), "")
    job = EmbeddingJob(tmp_path, Projection(), FINGERPRINT, "float16", lambda: 0.0)
    assert embed_source(job, source, None, Tally()).unreadable == 1
    assert ImageRows(EmbeddingStore(tmp_path, FINGERPRINT), source)([wrong]).tolist() == [-1]
