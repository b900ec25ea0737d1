"""Where images come from: `len(source)`, `source.read(image numbers) -> samples`, `source.chunks`.

Taught in notebooks/14_pretraining.ipynb.  A source knows nothing of epochs, shuffling, processes.  The kinds: `Arrays`
(memory.py) and `ImageFiles` (folder.py), `Table` (any image at once, from a memory-mapped file of the `datasets`
library), `Chunked` (a piece at a time, from shards that may be far away).  `Subset` is a part of any of them.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from .columns import Rows, label_column, names_in, number_labels
from .memory import Arrays
from .retry import Retry
from .sample import check_ids

__all__ = ["Chunked", "Subset", "Table"]


class Table:
    """Every image at any time: a `datasets.Dataset`, which lies in a memory-mapped file.

    folder: as in `Rows`.  Raises ValueError for labels that are none, see `number_labels`.
    """

    def __init__(self, dataset, columns, name: str, folder: str | None = None):
        from datasets import Image

        if type(dataset.features.get(columns.image)).__name__ == "Image":
            dataset = dataset.cast_column(columns.image, Image(decode=False))
        keep = {columns.image, columns.label.partition(".")[0]}
        self.dataset = dataset.select_columns(sorted(keep)).with_format("arrow")
        if columns.is_text:
            columns = columns._replace(class_names=names_in([self._labels(columns)]))
        self.columns, self.name, self.folder = columns, name, folder
        self.class_names = columns.class_names
        self.chunks = np.ones(len(dataset), np.int64)  # each image can be had alone
        _ = self.labels  # all of them are looked at once

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    @property
    def labels(self) -> np.ndarray:
        """The labels of all images (n,), without reading the images."""
        return number_labels(self._labels(self.columns), self.columns, self.name)

    def _labels(self, columns):
        values = label_column(self.dataset.data, columns)
        if self.dataset._indices is not None:  # a selection or another order of the table's rows
            values = values.take(self.dataset._indices.column(0).combine_chunks())
        return values

    def read(self, ids) -> list:
        """The images of these numbers, in this order."""
        ids = check_ids(ids, len(self)).tolist()
        rows = Rows(self.dataset[ids], self.columns, self.name, self.folder)
        return [rows.sample(i, f"{self.name}, image {number}") for i, number in enumerate(ids)]


class Chunked:
    """Shards that are read a chunk at a time.  Each chunk is kept until all its images were handed out.

    shards: `lengths` of the chunks, `load(chunk) -> rows` with rows[i] a Sample, `where(chunk)` for messages, `remote`
    (then chunks are fetched by threads, several at once, and ahead of their use).  Images are numbered through, chunk
    after chunk.

    room: so many chunks are kept at most; the one that was not used for longest goes first.  `loads` counts the chunks
    that were read.
    """

    def __init__(self, shards, class_names=None, retry: Retry | None = None, room: int = 128):
        self.shards, self.class_names, self.retry = shards, class_names, retry or Retry()
        self.chunks = np.asarray(shards.lengths, np.int64)
        self.expected = self.chunks  # images of each chunk that will be asked for
        self.ends = np.cumsum(self.chunks)
        self.set_room(room)
        self.close()

    def close(self) -> None:
        """Give all chunks back; what is read next is fetched again."""
        self.open, self.handed_out, self.loads, self.pool = OrderedDict(), {}, 0, None

    def __getstate__(self):  # what a worker process is given
        return {name: v for name, v in self.__dict__.items() if name not in ("open", "handed_out", "loads", "pool")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.close()

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    def set_room(self, chunks: int) -> None:
        """Keep at most so many chunks."""
        self.room = max(1, int(chunks))

    def read(self, ids) -> list:
        """The images of these numbers, in this order; each chunk is opened once, however the numbers are mixed."""
        ids = check_ids(ids, len(self))
        chunks = np.searchsorted(self.ends, ids, side="right")
        rows = ids - (self.ends - self.chunks)[chunks]
        samples = [None] * len(ids)
        self.prefetch(ids)
        for chunk in np.unique(chunks).tolist():
            here = np.flatnonzero(chunks == chunk)
            piece = self._piece(chunk)
            for i in here.tolist():
                samples[i] = piece[int(rows[i])]
            self.handed_out[chunk] = self.handed_out.get(chunk, 0) + len(here)
            if self.handed_out[chunk] >= self.expected[chunk]:
                self._drop(chunk)
            while len(self.open) > self.room:
                self._drop(next(iter(self.open)))
        return samples

    def prefetch(self, ids) -> None:
        """Begin to fetch the chunks of these images, where fetching takes time."""
        if not self.shards.remote:
            return
        self.pool = self.pool or ThreadPoolExecutor(8, thread_name_prefix="fetch")
        for chunk in np.unique(np.searchsorted(self.ends, np.asarray(ids, np.int64), side="right")).tolist():
            if chunk not in self.open:
                self.open[chunk] = self.pool.submit(self._load, chunk)

    def _piece(self, chunk):
        if chunk not in self.open:
            self.open[chunk] = self._load(chunk)
        self.open.move_to_end(chunk)
        piece = self.open[chunk]
        if isinstance(piece, Future):
            try:
                piece = self.open[chunk] = piece.result()
            except BaseException:
                self._drop(chunk)
                raise
        return piece

    def _load(self, chunk):
        self.loads += 1
        return self.retry(lambda: self.shards.load(chunk), self.shards.where(chunk))

    def _drop(self, chunk):
        self.open.pop(chunk, None)
        self.handed_out.pop(chunk, None)


class Subset:
    """Some images of a source, in the source's own order.     ids (m,) image numbers, no two the same"""

    def __init__(self, source, ids):
        self.ids = np.sort(np.asarray(ids)).astype(np.int32 if len(source) < 2**31 else np.int64)
        self.source, self.class_names, self.num_classes = source, source.class_names, source.num_classes
        ends = np.cumsum(source.chunks)
        self.chunks = np.diff(np.searchsorted(self.ids, ends), prepend=0)
        shards = getattr(source, "source", source)  # within other labels
        if isinstance(shards, Chunked):
            shards.expected = self.chunks

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> np.ndarray:
        """The labels of the subset, where its source knows them beforehand; else AttributeError."""
        return self.source.labels[self.ids]

    def read(self, ids) -> list:
        """The images of these numbers, counted within the subset."""
        return self.source.read(self.ids[check_ids(ids, len(self))])

    def set_room(self, chunks: int) -> None:
        """As in `Chunked`; for other sources nothing."""
        if hasattr(self.source, "set_room"):
            self.source.set_room(chunks)

    def prefetch(self, ids) -> None:
        """As in `Chunked`; for other sources nothing."""
        if hasattr(self.source, "prefetch"):
            self.source.prefetch(self.ids[ids])


def part_of(source, ids):
    """The images `ids` of `source`: a copy where they are in memory, else a view."""
    if isinstance(source, Arrays) and not source.broken:
        ids = np.sort(ids)
        return Arrays(source.images[ids], source.labels[ids], source.name, source.class_names)
    return Subset(source, ids)
