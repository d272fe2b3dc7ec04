"""Bitmaps become arrays and come back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from beacon.store.bitmaps import bitmap_of, numbers_in


@given(st.sets(st.integers(0, 2**32 - 1), max_size=50))
def test_a_bitmap_comes_back_from_its_numbers(rows: set[int]) -> None:
    bitmap = BitMap(rows)
    numbers = numbers_in(bitmap)
    assert numbers.dtype == np.uint32
    assert numbers.tolist() == sorted(rows)
    assert bitmap_of(numbers) == bitmap
    assert bitmap_of(numbers.astype(np.int64)) == bitmap
