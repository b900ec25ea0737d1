"""Shrink the photographs of a data set once, so that every epoch reads and decodes less.

Taught in notebooks/14_pretraining.ipynb.  A crop to 224 pixels throws most of a large photograph away, after all of it
was read.  With the shorter side at 256 there is less to read.  It is a trade: random crops of a small part then see
fewer pixels than the authors' did.  The result is a folder of parquet shards, in a mixed order, that `open_source`
opens as any other.
"""

from __future__ import annotations

import io
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from vitedu_numpy.extras import naming_extras

from .memory import Arrays
from .open import open_source
from .order import Streamed
from .sample import Sample, UnreadableImage

__all__ = ["Prepared", "check_numbers", "prepare", "shrink"]

MIXING_SEED = 0  # the order within the shards; a run mixes again
MEGABYTE = 10**6
ROW_GROUP = 8 * 10**6  # bytes: what a streaming reader reads at once


class Prepared(NamedTuple):
    """What `prepare` made."""

    folder: str
    images: int
    shards: int
    skipped: list[str]  # a line for each image that could not be read


@naming_extras()
def prepare(
    dataset: str, split: str, out: str, *, size: int = 256, quality: int = 90, shard_mb: int = 256,
    streaming: bool = True, threads: int | None = None, **options,
) -> Prepared:  # fmt: skip
    """Write `split` of `dataset` to parquet shards in the folder `out`, the shorter side of images at most `size`.

    Larger images are resized (bicubic, with anti-aliasing) and stored as JPEG of that `quality`; smaller ones keep
    their bytes.  Images that cannot be read are left out, counted and named.  Stopped at any moment, the same call goes
    on with the first shard that is not finished.  streaming, options: as in `open_source`; threads: None: all cores.

    Raises ValueError for bad arguments or an `out` that was begun with others, OSError where writing fails.
    """
    check_numbers(size, quality, shard_mb)
    if not re.fullmatch(r"\w+", split):
        raise ValueError(f"split={split!r} is not allowed; split must be one word, such as 'train'")
    source = open_source(dataset, split, streaming=streaming, in_memory=False, **options)
    if isinstance(source, Arrays):
        raise ValueError(f"data={dataset!r} is in memory already; there is nothing to prepare")
    order = Streamed(source.chunks, MIXING_SEED, lanes=8, window=8, block=8)
    if hasattr(source, "set_room"):
        source.set_room(2 * 8 * 8)

    os.makedirs(out, exist_ok=True)
    settings = dict(dataset=dataset, split=split, images=len(source), size=size, quality=quality, shard_mb=shard_mb)
    manifest = _Manifest(os.path.join(out, f".prepare-{split}.json"), settings)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        shrunk = lambda positions: pool.map(  # noqa: E731
            lambda sample: _shrunk_or_why_not(sample, size, quality), source.read(order(positions))
        )
        if manifest.mean is None:
            first = [
                len(result.data) for result in shrunk(np.arange(min(64, len(source)))) if isinstance(result, Sample)
            ]
            manifest.begin(float(np.mean(first)) if first else 1e5)
        _write_shards(out, split, source, shrunk, manifest, shard_mb * MEGABYTE)
    done = manifest.shards.values()
    skipped = [line for shard in done for line in shard["skipped"]]
    return Prepared(out, sum(shard["images"] for shard in done), len(manifest.shards), skipped)


def check_numbers(size, quality, shard_mb) -> None:
    """Raise ValueError for one that is out of its range."""
    for name, value, high in (("size", size, 10_000), ("quality", quality, 100), ("shard_mb", shard_mb, 10_000)):
        if not isinstance(value, int) or not 1 <= value <= high:
            raise ValueError(f"{name}={value!r} is not allowed; {name} must be an integer from 1 to {high}")


