"""Parquet files of a data set: rows in small batches, and single cells of large columns when needed."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pasta_core.data.images import UnreadableImage, said
from pasta_core.data.records import Tally
from pasta_core.errors import InvalidInput

__all__ = ["DAMAGED", "ParquetCells", "open_parquet", "parquet_rows"]

ROWS_AT_ONCE = 512
CELLS_AT_ONCE = 16
BUFFER = 1 << 20

DAMAGED = (pa.ArrowException, OSError, ValueError, MemoryError)
"""What reading a damaged Parquet file raises."""


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a file; what is no Parquet is `InvalidInput`. Columns are read through a small buffer."""
    try:
        return pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    except DAMAGED as error:
        raise InvalidInput(f"{path} is no Parquet file that can be read ({said(error)})") from error


def parquet_rows(
    path: Path, columns: Sequence[str] | None, tally: Tally
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row as its number and a dictionary; rows of a damaged row group are counted and left out.

    Timestamps come as microseconds since 1970.
    """
    with open_parquet(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            rows, done = file.metadata.row_group(group).num_rows, 0
            try:
                for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=columns):
                    for row in _dates_as_numbers(batch).to_pylist():
                        yield start + done, row
                        done += 1
            except DAMAGED as error:
                tally.skip("damaged Parquet pages", max(rows - done, 1))
                tally.note(f"{path.name} is damaged in row group {group} ({said(error)})")
            start += rows


def _dates_as_numbers(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Timestamps as microseconds: Python's have no nanoseconds, and pyarrow refuses to drop them."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type):
            whole = pa.timestamp("us", tz=field.type.tz)
            numbers = batch.column(place).cast(whole, safe=False).cast(pa.int64())
            batch = batch.set_column(place, field.name, numbers)
    return batch


class ParquetCells:
    """Cells of some columns of one file, fetched in bounded memory; fastest in the order of the rows."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = list(columns)
        self._lock = threading.Lock()
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.RecordBatch | None = None
        self._start = 0
        self._group = -1

    def read(self, row: int, column: str) -> bytes | None:
        """The bytes of one cell; None where it is empty. Raises `UnreadableImage`."""
        try:
            with self._lock:
                value = self._seek(row).column(column)[row - self._start].as_py()
        except (*DAMAGED, StopIteration, KeyError) as error:
            self._group = -1
            raise UnreadableImage(f"row {row} of {self._path} cannot be read ({said(error)})") from error
        # Hugging Face's image type is a struct, plain exports have the bytes themselves.
        value = value.get("bytes") if isinstance(value, dict) else value
        return value if isinstance(value, bytes) and value else None

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return open_parquet(self._path)

    @cached_property
    def _group_starts(self) -> list[int]:
        starts, start = [], 0
        for group in range(self._file.num_row_groups):
            starts.append(start)
            start += self._file.metadata.row_group(group).num_rows
        return starts

    def _seek(self, row: int) -> pa.RecordBatch:
        group = bisect_right(self._group_starts, row) - 1
        if group != self._group or self._batch is None or row < self._start:
            self._group, self._batch = group, None
            self._start = self._group_starts[group]
            self._batches = self._file.iter_batches(CELLS_AT_ONCE, row_groups=[group], columns=self._columns)
        while self._batch is None or row >= self._start + len(self._batch):
            self._start += 0 if self._batch is None else len(self._batch)
            self._batch = next(self._batches)
        return self._batch
