"""Which image comes when: a pure function of (seed, position).  Taught in notebooks/14_pretraining.ipynb.

A training run sees one endless row of images, numbered by `position` = 0, 1, 2, ...  Epoch number e is the positions
from e n to (e + 1) n - 1 and holds each of the n images once.  Step s of batch size B takes the positions s B to
(s + 1) B - 1, and the processes share these out among themselves.  So *where a run is* is one number; it means the same
whatever the number of processes, and to resume is to go on counting.

The random draws of one image (crop, flip) are a function of (seed, position) too: `sample_rng`.
"""

from __future__ import annotations

import heapq

import numpy as np

from vitedu_numpy.validate import as_array, is_integer, require

__all__ = ["SampleRandom", "Shuffled", "Streamed", "fixed_permutation", "sample_rng"]


def sample_rng(seed: int, position: int) -> np.random.Generator:
    """The random numbers of the image at `position`: a counter-based generator, so no state has to be kept."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, position], np.uint64)))


class SampleRandom:
    """random(position) draws what sample_rng(seed, position) draws, in a tenth of the time.

    It is one generator that is set to its place again and again: use it up before the next call.
    """

    def __init__(self, seed: int):
        self._bits = np.random.Philox(key=np.array([seed, 0], np.uint64))
        self._generator = np.random.Generator(self._bits)
        self._fresh = self._bits.state  # nothing drawn yet; the second half of the key is the position

    def __call__(self, position: int) -> np.random.Generator:
        self._fresh["state"]["key"][1] = position
        self._bits.state = self._fresh
        return self._generator


class Shuffled:
    """Every epoch in an order of its own, any image at any place; for data with quick random access."""

    def __init__(self, num_images: int, seed: int):
        self.num_images, self.seed = _positive("num_images", num_images), _positive("seed", seed, 0)
        self._epoch, self._permutation = None, None

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """positions (m,)  ->  image numbers (m,), each 0 ... num_images - 1"""
        epochs, places = np.divmod(np.asarray(positions, np.int64), self.num_images)
        ids = np.empty_like(places)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            ids[here] = self.permutation(int(epoch))[places[here]]
        return ids

    def permutation(self, epoch: int) -> np.ndarray:
        """All image numbers in the order of this epoch."""
        if self._epoch != epoch:
            dtype = np.int32 if self.num_images < 2**31 else np.int64
            numbers = np.arange(self.num_images, dtype=dtype)
            self._permutation = np.random.default_rng([self.seed, epoch]).permutation(numbers)
            self._epoch = epoch
        return self._permutation

    def __getstate__(self):
        return self.__dict__ | {"_epoch": None, "_permutation": None}  # a worker process makes its own


class Streamed:
    """Every epoch in an order of its own that reads chunks (some hundred images that lie together) from end to end.

    1. The chunks of the data set are shuffled.
    2. Each in turn is dealt to the lane that is the shortest so far: `lanes` rows of chunks.
    3. In a lane, `window` chunks at a time are mixed, image by image.  (The first window of a lane is shorter, by a
       different number in each lane; so the lanes do not all turn to new chunks at the same moment.)
    4. The positions of the run go round the lanes: `block` from lane 0, `block` from lane 1, ...  A lane that has come
       to its end is passed over.

    So about lanes * window chunks are open at a time, and an image is mixed with those of as many chunks.  With
    block = batch_size / lanes, lane l is the l-th part of every batch.  Then a process, or a worker of one, that takes
    the same part of every batch reads its own lanes only: every chunk is read once per epoch, by one of them, as long
    as there are no more of them than lanes.  With k times as many, or when `block` is not that number, a chunk is read
    by several: k times, or as often as there are readers in the worst case.

    Nothing is stored but the order of the chunks: 14 million images in chunks of 100 cost a few megabytes.
    """

    def __init__(self, chunk_lengths, seed: int, lanes: int = 16, window: int = 4, block: int = 32):
        lengths = as_array(chunk_lengths, "chunk_lengths")
        require(lengths.dtype.kind in "iu", "chunk_lengths", chunk_lengths, "a list of integers")
        lengths = lengths.astype(np.int64)
        if lengths.ndim != 1 or lengths.size == 0 or lengths.min() < 0 or lengths.sum() == 0:
            raise ValueError("chunk_lengths is not allowed; it must hold image counts, at least one of them positive")
        self.lanes, self.window = _positive("lanes", lanes), _positive("window", window)
        self.block, self.seed = _positive("block", block), _positive("seed", seed, 0)
        starts = np.cumsum(lengths) - lengths
        self.lengths, self.starts = lengths[lengths > 0], starts[lengths > 0]
        self.num_images = int(lengths.sum())
        self._plans = {}  # epoch -> _Epoch, the last two

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """positions (m,)  ->  image numbers (m,), each 0 ... num_images - 1"""
        positions = np.asarray(positions, np.int64)
        epochs = positions // self.num_images
        ids = np.empty_like(positions)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            ids[here] = self._plan(epoch)(positions[here] - epoch * self.num_images)
        return ids

    def chunks_at_once(self, positions: np.ndarray, batch_size: int) -> int:
        """How many chunks a reader keeps open that takes the places of these `positions` in every batch."""
        turn = self.block * self.lanes
        lanes = self.lanes if batch_size % turn else len(np.unique(np.asarray(positions) % turn // self.block))
        return lanes * self.window

    def _plan(self, epoch: int) -> _Epoch:
        if epoch not in self._plans:
            self._plans = {e: plan for e, plan in self._plans.items() if e == epoch - 1}
            self._plans[epoch] = _Epoch(self, epoch)
        return self._plans[epoch]

    def __getstate__(self):
        return self.__dict__ | {"_plans": {}}


class _Epoch:
    """One epoch of `Streamed`: place in the epoch -> image number.

    Three rows of numbers, all of the epoch's n images: by *place* (as they are used), by *slot* (lane after lane, each
    mixed within its windows), and by slot before the mixing (chunk after chunk).
    """

    def __init__(self, order: Streamed, epoch: int):
        self.order, self.epoch = order, epoch
        lanes, window, block = order.lanes, order.window, order.block
        shuffled = fixed_permutation(len(order.lengths), order.seed, epoch)
        lane_of = _deal(order.lengths[shuffled], lanes)
        by_lane = np.argsort(lane_of, kind="stable")
        self.chunks, lane_of = shuffled[by_lane], lane_of[by_lane]  # lane after lane
        self.chunk_starts = _starts(order.lengths[self.chunks])  # first slot of each chunk; one more: n
        chunks_in_lane = np.bincount(lane_of, minlength=lanes)
        first_chunk = _starts(chunks_in_lane)
        self.lane_starts = self.chunk_starts[first_chunk]

        place_in_lane = np.arange(len(self.chunks)) - first_chunk[lane_of]
        short = 1 + lane_of % window  # chunks of a lane's first window
        opens = (place_in_lane == 0) | ((place_in_lane >= short) & ((place_in_lane - short) % window == 0))
        self.window_starts = np.append(self.chunk_starts[:-1][opens], order.num_images)
        self.mixed = {}  # window -> its permutation, those in use

        # An epoch need not begin at lane 0: it goes on where the last one stopped, so that lane l stays the l-th part
        # of every batch.  The places of this turn that belong to the last epoch count as empty ones.
        self.empty = epoch * order.num_images % (block * lanes)
        empty = np.clip(self.empty - block * np.arange(lanes), 0, block)
        self.first_slot = self.lane_starts[:-1] - empty
        self.lane_lengths = np.diff(self.lane_starts) + empty
        # turn_starts[r]: places used before turn r, the sum over lanes of min(lane length, r * block).
        lengths = np.sort(self.lane_lengths)
        reached = np.arange(lengths[-1] // block + 2) * block
        ended = np.searchsorted(lengths, reached, side="right")
        self.turn_starts = _starts(lengths)[ended] + (lanes - ended) * reached

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """places in the epoch (m,)  ->  image numbers (m,)"""
        slots = self.mix(self.slots(places))
        chunk = np.searchsorted(self.chunk_starts, slots, side="right") - 1
        return self.order.starts[self.chunks[chunk]] + slots - self.chunk_starts[chunk]

    def slots(self, places):
        """Which lane, and how far along it."""
        block, places = self.order.block, places + self.empty
        turn = np.searchsorted(self.turn_starts, places, side="right") - 1
        taken = np.clip(self.lane_lengths - (turn * block)[:, None], 0, block)  # (m, lanes) images of each lane
        ends = np.cumsum(taken, axis=1)
        inside = places - self.turn_starts[turn]
        lane = (ends <= inside[:, None]).sum(1)
        rows = np.arange(len(places))
        along = turn * block + inside - (ends[rows, lane] - taken[rows, lane])
        return self.first_slot[lane] + along

    def mix(self, slots):
        """Another slot of the same window."""
        windows = np.searchsorted(self.window_starts, slots, side="right") - 1
        mixed = np.empty_like(slots)
        for window in np.unique(windows).tolist():
            here = windows == window
            start = self.window_starts[window]
            mixed[here] = start + self.permutation(window)[slots[here] - start]
        return mixed

    def permutation(self, window: int) -> np.ndarray:
        if window not in self.mixed:
            if len(self.mixed) > 4 * self.order.lanes:
                self.mixed.clear()
            size = int(self.window_starts[window + 1] - self.window_starts[window])
            self.mixed[window] = fixed_permutation(size, self.order.seed, self.epoch, 1 + window)
        return self.mixed[window]


def fixed_permutation(n: int, seed: int, epoch: int = 0, part: int = 0) -> np.ndarray:
    """A permutation of 0 ... n - 1 that depends on these numbers and on nothing else: the bits of Philox are fixed for
    ever, where `Generator.permutation` may change with NumPy's version.
    """
    require(is_integer(n, 0), "n", n, "an integer >= 0")
    seed = _positive("seed", seed, 0)
    counter = np.array([0, part, 0, 1], np.uint64)  # the 1: numbers that `sample_rng` does not reach
    bits = np.random.Philox(key=np.array([seed, epoch], np.uint64), counter=counter).random_raw(n)
    return np.argsort(bits, kind="stable")


def _starts(lengths: np.ndarray) -> np.ndarray:
    """[3, 2, 4] -> [0, 3, 5, 9]"""
    return np.concatenate([[0], np.cumsum(lengths)])


def _deal(lengths: np.ndarray, lanes: int) -> np.ndarray:
    """The lane of each chunk: the one that holds the fewest images so far."""
    if lengths.min() == lengths.max():
        return np.arange(len(lengths)) % lanes
    heap = [(0, lane) for lane in range(lanes)]
    dealt = np.empty(len(lengths), np.int64)
    for i, length in enumerate(lengths.tolist()):
        images, lane = heap[0]
        dealt[i] = lane
        heapq.heapreplace(heap, (images + length, lane))
    return dealt


def _positive(name: str, value, least: int = 1) -> int:
    if not is_integer(value, least):
        allowed = "a positive integer" if least else "an integer >= 0"
        raise ValueError(f"{name}={value!r} is not allowed; {name} must be {allowed}")
    return int(value)
