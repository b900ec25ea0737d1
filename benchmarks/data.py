"""From JPEG bytes to a training image: images per second on one core, paired ratios.

    python benchmarks/data.py [--data FOLDER] [--rounds 15] [--images 30] [--streaming]

Needs `pip install ".[fast]" torchvision`; timm is measured if it is there.  FOLDER holds parquet files with a column
"image" of JPEG bytes, such as a part of ImageNet; without it, scikit-learn's two photographs are cut into pieces of
500 x 375 pixels and stored at about 107 kB, the median of ImageNet.

One process, one thread.  Candidates take turns on the same images in every round; a ratio is the median over rounds of
a candidate's images/s divided by torchvision's in the same round.  All start from bytes in memory, except the four of
`--streaming`, which read parquet files.

Candidates
    torchvision           Image.open, RandomResizedCrop(224), RandomHorizontalFlip, ToTensor, Normalize: the usual way
    timm                  create_transform(224, is_training=True), no colour changes
    .map                  datasets.load_dataset(streaming=True).map(torchvision's transform), row by row
    .map, batches         the same with with_format("torch") and a DataLoader, batches of 10
    vitedu                training_transform: simplejpeg and OpenCV; (3, 224, 224) uint8
    vitedu, as floats     the same, and [-1, 1] in float32 (in training that happens on the device)
    vitedu, Pillow        the same as "vitedu" where neither is installed: Pillow and NumPy
    .map, shuffled        the same after shuffle(buffer_size=1000)
    vitedu, shuffled      our loader on the same parquet files, shuffled, batches of 10
    PadCrop               for information: the CIFAR-10 recipe's transform on (32, 32, 3) arrays
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import io
import os
import tempfile
import time
import warnings

os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from vitedu.data import crops, decode
from vitedu.data.order import sample_rng
from vitedu.data.transforms import training_transform
from vitedu.recipes.recipe import DataRecipe

# Said once per tensor by the library that is measured.
warnings.filterwarnings("ignore", message="To copy construct from a tensor")

SIZE = 224
BASE = "torchvision"


def photographs(count: int = 60) -> list[bytes]:
    """Pieces of scikit-learn's two photographs, each stored at the quality that gives about 107 kB."""
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(0)
    found = []
    for n in range(count):
        pixels = load_sample_image(("china.jpg", "flower.jpg")[n % 2])
        top, left = rng.integers(0, 427 - 375 + 1), rng.integers(0, 640 - 500 + 1)
        image = Image.fromarray(pixels[top : top + 375, left : left + 500])
        files = [_jpeg(image, quality) for quality in range(80, 101, 2)]
        found.append(min(files, key=lambda data: abs(len(data) - 107_000)))
    return found


def _jpeg(image, quality) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:4:4")
    return buffer.getvalue()


def write_parquet(images: list[bytes], folder: str) -> None:
    for part in range(2):
        rows = [{"bytes": data, "path": None} for data in images[part::2]]
        table = pa.table({"image": rows, "label": [n % 2 for n in range(len(rows))]})
        pq.write_table(table, os.path.join(folder, f"train-{part:05d}-of-00002.parquet"), row_group_size=16)


def read_parquet(folder: str) -> list[bytes]:
    files = sorted(glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True))
    if not files:
        raise SystemExit(f"--data {folder}: no parquet files there")
    return [data for file in files for data in pq.read_table(file)["image"].combine_chunks().field("bytes").to_pylist()]