def shrink(data: bytes, size: int, quality: int) -> bytes:
    """Image bytes with the shorter side at most `size` pixels.  Raises UnreadableImage."""
    from PIL import Image

    from .decode import open_image

    image = open_image(data)
    H, W = image.height, image.width
    if min(H, W) <= size:
        image.box(0, 0, H, W)  # can it be read?
        return data
    factor = max(f for f in (1, 2, 4, 8) if f == 1 or min(H, W) >= 2 * size * f)
    pixels = image.box(0, 0, H, W, factor)
    target = (round(W * size / min(H, W)), round(H * size / min(H, W)))
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize(target, Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


def _shrunk_or_why_not(sample, size, quality):
    try:
        return sample._replace(data=shrink(sample.data, size, quality))
    except UnreadableImage as error:
        return f"{sample.name}: {error}"


class _Manifest:
    """Which shards are finished, in a hidden file beside them."""

    def __init__(self, path, settings):
        self.path, self.settings, self.shards, self.mean = path, settings, {}, None
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as f:
            saved = json.load(f)
        changed = [f"{k}={saved['settings'].get(k)!r}" for k, v in settings.items() if saved["settings"].get(k) != v]
        if changed:
            folder = os.path.dirname(path)
            raise ValueError(
                f"out={folder!r} was begun with {', '.join(changed)}; go on with that, or use another folder"
            )
        self.shards, self.mean = saved["shards"], saved["mean_bytes"]

    def begin(self, mean):
        self.mean = mean
        self.save()

    def add(self, name, path, images, skipped):
        self.shards[name] = {"images": images, "bytes": os.path.getsize(path), "skipped": skipped}
        self.save()

    def has(self, name, path) -> bool:
        return name in self.shards and os.path.exists(path) and os.path.getsize(path) == self.shards[name]["bytes"]

    def save(self):
        with open(self.path + ".tmp", "w", encoding="utf-8") as f:
            json.dump({"settings": self.settings, "mean_bytes": self.mean, "shards": self.shards}, f, indent=1)
        os.replace(self.path + ".tmp", self.path)


def _write_shards(out, split, source, shrunk, manifest, shard_bytes):
    from tqdm import tqdm

    n, mean = len(source), manifest.mean
    per_shard, per_group = (int(max(1, min(n, total // mean))) for total in (shard_bytes, ROW_GROUP))
    total = -(-n // per_shard)
    with tqdm(total=n, desc=f"preparing {split}", unit="image", disable=n < 1000 or None) as bar:
        for k in range(total):
            name = f"{split}-{k:05d}-of-{total:05d}.parquet"
            path, temporary = os.path.join(out, name), os.path.join(out, f".{name}.tmp")
            positions = np.arange(k * per_shard, min((k + 1) * per_shard, n))
            if not manifest.has(name, path):
                try:
                    images, skipped = _write_shard(temporary, positions, per_group, shrunk, source.class_names)
                    os.replace(temporary, path)
                except BaseException as error:
                    if os.path.exists(temporary):
                        os.remove(temporary)
                    if isinstance(error, OSError) and error.errno is not None:
                        done = f"{len(manifest.shards)} of {total} shards are finished and stay"
                        raise OSError(
                            error.errno, f"{os.strerror(error.errno)}; {done}: run the same again", path
                        ) from error
                    raise
                manifest.add(name, path, images, skipped)
            bar.update(len(positions))


def _write_shard(path, positions, per_group, shrunk, class_names) -> tuple[int, list[str]]:
    """(images written, a line for each that was left out)"""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import ClassLabel, Features, Image, Value

    label = ClassLabel(names=class_names) if class_names else Value("int64")
    schema = Features({"image": Image(), "label": label}).arrow_schema  # says in the file which column is what
    images, skipped = 0, []
    with pq.ParquetWriter(path, schema, compression="none") as writer:  # JPEG bytes do not get smaller
        for start in range(0, len(positions), per_group):
            results = list(shrunk(positions[start : start + per_group]))
            kept = [result for result in results if isinstance(result, Sample)]
            skipped += [result for result in results if not isinstance(result, Sample)]
            if kept:
                column = [{"bytes": sample.data, "path": os.path.basename(sample.name)} for sample in kept]
                labels = [sample.label for sample in kept]
                writer.write_table(pa.table({"image": column, "label": labels}, schema), row_group_size=len(kept))
                images += len(kept)
    return images, skipped
