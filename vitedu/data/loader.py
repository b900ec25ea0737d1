"""From positions to batches: read, decode, augment, in this process or in worker processes.

Taught in notebooks/14_pretraining.ipynb.  Shapes: `b` images of one micro-batch, `C` channels, `H W` image size.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from vitedu_numpy.validate import is_count, require

from .order import SampleRandom
from .sample import UnreadableImage

__all__ = ["Batch", "Loader", "UnreadableImage"]


SOURCE = "images by number, such as `open_source` gives"


class Batch(NamedTuple):
    """What a model sees at once.  An image that could not be read is black, and `valid` says so: it has no part in the
    loss, and every process goes on with the same shapes.
    """

    images: object  # (b, C, H, W) uint8 tensor; the step turns it into floats on the device
    labels: object  # (b,) int64 tensor
    valid: object  # (b,) bool tensor
    positions: np.ndarray  # (b,) int64
    problems: tuple[str, ...]  # one line per image that could not be read


class Loader:
    """The batches of one process, step after step, from any step on.

    source: `read(image numbers) -> samples`; order: positions -> image numbers; transform: (data, rng) -> (C, H, W)
    uint8, its `shape` known beforehand; source and transform may be None where only `pieces` is asked.  Iterating
    yields, per step, the list of this process's micro-batches.

    Step s of batch size B is the positions s B ... (s + 1) B - 1; process `rank` of `world` takes the rank-th of
    `world` equal parts.  workers: that many processes share out every micro-batch in equal parts, so that each always
    has the same part of a batch (and, with `Streamed`, the same lanes); 0: all is done here, which is best for small
    images in memory.  Raises ValueError when batch_size cannot be shared out equally.
    """

    def __init__(
        self, source, order, transform, *, seed, batch_size, steps, start=0, micro_batch=None, rank=0, world=1,
        workers=0, pin_memory=False,
    ):  # fmt: skip
        counts = {"batch_size": batch_size, "world": world, "micro_batch": 1 if micro_batch is None else micro_batch}
        for name, value in counts.items():
            require(is_count(value), name, value, "a positive integer")
        for name, value in (("steps", steps), ("start", start), ("workers", workers), ("seed", seed), ("rank", rank)):
            require(is_count(value, 0), name, value, "an integer >= 0")
        wanted = (
            ("source", source is None or hasattr(source, "read"), source, SOURCE),
            ("order", callable(order), order, "Shuffled or Streamed"),
            (
                "transform",
                transform is None or (callable(transform) and hasattr(transform, "shape")),
                transform,
                "one of `transforms`",
            ),
            ("pin_memory", isinstance(pin_memory, bool), pin_memory, "True or False"),
        )
        for name, fits, value, allowed in wanted:
            require(fits, name, value, allowed)
        require(rank < world, "rank", rank, f"below world={world}")
        if batch_size % world:
            raise ValueError(f"batch_size={batch_size} is not allowed; it must be a multiple of the {world} processes")
        self.share = batch_size // world
        micro_batch = min(micro_batch or self.share, self.share)
        self.cuts = range(0, self.share, micro_batch)
        self.micro_batch, self.batch_size, self.rank = micro_batch, batch_size, rank
        self.start, self.steps, self.workers, self.pin_memory = start, steps, workers, pin_memory
        self.fetch = _Fetch(source, order, transform, seed, ahead=batch_size)
        if hasattr(source, "set_room") and hasattr(order, "chunks_at_once"):
            of_one_worker = np.concatenate([self._pieces(cut)[0] for cut in self.cuts])
            # Twice: while a lane turns to its next window, chunks of both are open.
            source.set_room(2 * order.chunks_at_once(of_one_worker, batch_size))

    def _pieces(self, cut: int, step: int = 0) -> list[np.ndarray]:
        """The positions of a micro-batch, one array for each worker."""
        first = step * self.batch_size + self.rank * self.share
        positions = np.arange(first + cut, first + min(cut + self.micro_batch, self.share))
        return np.array_split(positions, min(max(self.workers, 1), len(positions)))

    def pieces(self) -> Iterator[np.ndarray]:
        """The positions of every piece of every micro-batch of this process, in order."""
        for step in range(self.start, self.steps):
            for cut in self.cuts:
                yield from self._pieces(cut, step)

    def __iter__(self) -> Iterator[list[Batch]]:
        require(self.fetch.source is not None, "source", None, SOURCE)
        require(self.fetch.transform is not None, "transform", None, "one of `transforms`")
        fetched = self._in_workers() if self.workers else map(self.fetch.__getitem__, self.pieces())
        sizes = [len(self._pieces(cut)) for cut in self.cuts]
        for _ in range(self.start, self.steps):
            yield [self._join([next(fetched) for _ in range(size)]) for size in sizes]

    def _join(self, pieces: list[Batch]) -> Batch:
        """One batch of several, in memory that a GPU can read by itself if asked for."""
        import torch

        if len(pieces) == 1 and not self.pin_memory:
            return pieces[0]

        def joined(tensors):
            shape = (sum(len(t) for t in tensors), *tensors[0].shape[1:])
            return torch.cat(tensors, out=torch.empty(shape, dtype=tensors[0].dtype, pin_memory=self.pin_memory))

        images, labels, valid, positions, problems = zip(*pieces, strict=True)
        return Batch(joined(images), joined(labels), joined(valid), np.concatenate(positions), sum(problems, ()))

    def _in_workers(self) -> Iterator[Batch]:
        import multiprocessing

        from torch.utils.data import DataLoader

        # A fresh process per worker: the training process has threads, and to fork it could lock up.  They are forked
        # from a small server instead, which imports once what all of them need.
        has_server = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
        context = multiprocessing.get_context("forkserver" if has_server else "spawn")
        context.set_forkserver_preload(["torch.utils.data", "vitedu.data.loader"])
        fetched = DataLoader(
            _InWorker(self.fetch),
            sampler=self.pieces(),  # the k-th piece goes to worker k mod workers
            batch_size=None,  # one item is one piece already
            num_workers=self.workers,
            prefetch_factor=max(2, len(self.cuts)),
            multiprocessing_context=context,
            collate_fn=_as_it_is,
            worker_init_fn=_begin_worker,
        )
        try:
            with _main_left_out(self.fetch):
                batches = iter(fetched)
            for batch in batches:
                if isinstance(batch, _Failure):
                    raise batch.error from _InWorkerTraceback(batch.trace)
                yield batch
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            raise RuntimeError(
                f"a loader process was ended from outside, most often for want of memory (or of shared memory, "
                f"/dev/shm, in a container): {error}.  Use fewer workers (now {self.workers}), and go on from the last "
                f"checkpoint"
            ) from error


class _Fetch:
    """positions -> Batch.  `ahead`: the next positions that will be asked for are so much further on."""

    def __init__(self, source, order, transform, seed, ahead=0):
        self.source, self.order, self.transform, self.seed, self.ahead = source, order, transform, seed, ahead
        self.random = SampleRandom(seed)
        self.prefetch = getattr(source, "prefetch", None)

    def __getitem__(self, positions) -> Batch:
        import torch

        samples = self.source.read(self.order(positions))
        if self.prefetch is not None:
            self.prefetch(self.order(positions + self.ahead))
        images = np.zeros((len(positions), *self.transform.shape), np.uint8)
        labels = np.array([sample.label for sample in samples], np.int64)
        valid = np.ones(len(positions), bool)
        problems = []
        transform, random = self.transform, self.random
        for i, (position, sample) in enumerate(zip(positions.tolist(), samples, strict=True)):
            try:
                images[i] = transform(sample.data, random(position))
            except UnreadableImage as error:
                valid[i] = False
                problems.append(f"{sample.name}: {error}")
        tensors = (torch.from_numpy(array) for array in (images, labels, valid))
        return Batch(*tensors, positions, tuple(problems))


# ---- in a worker process -------------------------------------------------------------------------------------------


class _Failure(NamedTuple):
    """An error, on its way to the training process."""

    error: Exception
    trace: str


class _InWorkerTraceback(Exception):
    """Where in a worker it happened."""

    def __str__(self):
        return f"in a loader process:\n{self.args[0]}"


class _InWorker:
    """_Fetch, with an error as a result: so it arrives as it was, and not in the words of a library."""

    def __init__(self, fetch):
        self.fetch = fetch

    def __getitem__(self, positions):
        try:
            return self.fetch[positions]
        except Exception as error:
            trace = traceback.format_exc()
            try:
                pickle.loads(pickle.dumps(error))
            except Exception:  # some errors cannot travel
                error = RuntimeError(f"{type(error).__name__}: {error}")
            return _Failure(error, trace)


@contextmanager
def _main_left_out(fetch):
    """While this holds, new processes do not import the program that started them, unless they need something from it.

    They would run it a second time where it has no `if __name__ == "__main__":`, and die.  No worker needs it, as long
    as all that it is sent is defined elsewhere.
    """
    main = sys.modules["__main__"]
    kept = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    if not _needs_main(fetch):
        main.__spec__ = None
        vars(main).pop("__file__", None)
    try:
        yield
    finally:
        vars(main).update(kept)


class _Seen(pickle.Pickler):
    """Looks at everything that would be pickled, but not into arrays: is any of it defined in the program itself?"""

    needs_main = False

    def persistent_id(self, thing):
        kind = thing if isinstance(thing, type) or callable(thing) else type(thing)
        self.needs_main |= getattr(kind, "__module__", None) == "__main__"
        return 0 if isinstance(thing, np.ndarray) else None


def _needs_main(fetch) -> bool:
    seen = _Seen(io.BytesIO())
    try:
        seen.dump(fetch)
    except Exception:  # it will be said again, and better, where it is really sent
        return True
    return seen.needs_main


def _as_it_is(batch):
    return batch


def _begin_worker(_):
    """One thread each: there are as many workers as cores are meant to be used.  (PyTorch sees to itself.)

    A worker stops when the training process does, and only then: that one finishes its step when a terminal or a
    cluster asks all processes to stop, and when it is killed, nobody is left to tell the workers.
    """
    for name in ("SIGINT", "SIGUSR1"):  # Windows has no SIGUSR1
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on Windows and macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_asked, name="vitedu-sigterm", daemon=True).start()
    threading.Thread(target=end_with_parent, name="vitedu-parent", daemon=True).start()
    os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(1)


def _end_when_asked() -> None:
    """SIGTERM counts when the training process sends it, which it does to a worker that does not end by itself."""
    import multiprocessing

    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != multiprocessing.parent_process().pid:
        continue
    os._exit(1)


def end_with_parent() -> None:
    """Wait for the end of the process that asked for this one, and end, too; the server of the workers follows them.

    Its parent in the system's eyes is that server, which lives as long as a worker does.
    """
    import multiprocessing

    multiprocessing.parent_process().join()
    os._exit(1)
