"""Can the CPU cores feed the GPU?  JPEGs decoded and cropped per second, against what ViT-S/16 trains on per second.

`vitedu.data`'s loader as `vitedu train` uses it: one worker process per core, prefetched, batches in pinned memory on a
GPU, the training transform of the ImageNet recipes (inception crop to 224 pixels, flip).  The photographs are files of
ImageNet's size, read over and over: the disk's cache holds them, so what is measured is the CPU's work.

ViT-S/16's speed is that of the part *fast* where its results lie beside these; else it is measured here.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

__all__ = ["NEEDS", "run", "table"]

NEEDS = ("PIL",)

SIZE = 224
SEED = 0


# ---- photographs ---------------------------------------------------------------------------------------------------


def find_photographs(folder: str | None, count: int) -> tuple[list[bytes], str]:
    """(JPEG files, what they are): from parquet files, or else made."""
    if folder and importlib.util.find_spec("pyarrow"):
        import pyarrow.parquet as pq

        files = []
        for file in sorted(Path(folder).glob("**/*.parquet")):
            images = pq.read_table(file, columns=["image"]).column("image").to_pylist()
            files += [image["bytes"] for image in images if image["bytes"][:2] == b"\xff\xd8"]
        if files:
            return files[:count], f"{len(files[:count])} photographs of ImageNet"
    files, kinds = make_photographs(min(count, 40))
    return files, f"{len(files)} made-up photographs of 500 x 375 ({', '.join(kinds)})"


def make_photographs(count: int) -> tuple[list[bytes], list[str]]:
    """JPEGs of about ImageNet's median size, 107 kB: pieces of scikit-learn's two, where it is there, and noise."""
    from PIL import Image

    rng = np.random.default_rng(SEED)
    pieces, kinds = [], ["smooth noise"]
    if importlib.util.find_spec("sklearn"):
        from sklearn.datasets import load_sample_images

        kinds.append("pieces of scikit-learn's photographs")
        for i in range(count // 2):
            pixels = load_sample_images().images[i % 2]
            top, left = rng.integers(0, 427 - 375 + 1), rng.integers(0, 640 - 500 + 1)
            pieces.append(pixels[top : top + 375, left : left + 500])
    while len(pieces) < count:
        pixels = sum(
            np.asarray(
                Image.fromarray(rng.integers(0, 256, (375 // s, 500 // s, 3), np.uint8)).resize((500, 375)), float
            )
            for s in (125, 25, 5)
        )
        pieces.append((pixels / 3 + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8))
    files = []
    for pixels in pieces:
        encoded = []
        for quality in (80, 86, 92, 96):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=quality)
            encoded.append(file.getvalue())
        files.append(min(encoded, key=lambda data: abs(len(data) - 107_000)))
    return files, kinds


def decoder() -> str:
    """What decodes and resizes here; the loader takes the quickest that is installed."""
    from vitedu.data.crops import opencv
    from vitedu.data.decode import simplejpeg

    reads = "simplejpeg" if simplejpeg() else "Pillow"
    return f"{reads} decodes, {'OpenCV' if opencv() else 'NumPy'} resizes"


# ---- how fast ------------------------------------------------------------------------------------------------------


def make_loader(source, batch_size: int, workers: int, pin_memory: bool):
    """Batches for ever, as `vitedu train` asks for them."""
    from vitedu.data.loader import Loader
    from vitedu.data.order import Shuffled
    from vitedu.data.transforms import training_transform
    from vitedu.recipes import DataRecipe

    return iter(
        Loader(
            source, Shuffled(len(source), SEED), training_transform(DataRecipe(), (3, SIZE, SIZE)), seed=SEED,
            batch_size=batch_size, steps=10**9, workers=workers, pin_memory=pin_memory,
        )
    )  # fmt: skip


def images_per_worker(workers: int, wanted: int) -> int:
    """So many of a batch that all batches on their way take at most half of the shared memory that is free."""
    try:
        free = os.statvfs("/dev/shm")
    except (OSError, AttributeError):  # not on every system
        return wanted
    on_their_way = 4 * workers * 3 * SIZE**2  # two wait, one is made and one is taken
    return max(1, min(wanted, free.f_bavail * free.f_frsize // 2 // on_their_way))


def images_per_second(batches, batch_size: int, seconds: float) -> dict:
    """Batches taken one after the other for some seconds: the whole, and the median of half-second pieces."""
    start = last = time.perf_counter()
    images, since, pieces = 0, 0, []
    while (now := time.perf_counter()) - start < seconds or images == 0:
        if now - last > 0.5:
            pieces.append(since / (now - last))
            last, since = now, 0
        for batch in next(batches):
            if batch.problems:
                raise RuntimeError(f"an image could not be read: {batch.problems[0]}")
        images, since = images + batch_size, since + batch_size
    took = time.perf_counter() - start
    return {
        "images": images,
        "seconds": took,
        "images_per_second": images / took,
        "median": statistics.median(pieces or [0]),
    }


def training_speed(out: str | None) -> tuple[float, str] | None:
    """(images/s, where it stands) of ViT-S/16's fastest bfloat16 step in the results of the part *fast*."""
    file = Path(out or "") / "fast.json"
    if not out or not file.exists():
        return None
    try:
        rows = [row for row in leaves(json.loads(file.read_text(encoding="utf-8"))) if is_our_step(row)]
    except ValueError:
        return None
    speeds = {row: value for row, value in rows_with_speed(rows)}
    if not speeds:
        return None
    row = max(speeds, key=speeds.get)
    return speeds[row], f"fast.json: {row}"


