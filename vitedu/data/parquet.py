"""Parquet shards, here or far away: a chunk is a row group.  Taught in notebooks/14_pretraining.ipynb.

The footer of a parquet file says where each row group begins and how many rows it has.  So the lengths of all chunks
are known from the last kilobytes of every file, and one chunk is one read (about 10 MB on the hub: 100 photographs).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .columns import Rows, find_columns, with_names_of_files
from .retry import Retry

__all__ = ["ParquetShards", "parquet_schemas"]


def is_remote(file: str) -> bool:
    """hf://, https://, s3://, memory://: anything with a scheme."""
    return "://" in file


class ParquetShards:
    """The row groups of some parquet files, numbered through.  `features` is what the first file says of its columns.

    Raises ShardError for a file that is missing after all tries, ValueError for one that is no parquet or cut short.
    """

    def __init__(self, files, name: str, image=None, label=None, features=None, retry: Retry | None = None):
        self.files, self.footers = list(files), {}
        self.remote = any(is_remote(f) for f in self.files)
        retry = retry or Retry()
        with ThreadPoolExecutor(16 if self.remote else 1) as pool:
            read = lambda file: retry(lambda: self._footer(file), file)  # noqa: E731
            footers = list(pool.map(read, self.files))
        if features is None:
            from datasets import Features

            features = Features.from_arrow_schema(footers[0].schema.to_arrow_schema())
        schemas = ((file, footer.schema.to_arrow_schema()) for file, footer in zip(self.files, footers, strict=True))
        self.columns = with_names_of_files(find_columns(features, name, image, label), schemas)
        groups = [(f, g) for f, footer in enumerate(footers) for g in range(footer.num_row_groups)]
        self.groups = np.array(groups, np.int32).reshape(-1, 2)  # (chunks, 2): file, row group in it
        self.lengths = np.array([footers[f].row_group(g).num_rows for f, g in groups], np.int64)

    def __getstate__(self):
        return self.__dict__ | {"footers": {}}

    def where(self, chunk: int) -> str:
        return self.files[self.groups[chunk, 0]]

    def load(self, chunk: int) -> Rows:
        file, group = self.files[self.groups[chunk, 0]], int(self.groups[chunk, 1])
        wanted = [self.columns.image, self.columns.label]
        with _opened(file) as f:
            table = _said_clearly(file, lambda: self._reader(f, file).read_row_group(group, wanted, use_threads=False))
        name = file if group == 0 else f"{file}, row group {group}"
        return Rows(table, self.columns, name)

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


def _read_footer(file):
    import pyarrow.parquet as pq

    with _opened(file) as f:
        return _said_clearly(file, lambda: pq.ParquetFile(f).metadata)


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
    except pa.ArrowInvalid as error:
        raise damaged(file, "parquet", error) from error
    except OSError as error:  # Arrow raises it for damaged pages too
        if error.errno is None and not is_remote(file):
            raise damaged(file, "parquet", error) from error
        raise


def damaged(file, kind, error) -> ValueError:
    size = "" if is_remote(file) else f" ({os.path.getsize(file):,} bytes)"
    reason = str(error).strip().split("\n")[0]
    return ValueError(f"{file}{size} is damaged or cut short, no whole {kind} file: {reason}.  Fetch it again")
