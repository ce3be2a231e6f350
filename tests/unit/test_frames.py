"""The wire format: any message survives any cutting of the stream, and garbage is named, never guessed at."""

from __future__ import annotations

import io

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.errors import WorkerError
from pasta_core.worker import frames
from pasta_core.worker.frames import FrameDecoder, decode_frames, encode_frame, read_frames

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
messages = st.tuples(
    st.dictionaries(st.text(max_size=8), json_values, max_size=4),
    st.dictionaries(
        st.text(max_size=8),
        hnp.arrays(
            st.sampled_from(sorted(frames.DTYPES)), hnp.array_shapes(min_dims=0, min_side=0, max_side=5)
        ),
        max_size=3,
    ),
)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@given(st.lists(messages, min_size=1, max_size=4), st.lists(st.integers(1, 400), max_size=30))
def test_messages_survive_any_cutting(sent: list, cuts: list[int]) -> None:
    stream = b"".join(encode_frame(data, arrays) for data, arrays in sent)
    decoder = FrameDecoder()
    received = []
    for size in cuts:
        received += decoder.feed(stream[:size])
        stream = stream[size:]
    received += decoder.feed(stream)
    assert len(received) == len(sent)
    for (data, arrays), frame in zip(sent, received, strict=True):
        assert frame.data == data
        assert list(frame.arrays) == list(arrays)
        assert all(same(frame.arrays[name], array) for name, array in arrays.items())
    assert decoder.pending == 0


@given(st.binary(max_size=300), st.integers(1, 50))
def test_a_banner_before_the_first_frame_is_skipped(banner: bytes, step: int) -> None:
    banner = banner.replace(frames.MAGIC, b"")
    if frames.MAGIC in banner + frames.MAGIC[:-1]:
        return
    stream = banner + encode_frame({"kind": "hello"})
    decoder = FrameDecoder()
    received = [frame for at in range(0, len(stream), step) for frame in decoder.feed(stream[at : at + step])]
    assert [frame.data for frame in received] == [{"kind": "hello"}]
    assert decoder.preamble == " ".join(
        "".join(c if c.isprintable() else " " for c in banner.decode("utf-8", "replace")).split()
    )


@given(st.binary(min_size=1, max_size=60))
def test_garbage_after_a_frame_never_becomes_a_message(garbage: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame({"kind": "hello"}))
    if frames.MAGIC.startswith(garbage[:5]):
        return
    with pytest.raises(WorkerError, match="broke the protocol"):
        decoder.feed(garbage + bytes(frames.PREFIX.size))


def test_an_endless_banner_is_an_error_in_one_line() -> None:
    decoder = FrameDecoder()
    with pytest.raises(WorkerError, match="no pasta worker") as caught:
        decoder.feed(b"Welcome to \x1b[1mgpubox\x1b[0m\n" * 3000)
    assert "\n" not in caught.value.message
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("prefix", "complaint"),
    [
        (frames.PREFIX.pack(frames.MAGIC, 9, 2, 0), "frame format 9"),
        (frames.PREFIX.pack(frames.MAGIC, 1, frames.MAX_HEADER + 1, 0), "over the limit"),
        (frames.PREFIX.pack(frames.MAGIC, 1, 2, frames.MAX_PAYLOAD + 1), "over the limit"),
        (frames.PREFIX.pack(frames.MAGIC, 1, 2, 0) + b"[]", "cannot be read"),
        (frames.PREFIX.pack(frames.MAGIC, 1, 3, 0) + b"\xff\xff\xff", "cannot be read"),
        (frames.PREFIX.pack(frames.MAGIC, 1, 23, 4) + b'{"data":{},"arrays":[]}' + b"1234", "cannot be read"),
    ],
)
def test_a_broken_frame_is_named(prefix: bytes, complaint: str) -> None:
    with pytest.raises(WorkerError, match=complaint):
        decode_frames(prefix)


@pytest.mark.parametrize("dtype", ["object", "uint8", "float99"])
@pytest.mark.parametrize("shape", [[-1], [2**40, 2**40], [3]])
def test_an_array_that_does_not_fit_its_payload_is_refused(dtype: str, shape: list[int]) -> None:
    header = b'{"data":{},"arrays":[{"name":"a","dtype":"%s","shape":%s}]}' % (
        dtype.encode(),
        str(shape).encode(),
    )
    with pytest.raises(WorkerError, match="cannot be read"):
        decode_frames(frames.PREFIX.pack(frames.MAGIC, 1, len(header), 2) + header + b"ab")


def test_limits_hold_when_sending() -> None:
    with pytest.raises(ValueError, match="over the limit"):
        encode_frame({"text": "x" * frames.MAX_HEADER})
    with pytest.raises(ValueError, match="the wire carries"):
        encode_frame({}, {"names": np.array(["a"])})


def test_a_stream_is_read_to_its_end() -> None:
    whole = encode_frame({"n": 1}) + encode_frame({"n": 2}, {"a": np.arange(5, dtype=np.int64)})
    assert [frame.data["n"] for frame in read_frames(io.BytesIO(whole))] == [1, 2]
    assert [frame.data["n"] for frame in read_frames(io.BytesIO(whole[:-1]))] == [1]
    with pytest.raises(WorkerError, match="ends inside"):
        decode_frames(whole[:-1])
