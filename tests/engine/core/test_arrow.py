"""Columns between numpy and Arrow without pandas."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.core.arrow import to_arrow, to_numpy, to_strings

KINDS = [pa.bool_(), pa.uint8(), pa.int32(), pa.int64(), pa.float32(), pa.float64()]


@settings(deadline=None)
@given(values=st.lists(st.integers(0, 1), max_size=40), kind=st.sampled_from(KINDS), cut=st.integers(0, 40))
def test_columns_convert_as_arrow_would(values: list[int], kind: pa.DataType, cut: int) -> None:
    """Both ways equal pyarrow's own conversion, slices that begin inside a byte included."""
    kind_of = kind.to_pandas_dtype()
    column = pa.array(np.array(values).astype(kind_of), kind)

    assert to_arrow(np.array(values, dtype=kind_of), kind).equals(column)
    assert to_numpy(column[cut:]).tolist() == column[cut:].to_pylist()
    assert to_numpy(column[:cut]).dtype == kind_of


@settings(deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_strings_convert_as_arrow_would(texts: list[str]) -> None:
    """Empty and non-ASCII strings included."""
    assert to_strings(texts).equals(pa.array(texts, pa.string()))


@pytest.mark.parametrize("kind", KINDS)
def test_strided_arrays_are_laid_out(kind: pa.DataType) -> None:
    """A column of a table in memory is not contiguous; Arrow's is."""
    table = np.array([[0, 1], [1, 0], [1, 1]])

    assert to_arrow(table[:, 1], kind).to_pylist() == [1, 0, 1]
