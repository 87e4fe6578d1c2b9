"""Columns without missing values between numpy and Arrow, through their buffers.

pyarrow's own conversions import pandas wherever it is installed: a second before anything is compared, and 70 MB.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def to_numpy(column: pa.Array) -> NDArray[Any]:
    """View a boolean, integer or float column without nulls as (n,) values; booleans are copied."""
    _, data = column.buffers()
    size, offset = len(column), column.offset
    if data is None or not size:
        return np.empty(0, column.type.to_pandas_dtype())
    if pa.types.is_boolean(column.type):
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=offset + size, bitorder="little")
        return bits[offset:].view(np.bool_)
    kind = np.dtype(column.type.to_pandas_dtype())
    return np.frombuffer(data, kind, count=size, offset=offset * kind.itemsize)


def to_arrow(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Make (n,) values a column of that type, which must be boolean, integer or float."""
    if pa.types.is_boolean(kind):
        data = np.packbits(values.astype(np.bool_), bitorder="little")
    else:
        data = np.ascontiguousarray(values, kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(data)])


def to_strings(texts: Sequence[str]) -> pa.Array:
    """Make texts a column of strings."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))
