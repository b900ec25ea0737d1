"""Parquet shards, here or far away: a chunk is a row group.  Taught in notebooks/14_pretraining.ipynb.

The footer of a parquet file says where each row group begins and how many rows it has.  So the lengths of all chunks
are known from the last kilobytes of every file, and one chunk is one read (about 10 MB on the hub: 100 photographs).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from vitedu_numpy.limits import check_limit, limit
from vitedu_numpy.weights.first_bytes import refuse_pointer, what_it_is

from .columns import Rows, columns_of, label_column, names_in, schema_features
from .retry import Retry

__all__ = ["ParquetShards", "check_repeats", "first_row", "parquet_schemas", "read_columns", "rows_in"]


def is_remote(file: str) -> bool:
    """hf://, https://, s3://, memory://: anything with a scheme."""
    return "://" in file


class ParquetShards:
    """The row groups of some parquet files, numbered through.  `features` is what the first file says of its columns.

    folder: as in `Rows`.  Raises ShardError for a file that is missing after all tries, ValueError for one that is no
    parquet or cut short.
    """

    def __init__(
        self, files, name: str, image=None, label=None, features=None, retry: Retry | None = None, folder=None,
    ):  # fmt: skip
        self.files, self.folder, self.footers, self.checked = list(files), folder, {}, set()
        self.remote = any(is_remote(f) for f in self.files)
        retry = retry or Retry()
        with ThreadPoolExecutor(16 if self.remote else 1) as pool:
            read = lambda file: retry(lambda: self._footer(file), file)  # noqa: E731
            footers = list(pool.map(read, self.files))
            if features is None:
                features = schema_features(footers[0].schema.to_arrow_schema(), self.files[0])
            schemas = zip(self.files, (footer.schema.to_arrow_schema() for footer in footers), strict=True)
            self.columns = columns_of(features, name, schemas, image, label)
            if self.columns.is_text:
                texts = lambda file: retry(lambda: self._labels(file), file)  # noqa: E731
                self.columns = self.columns._replace(class_names=names_in(pool.map(texts, self.files)))
        groups = [(f, g) for f, footer in enumerate(footers) for g in range(footer.num_row_groups)]
        self.groups = np.array(groups, np.int32).reshape(-1, 2)  # (chunks, 2): file, row group in it
        self.lengths = np.array([footers[f].row_group(g).num_rows for f, g in groups], np.int64)

    def __getstate__(self):
        return self.__dict__ | {"footers": {}, "checked": set()}

    def where(self, chunk: int) -> str:
        return self.files[self.groups[chunk, 0]]

    def load(self, chunk: int) -> Rows:
        file, group = self.files[self.groups[chunk, 0]], int(self.groups[chunk, 1])
        wanted = [self.columns.image, self.columns.label]  # of "json.label" that field alone
        self._check_unpacked(file, group)
        with _opened(file) as f:
            if (file, group) not in self.checked:
                _check_repeats(f, file, self._footer(file), group, wanted)
                self.checked.add((file, group))
            table = _said_clearly(file, lambda: self._reader(f, file).read_row_group(group, wanted, use_threads=False))
        name = file if group == 0 else f"{file}, row group {group}"
        return Rows(table, self.columns, name, self.folder)

    def _check_unpacked(self, file, group) -> None:
        """Refuse a row group whose pages say that they unpack to far more than they are."""
        found = self._footer(file).row_group(group)
        packed = sum(found.column(i).total_compressed_size for i in range(found.num_columns))
        if found.total_byte_size > 8 * packed:
            what = f"{file}: row group {group} has {packed:,} bytes that unpack to {found.total_byte_size:,}"
            check_limit("VITEDU_MAX_UNPACKED", found.total_byte_size, what)

    def _labels(self, file):
        wanted = [self.columns.label]
        with _opened(file) as f:
            for group in range(self._footer(file).num_row_groups):
                _check_repeats(f, file, self._footer(file), group, wanted)
            table = _said_clearly(file, lambda: self._reader(f, file).read(wanted, use_threads=False))
        return label_column(table, self.columns)

    def _reader(self, f, file):
        import pyarrow.parquet as pq

        return pq.ParquetFile(f, metadata=self._footer(file), pre_buffer=is_remote(file))

    def _footer(self, file):
        """Read once per process, for the last hundred files."""
        if file not in self.footers:
            if len(self.footers) > 100:
                self.footers.clear()
            self.footers[file] = _read_footer(file)
        return self.footers[file]


def parquet_schemas(files) -> list:
    """[(file, its Arrow schema), ...].  Raises ValueError naming the first file that is no parquet, or cut short."""
    return [(file, _read_footer(file).schema.to_arrow_schema()) for file in files]


def check_repeats(files) -> None:
    """Refuse parquet files in which a few large values stand for so many rows that they would fill memory or disk.

    A column may hold each value once, in a dictionary, and then its number for every row: an image of 10 MB and a
    million times the number 0 are 10 MB, and 10 TB when they are read.  Raises ValueError that names file and column.
    """
    for file in files:
        footer = _read_footer(file)
        with _opened(file) as f:
            for group in range(footer.num_row_groups):
                _check_repeats(f, file, footer, group)


