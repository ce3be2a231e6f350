"""Images that nobody can have meant: none of them becomes a file that looks whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.errors import ModelUnavailable
from pasta_core.painter.faults import refuse_faulty
from pasta_core.painter.previewing import to_pixels


def second_of_two(brightest: float, dtype: torch.dtype = torch.float32) -> tuple[bool, str]:
    """Whether it is black as a file, and what is said of an image whose brightest value is that."""
    images = torch.full((2, 3, 8, 8), -1.5, dtype=dtype)
    images[0] = 0.3
    images[1, 2, 3, 4] = brightest
    black = not to_pixels(images)[1].any()
    try:
        refuse_faulty(torch.zeros(2, 4, 1, 1), images, ["image 1", "image 2"])
    except ModelUnavailable as error:
        return black, error.message
    return black, ""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_an_image_is_black_where_every_byte_of_it_is_zero(dtype: torch.dtype) -> None:
    for value in (-1.0, -0.997):
        assert second_of_two(value, dtype) == (True, "the painter painted image 2 black all over")
    assert second_of_two(-0.99, dtype) == (False, "")


@given(st.floats(-1.25, -0.75, width=32))
def test_black_is_what_the_file_holds(brightest: float) -> None:
    black, said = second_of_two(brightest)
    assert black == bool(said)
