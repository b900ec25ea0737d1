"""Arrow files: a chunk is a record batch.  Taught in notebooks/14_pretraining.ipynb.

These are what `Dataset.save_to_disk` writes.  They are memory-mapped: "reading" a chunk costs nothing until its images
are looked at.
"""

from __future__ import annotations

import numpy as np

from .columns import Columns, Rows, label_column, names_in
from .parquet import damaged, is_remote

__all__ = ["ArrowShards", "arrow_schema"]


class ArrowShards:
    """The record batches of some Arrow files (file or stream format), numbered through.     folder: as in `Rows`"""

    remote = False

    def __init__(self, files, columns: Columns, folder: str | None = None):
        self.files, self.folder, self.mapped = list(files), folder, {}
        if far := next((f for f in self.files if is_remote(f)), None):
            raise ValueError(f"data holds {far!r}: Arrow files are read from a disk; use streaming=False to fetch them")
        batches = [(f, b, len(batch)) for f, file in enumerate(self.files) for b, batch in enumerate(_batches(file)[1])]
        if columns.is_text:
            parts = (label_column(batch, columns) for file in self.files for batch in _batches(file)[1])
            columns = columns._replace(class_names=names_in(parts))
        self.columns = columns
        table = np.array(batches, np.int64).reshape(-1, 3)
        self.batches, self.lengths = table[:, :2], table[:, 2]

    def __getstate__(self):
        return self.__dict__ | {"mapped": {}}

    def where(self, chunk: int) -> str:
        return self.files[self.batches[chunk, 0]]

    def load(self, chunk: int) -> Rows:
        f, b = self.batches[chunk].tolist()
        if f not in self.mapped:
            self.mapped[f] = _batches(self.files[f])[1]
        return Rows(self.mapped[f][b], self.columns, f"{self.files[f]}, batch {b}", self.folder)


def arrow_schema(file: str):
    """The schema that an Arrow file begins with.  Raises ValueError that names the file where any of it is damaged."""
    return _batches(file)[0]


def _batches(file):
    """(schema, record batches) of a file; views into it, not copies.

    Every batch is validated: an offset that leads out of the file would end the process where its row is read.
    """
    import pyarrow as pa

    if is_remote(file):
        return None, []
    try:
        source = pa.memory_map(file)
        try:
            reader = pa.ipc.open_file(source)
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except pa.ArrowInvalid:  # the other of the two formats, without a table of contents
            source.seek(0)
            with pa.ipc.open_stream(source) as reader:
                batches = list(reader)
        for batch in batches:
            batch.validate(full=True)
        return reader.schema, batches
    except FileNotFoundError:
        raise
    except (pa.ArrowException, ValueError, MemoryError, OSError) as error:
        raise damaged(file, "Arrow", error) from error