def leaves(value, path: str = ""):
    """(path, dict) of every dict in a JSON value that holds numbers; names along the way are part of the path."""
    if isinstance(value, dict):
        own = " ".join(str(v) for v in value.values() if isinstance(v, str))
        if any(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value.values()):
            yield f"{path} {own}".strip(), value
        for key, inner in value.items():
            yield from leaves(inner, f"{path} {own} {key}".strip())
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)


def is_our_step(row) -> bool:
    """A step of our ViT-S/16 in bfloat16 on 224 pixels, as far as names tell."""
    path = row[0].lower()
    other = re.search(r"timm|torchvision|transformers|hugging|forward|infer|float32|fp32|numpy", path)
    return bool(re.search(r"vit[-_ ]?s[-_/ ]?16|s/16", path)) and not other


def rows_with_speed(rows):
    for path, row in rows:
        for key, value in row.items():
            if re.fullmatch(r"(images|img)(_per_|/|_)s(ec(ond)?)?", key.lower()) and value:
                yield path, float(value)


def measure_training(device: str, batch_size: int, seconds: float, compile_blocks: bool, config) -> float:
    """Images/s of a training step in bfloat16 on one batch that stays on the device."""
    import torch

    from vitedu import ViT
    from vitedu.training.losses import one_hot, softmax_cross_entropy
    from vitedu.training.optim import Adam

    model = ViT(config, rng=0).to(device)
    if compile_blocks:
        for block in model.encoder.blocks:
            block.compile()
    optimizer = Adam(model, 1e-4)
    images = torch.rand(batch_size, 3, *config.image_hw, device=device) * 2 - 1
    targets = one_hot(torch.arange(batch_size, device=device) % config.num_classes, config.num_classes)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16):
            logits = model(images)
        softmax_cross_entropy(logits.float(), targets).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(3 if device == "cuda" else 1):
        step()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or not times:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return batch_size / statistics.median(times)


# ---- the part ------------------------------------------------------------------------------------------------------


def run(*, device: str, seconds: float, small: bool, data: str | None, write) -> None:
    """See the module.  device: "cuda" or "cpu"; seconds: when to stop; small: few images, a tiny model.

    The photographs are those of the folder that VITEDU_IMAGENET_SAMPLE names; `data`, which is CIFAR-10, is not used.
    """
    from vitedu.data.folder import ImageFiles
    from vitedu.models import named_config

    begun = time.monotonic()
    left = lambda: begun + 0.95 * seconds - time.monotonic()  # noqa: E731
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    results = {"cores": cores, "decoder": decoder(), "rows": {}}

    with tempfile.TemporaryDirectory(prefix="vitedu-feed-", ignore_cleanup_errors=True) as place:
        files, what = find_photographs(os.environ.get("VITEDU_IMAGENET_SAMPLE"), 20 if small else 200)
        folder = Path(place) / "photographs"
        folder.mkdir()
        for i, file in enumerate(files):
            (folder / f"{i:04d}.jpg").write_bytes(file)
        source = ImageFiles(place)
        results |= {"photographs": what, "median_kb": round(statistics.median(map(len, files)) / 1000)}
        write(results)

        batch_size = cores * images_per_worker(cores, 8 if small else 32)  # each worker has an equal part of a batch
        for name, workers, share in (("all cores", cores, 0.35), ("one core, no workers", 0, 0.08)):
            batches = make_loader(source, batch_size if workers else 16, workers, device == "cuda")
            size = batch_size if workers else 16
            started = time.perf_counter()
            for _ in range(4 if workers else 1):  # until all workers are at work and what was prefetched is used up
                next(batches)
            row = {"workers": workers, "batch_size": size, "first_batches_s": time.perf_counter() - started}
            row |= images_per_second(batches, size, max(0.5, min(share * seconds, left())))
            row["per_core"] = row["images_per_second"] / max(workers, 1)
            batches.close()  # ends the workers
            results["rows"][name] = row
            write(results)

    found = training_speed(os.environ.get("VITEDU_GPU_OUT"))
    if found is None:
        config = named_config("vit_ti16", 10, image_size=32) if small else named_config("vit_s16", 1000)
        compiled = device == "cuda" and left() > 25  # to compile takes some 20 seconds
        size = 4 if small else 256
        speed = measure_training(device, size, max(0.5, min(3.0, left() / 2)), compiled, config)
        model = "ViT-Ti/16 at 32 pixels, in place of ViT-S/16" if small else "ViT-S/16"
        found = speed, f"measured here: {model}, bfloat16, {'compiled' if compiled else 'eager'}, batches of {size}"
    results["training"] = {"images_per_second": found[0], "source": found[1]}
    results["ratio"] = results["rows"]["all cores"]["images_per_second"] / found[0]
    write(results)


def table(result: dict) -> str:
    """The results as Markdown."""
    lines = [
        f"{result['cores']} CPU cores; {result.get('photographs', 'no photographs')}, median "
        f"{result.get('median_kb', '?')} kB; {result['decoder']}; inception crop to {SIZE} pixels and flip.",
        "",
        "| loader | images/s | per core | median of half seconds |",
        "|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        lines.append(f"| {name} | {row['images_per_second']:.0f} | {row['per_core']:.0f} | {row['median']:.0f} |")
    if "training" in result:
        training = result["training"]
        lines += [
            "",
            f"ViT-S/16 trains on {training['images_per_second']:.0f} images/s ({training['source']}): the cores make "
            f"{result['ratio']:.2f} times as many.",
        ]
    return "\n".join(lines)