def torchvision_transform():
    from torchvision import transforms as T

    return T.Compose(
        [
            T.RandomResizedCrop(SIZE),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )


def open_rgb(data: bytes):
    return Image.open(io.BytesIO(data)).convert("RGB")


def make_candidates(folder: str, streaming: bool):
    """name -> a function of a list of JPEG bytes that makes that many training images."""
    usual = torchvision_transform()
    ours = training_transform(DataRecipe(), (3, SIZE, SIZE))
    state = {"position": 0}

    def each(f):
        return lambda images: [f(data) for data in images]

    def run_ours(data):
        state["position"] += 1
        return torch.from_numpy(ours(data, sample_rng(0, state["position"])))

    def without_extras(images):
        with pillow_only():
            return [run_ours(data) for data in images]

    candidates = {BASE: each(lambda data: usual(open_rgb(data)))}
    with contextlib.suppress(ImportError):
        from timm.data import create_transform

        timm = create_transform(SIZE, is_training=True, color_jitter=None, auto_augment=None)
        candidates["timm"] = each(lambda data: timm(open_rgb(data)))
    candidates |= {
        "vitedu": each(run_ours),
        "vitedu, as floats": each(lambda data: run_ours(data).to(torch.float32).mul_(2 / 255).sub_(1)),
        "vitedu, Pillow": without_extras,
    }
    if streaming:
        candidates |= streaming_candidates(folder, usual)
    return candidates


def streaming_candidates(folder: str, usual):
    """Both read the parquet files over and over; each call makes as many images as it is given."""
    from datasets import Image as ImageColumn
    from datasets import load_dataset
    from torch.utils.data import DataLoader

    from vitedu.data.loader import Loader
    from vitedu.data.open import open_source
    from vitedu.data.order import Streamed

    files = sorted(glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True))
    # Each file many times over, for the end of an epoch is none of what is measured.
    table = load_dataset("parquet", data_files=files * 200, split="train", streaming=True)
    table = table.cast_column("image", ImageColumn())

    def mapped(table):
        return table.map(lambda row: {"pixels": usual(row["image"].convert("RGB"))}, remove_columns=["image"])

    def batches(table):
        return iter(DataLoader(mapped(table).with_format("torch"), batch_size=10))

    rows, in_order, shuffled = iter(mapped(table)), batches(table), batches(table.shuffle(seed=0, buffer_size=1000))
    source = open_source(folder, "train", streaming=True)
    loader = Loader(
        source,
        Streamed(source.chunks, seed=0, block=1),
        training_transform(DataRecipe(), (3, SIZE, SIZE)),
        seed=0,
        batch_size=10,
        steps=10**9,
    )
    ours = iter(loader)
    return {
        ".map": lambda images: [next(rows)["pixels"] for _ in images],
        ".map, batches": lambda images: [next(in_order)["pixels"] for _ in range(len(images) // 10)],
        ".map, shuffled": lambda images: [next(shuffled)["pixels"] for _ in range(len(images) // 10)],
        "vitedu, shuffled": lambda images: [next(ours)[0].images for _ in range(len(images) // 10)],
    }


@contextlib.contextmanager
def pillow_only():
    """As if neither extra were installed."""
    kept = decode.simplejpeg, crops.opencv
    decode.simplejpeg = crops.opencv = lambda: None
    try:
        yield
    finally:
        decode.simplejpeg, crops.opencv = kept


def measure_pad_crop(times: int = 5000) -> float:
    """Microseconds for one CIFAR-10 image, random numbers included."""
    transform = training_transform(DataRecipe(crop="pad", pad=4, eval_resize=None), (3, 32, 32))
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    start = time.perf_counter()
    for position in range(times):
        transform(pixels, sample_rng(0, position))
    return (time.perf_counter() - start) / times * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="a folder of parquet files; default: pieces of scikit-learn's photographs")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--images", type=int, default=30, help="per round and candidate, a multiple of 10")
    parser.add_argument("--streaming", action="store_true", help="also from parquet files; needs datasets")
    args = parser.parse_args()
    if args.images < 10 or args.images % 10:
        parser.error(f"--images {args.images} is not allowed; it must be a positive multiple of 10")
    if decode.simplejpeg() is None or crops.opencv() is None:
        parser.error('simplejpeg or OpenCV is missing: pip install ".[fast]"')
    torch.set_num_threads(1)

    with tempfile.TemporaryDirectory() as made:
        images = read_parquet(args.data) if args.data else photographs()
        if not args.data:
            write_parquet(images, made)
        sizes = sorted(Image.open(io.BytesIO(data)).size for data in images)
        kilobytes = np.median([len(data) for data in images]) / 1000
        print(f"{len(images)} images, median {kilobytes:.0f} kB, size {sizes[len(sizes) // 2]}; one thread")
        candidates = make_candidates(args.data or made, args.streaming)
        speeds = measure(candidates, images, args.rounds, args.images)

    print(f"\n{'':20s} {'images/s':>9s} {'best':>6s} {'/ ' + BASE:>14s} {'(quartiles)':>14s}")
    for name, speed in speeds.items():
        ratios = speed / speeds[BASE]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        print(f"{name:20s} {np.median(speed):9.0f} {speed.max():6.0f} {middle:14.2f} {low:7.2f}-{high:.2f}")
    if args.streaming:
        for ours in ("vitedu", "vitedu, shuffled"):
            for theirs in (".map", ".map, batches", ".map, shuffled"):
                print(f"({ours}) / ({theirs}): {np.median(speeds[ours] / speeds[theirs]):.2f}")
    print(f"\nPadCrop: {measure_pad_crop():.0f} us per image of 32 x 32")


def measure(candidates, images, rounds: int, count: int) -> dict[str, np.ndarray]:
    """Images per second, one number per round."""
    speeds = {name: [] for name in candidates}
    for n in range(rounds + 1):  # the first warms up
        some = [images[i % len(images)] for i in range(n * count, (n + 1) * count)]
        for name, make in candidates.items():
            start = time.perf_counter()
            make(some)
            speeds[name].append(count / (time.perf_counter() - start))
    return {name: np.array(speed[1:]) for name, speed in speeds.items()}


if __name__ == "__main__":
    main()