def _check_repeats(f, file, footer, group, columns=None) -> None:
    """The same of one row group of an open file; columns: those that will be read, with all that is in them."""
    found = footer.row_group(group)
    for i in range(found.num_columns):
        column = found.column(i)
        path = column.path_in_schema
        is_read = columns is None or any(f"{path}.".startswith(f"{name}.") for name in columns)
        if not is_read or column.physical_type != "BYTE_ARRAY":
            continue
        allowed = max(8 * column.total_compressed_size, limit("VITEDU_MAX_UNPACKED"))
        if column.num_values * _dictionary_size(f, file, column) <= allowed:  # whichever value is the large one
            continue
        total = _said_clearly(file, lambda path=path: _unfolded_size(f, footer, group, path))
        if total > allowed:
            packed = f"{column.total_compressed_size:,}"
            what = f"{file}: row group {group}: {path!r} has {packed} bytes that stand for {total:,}"
            check_limit("VITEDU_MAX_UNPACKED", total, what)


def _dictionary_size(f, file, column) -> int:
    """Bytes of the dictionary that a column's pages begin with; 0: there is none.

    By the header of the first page, which is what readers go by; far away, where that would be a request of its own,
    by the footer.
    """
    first = column.dictionary_page_offset if column.has_dictionary_page else None
    if is_remote(file):
        grown = max(0, column.total_uncompressed_size - column.total_compressed_size)
        return 0 if first is None else max(0, column.data_page_offset - first) + grown
    f.seek(min(column.data_page_offset, first or column.data_page_offset))
    header = bytes(f.read(16))
    if header[:3] != b"\x15\x04\x15":  # Thrift: field 1, the type, is 2 (zigzag: 4), a dictionary; field 2, its size
        return 0
    size, shift = 0, 0
    for byte in header[3:]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return size >> 1  # zigzag


def _unfolded_size(f, footer, group, path) -> int:
    """Bytes of all values of a column, counted without making them: each of the dictionary as often as it is named."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    reader = pq.ParquetFile(f, metadata=footer, read_dictionary=[path])
    total = 0
    for values in reader.read_row_group(group, [path], use_threads=False).column(0).chunks:
        while not pa.types.is_dictionary(values.type):
            if values.type.num_fields == 0:  # not a dictionary after all
                return total + values.nbytes
            values = values.field(0) if pa.types.is_struct(values.type) else values.flatten()
        lengths = pc.binary_length(values.dictionary).to_numpy(zero_copy_only=False).astype(np.int64)
        counts = np.bincount(values.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(lengths))
        total += int(lengths @ counts)
    return total


def read_columns(file, columns):
    """Some columns of a whole file, as an Arrow table.  Errors as above."""
    import pyarrow.parquet as pq

    check_repeats([file])
    with _opened(file) as f:
        return _said_clearly(file, lambda: pq.ParquetFile(f).read(columns, use_threads=False))


def rows_in(file) -> int:
    """How many rows a file has.  Errors as above."""
    return _read_footer(file).num_rows


def first_row(file) -> dict:
    """The first row of a file, {} where it has none.  Errors as above."""
    import pyarrow.parquet as pq

    with _opened(file) as f:
        batches = _said_clearly(file, lambda: pq.ParquetFile(f).iter_batches(batch_size=1, use_threads=False))
        batch = _said_clearly(file, lambda: next(batches, None))
    return batch.to_pylist()[0] if batch is not None and len(batch) else {}


def _read_footer(file):
    import pyarrow.parquet as pq

    with _opened(file) as f:
        footer = _said_clearly(file, lambda: pq.ParquetFile(f).metadata)
        _said_clearly(file, footer.schema.to_arrow_schema)
        return footer


def _opened(file):
    if is_remote(file):
        import fsspec

        return fsspec.open(file, cache_type="none").open()  # Arrow asks for a row group in one piece
    import pyarrow as pa

    return pa.OSFile(file)


def _said_clearly(file, read):
    import pyarrow as pa

    try:
        return read()
    except OSError as error:  # Arrow raises it for damaged pages too
        if error.errno is None and not is_remote(file):
            raise damaged(file, "parquet", error) from error
        raise
    except (pa.ArrowException, ValueError, MemoryError) as error:  # also for sizes that a damaged footer claims
        raise damaged(file, "parquet", error) from error


def damaged(file, kind, error) -> ValueError:
    found = ""
    if not is_remote(file):
        refuse_pointer(file)
        found = what_it_is(file, kind)
    size = "" if is_remote(file) else f" ({os.path.getsize(file):,} bytes)"
    reason = str(error).strip().split("\n")[0].rstrip(".")
    return ValueError(
        f"{file}{size} is damaged or cut short, no whole {kind} file: {reason}{found or '.  Fetch it again'}"
    )
