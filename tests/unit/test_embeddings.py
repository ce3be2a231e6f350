"""The embedding store: found by content, kept through every stop, never mixed between encoders."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

from pasta_core.data.embeddings import EmbeddingStore, encoder_fingerprint, shelf_folder, text_hash
from pasta_core.data.embeddings_shards import Header
from pasta_core.data.embeddings_writer import writing
from pasta_core.errors import InvalidInput, ModelUnavailable, StorageError

ENCODER = "ab" * 32
D = 5


def header(kind: str = "image", shard_rows: int = 4, dtype: str = "float16") -> Header:
    return Header(ENCODER, kind, D, dtype, shard_rows)


def keys(numbers: list[int]) -> list[str]:
    return [text_hash(f"item {number}") for number in numbers]


def vectors(numbers: list[int]) -> np.ndarray:
    return np.array([[number, -number, number / 4, 1, 0] for number in numbers], np.float32).reshape(-1, D)


def put(root: Path, numbers: list[int], **options: object) -> None:
    with writing(root, header(**options)) as writer:  # type: ignore[arg-type]
        writer.add(keys(numbers), vectors(numbers))


def files(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()
    }


def test_what_is_put_is_found_by_its_hash(tmp_path: Path) -> None:
    put(tmp_path, list(range(11)))
    shelf = EmbeddingStore(tmp_path, ENCODER).images
    assert len(shelf) == 11
    assert shelf.dimension == D
    asked = [7, 0, 99, 10, 7]
    assert shelf.find(keys(asked)).tolist() == [7, 0, -1, 10, 7]
    assert shelf.missing(keys([99, 3, 98, 99])) == keys([99, 98])
    with pytest.raises(StorageError, match="1 of 5"):
        shelf.rows(keys(asked))
    rows = shelf.rows(keys([7, 0]))
    assert np.array_equal(shelf.gather(rows), vectors([7, 0]))
    assert shelf.gather([[1, 2], [9, 4]]).shape == (2, 2, D)
    assert np.array_equal(shelf.gather([[1, 2], [9, 4]])[1, 0], vectors([9])[0])
    assert shelf.gather(rows).dtype == np.float32
    assert shelf.gather(rows, np.float16).dtype == np.float16
    assert np.array_equal(shelf.array, vectors(list(range(11))).astype(np.float16))
    with pytest.raises(IndexError):
        shelf.gather([11])
    with pytest.raises(IndexError):
        shelf.gather([-1])


def test_a_shard_is_a_safetensors_file_that_others_can_read(tmp_path: Path) -> None:
    put(tmp_path, [0, 1, 2, 3, 4])
    folder = shelf_folder(tmp_path, ENCODER, "float16", "image")
    shards = sorted(folder.glob("*.safetensors"))
    assert [len(load(shard.read_bytes())["vectors"]) for shard in shards] == [4, 1]
    first = load(shards[0].read_bytes())
    assert first["keys"][2].tobytes().hex() == keys([2])[0]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [entry["sha256"] for entry in manifest["shards"]] == [
        hashlib.sha256(shard.read_bytes()).hexdigest() for shard in shards
    ]


@settings(max_examples=25)
@given(
    batches=st.lists(st.lists(st.integers(0, 30), max_size=9), max_size=6),
    stops=st.lists(st.booleans(), min_size=6, max_size=6),
    flushes=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_files_depend_on_rows_and_order_alone(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], stops: list[bool], flushes: list[bool]
) -> None:
    whole, cut = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    put(whole, [number for batch in batches for number in batch])
    position = 0
    while position < max(1, len(batches)):
        with writing(cut, header()) as writer:
            while position < len(batches):
                writer.add(keys(batches[position]), vectors(batches[position]))
                if flushes[position]:
                    writer.flush()
                position += 1
                if stops[position - 1]:
                    break
        position = max(position, 1)
    assert files(whole) == files(cut)
    order = list(dict.fromkeys(number for batch in batches for number in batch))
    shelf = EmbeddingStore(cut, ENCODER).images
    if order:
        assert np.array_equal(shelf.gather(shelf.rows(keys(order))), vectors(order))
        assert shelf.rows(keys(order)).tolist() == list(range(len(order)))


def test_what_was_flushed_survives_an_error_and_the_rest_does_not(tmp_path: Path) -> None:
    def fail() -> None:
        with writing(tmp_path, header()) as writer:
            writer.add(keys([0, 1]), vectors([0, 1]))
            writer.flush()
            assert writer.durable == 2
            writer.add(keys([2]), vectors([2]))
            assert keys([2])[0] in writer
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert EmbeddingStore(tmp_path, ENCODER).images.find(keys([0, 1, 2])).tolist() == [0, 1, -1]


def test_leftovers_of_a_kill_are_swept(tmp_path: Path) -> None:
    put(tmp_path, [0, 1])
    folder = shelf_folder(tmp_path, ENCODER, "float16", "image")
    before = files(tmp_path)
    (folder / ".000001-abc.safetensors.99.tmp").write_bytes(b"half")
    (folder / "000001-0123456789ab.safetensors").write_bytes(b"never named")
    put(tmp_path, [])
    assert files(tmp_path) == before


def test_encoders_kinds_and_types_never_meet(tmp_path: Path) -> None:
    put(tmp_path, [0])
    assert len(EmbeddingStore(tmp_path, "cd" * 32).images) == 0
    assert len(EmbeddingStore(tmp_path, ENCODER).texts) == 0
    assert len(EmbeddingStore(tmp_path, ENCODER, "float32").images) == 0
    near = ENCODER[:16] + "0" * 48
    with pytest.raises(StorageError, match="another encoder"):
        EmbeddingStore(tmp_path, near).shelf("image")
    with (
        pytest.raises(StorageError, match="another encoder"),
        writing(tmp_path, Header(near, "image", D, "float16")),
    ):
        pass
    with pytest.raises(InvalidInput):
        EmbeddingStore(tmp_path, ENCODER, "int8")


def test_float32_is_exact_and_numbers_too_large_for_float16_are_refused(tmp_path: Path) -> None:
    row = np.array([[1e-7, 1e6, 1 / 3, 0, 0]], np.float32)
    with writing(tmp_path, header(dtype="float32")) as writer:
        writer.add(keys([0]), row)
    assert np.array_equal(EmbeddingStore(tmp_path, ENCODER, "float32").images.gather([0]), row)
    with pytest.raises(StorageError, match="not finite"), writing(tmp_path, header()) as writer:
        writer.add(keys([0]), row)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "no header"])
def test_a_damaged_shard_is_refused_or_redone(tmp_path: Path, damage: str) -> None:
    put(tmp_path, list(range(10)))
    folder = shelf_folder(tmp_path, ENCODER, "float16", "image")
    shard = sorted(folder.glob("000001-*"))[0]
    data = shard.read_bytes()
    match damage:
        case "cut":
            shard.write_bytes(data[:-3])
        case "changed":
            shard.write_bytes(data[:-3] + bytes(255 - byte for byte in data[-3:]))
        case "gone":
            shard.unlink()
        case _:
            shard.write_bytes(b"\xff" * len(data))
    if damage != "changed":  # a reader trusts the bytes of a shard whose shape is right
        with pytest.raises(StorageError) as caught:
            EmbeddingStore(tmp_path, ENCODER).shelf("image")
        assert "pasta data embed" in caught.value.hint
    lost: list[int] = []
    with writing(tmp_path, header(), dropped=lost.append) as writer:
        assert [number for number in range(10) if keys([number])[0] not in writer] == [4, 5, 6, 7]
        writer.add(keys([4, 5, 6, 7]), vectors([4, 5, 6, 7]))
    assert lost == [4]
    shelf = EmbeddingStore(tmp_path, ENCODER).images
    assert np.array_equal(shelf.gather(shelf.rows(keys(list(range(10))))), vectors(list(range(10))))


def test_shards_are_read_only_where_they_are_to_be_verified(tmp_path: Path) -> None:
    put(tmp_path, list(range(10)))
    shards = sorted(shelf_folder(tmp_path, ENCODER, "float16", "image").glob("*.safetensors"))
    data = shards[0].read_bytes()
    shards[0].write_bytes(data[:-1] + bytes([255 - data[-1]]))
    shards[1].write_bytes(data[:-1])
    lost: list[int] = []
    with writing(tmp_path, header(), dropped=lost.append, verify=False):
        pass
    with writing(tmp_path, header(), dropped=lost.append):
        pass
    assert lost == [4, 4]
    assert len(EmbeddingStore(tmp_path, ENCODER).images) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other", "version": 1}', '{"format": 3}'])
def test_a_damaged_manifest_is_one_clear_error(tmp_path: Path, text: str) -> None:
    put(tmp_path, [0])
    (shelf_folder(tmp_path, ENCODER, "float16", "image") / "manifest.json").write_text(text)
    with pytest.raises(StorageError, match=r"manifest\.json"):
        EmbeddingStore(tmp_path, ENCODER).shelf("image")
    with pytest.raises(StorageError, match=r"manifest\.json"):
        put(tmp_path, [1])


def test_a_second_writer_waits_and_sees_what_the_first_wrote(tmp_path: Path) -> None:
    waits, seen = threading.Event(), []

    def second() -> None:
        with writing(tmp_path, header(), waiting=waits.set) as writer:
            seen.append(keys([0])[0] in writer)

    with writing(tmp_path, header()) as writer:
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(30)
        writer.add(keys([0]), vectors([0]))
    thread.join(30)
    assert seen == [True]


def test_a_reader_keeps_its_snapshot_while_the_store_grows(tmp_path: Path) -> None:
    put(tmp_path, [0, 1])
    shelf = EmbeddingStore(tmp_path, ENCODER).images
    put(tmp_path, [2, 3, 4])
    assert len(shelf) == 2
    assert np.array_equal(shelf.gather([1]), vectors([1]))
    later = EmbeddingStore(tmp_path, ENCODER).images
    assert later.rows(keys([0, 1])).tolist() == [0, 1]
    assert len(later) == 5


def test_a_fingerprint_is_that_of_the_models_files(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text("{}")
    (folder / "open_clip_model.safetensors").write_bytes(b"weights")
    first = encoder_fingerprint(folder)
    (folder / "README.md").write_text("about it")
    (folder / "bars.json").write_text("{}")
    assert encoder_fingerprint(folder) == first
    (folder / "tokenizer.json").write_text("{}")
    second = encoder_fingerprint(folder)
    (folder / "open_clip_model.safetensors").write_bytes(b"other weights")
    assert len({first, second, encoder_fingerprint(folder)}) == 3
    with pytest.raises(ModelUnavailable):
        encoder_fingerprint(tmp_path)
