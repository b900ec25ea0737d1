"""Sixteen small ViTs: side by side in one program, or one after another.

A step is forward, backward, clipping and Adam for each of the sixteen, on batches of their own.  Both ways are measured
as they are written, compiled, and on a GPU captured as a CUDA graph; in rounds, each candidate in turn, so that what
slows the machine down slows all of them.  First both must give the same losses.
"""

from __future__ import annotations

import statistics
import time
from contextlib import nullcontext

import torch

from vitedu import DIGITS_VIT, Adam, ViT
from vitedu.recipes import get_recipe
from vitedu.training.losses import softmax_cross_entropy
from vitedu.training.many import Many

NEEDS: tuple[str, ...] = ()

MODELS = 16
CLIP_NORM, WEIGHT_DECAY, RATE = 1.0, 0.1, 1e-3
FIRST = "one after another"
COMPILE_ROOM = 30.0  # seconds that must be left to begin compiling
# name, model, batch size; of a model that has seen no data, images may be noise: the time is the same.
CASES = (("digits", DIGITS_VIT, 64), ("cifar10", get_recipe("vit_cifar10").model, 128))


def run(*, device: str, seconds: float, small: bool, data: str | None, write) -> None:
    """Measure, within `seconds`; `write` gets the result so far, again and again.  No data are needed."""
    device = torch.device(device)
    stream = torch.cuda.Stream() if device.type == "cuda" else None
    with torch.cuda.stream(stream) if stream is not None else nullcontext():
        _run(device, stream, min(seconds, 12.0) if small else seconds, small, write)


def _run(device, stream, seconds, small, write) -> None:
    end = time.perf_counter() + 0.95 * seconds
    K = 2 if small else MODELS
    autocast = torch.bfloat16 if device.type == "cuda" else None
    result = {
        "part": "many", "torch": torch.__version__, "models": K, "notes": [], "cases": [],
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "precision": "bfloat16 autocast" if autocast else "float32",
    }  # fmt: skip
    for i, (name, config, batch_size) in enumerate(CASES):
        batch_size = 4 if small else batch_size
        until = time.perf_counter() + (end - time.perf_counter()) / (len(CASES) - i)
        case = {"name": name, "width": config.width, "depth": config.depth, "batch_size": batch_size}
        result["cases"].append(case)
        images, targets = noise(config, K, batch_size, device)
        case["loss_difference"] = difference(config, K, images, targets, device)
        write(result)
        made, candidates, case["prepared"] = {}, {}, {}
        graphs = device.type == "cuda"
        ways = ["plain"] + ["CUDA graph"] * graphs  # the slow ones to begin come last
        ways += [] if small else ["compiled"] + ["compiled, CUDA graph"] * graphs
        for way in ways:
            if way == "compiled" and time.perf_counter() > until - COMPILE_ROOM:
                result["notes"].append(f"{name}: no time was left to compile")
                continue
            for kind in (OneAfterAnother, Stacked):
                if way == "compiled, CUDA graph" and f"{kind.label}, compiled" not in candidates:
                    continue
                label = kind.label if way == "plain" else f"{kind.label}, {way}"
                try:
                    if way.endswith("CUDA graph"):  # of what was made just before
                        candidate = made[kind]
                    else:
                        candidate = kind(config, K, autocast, device)
                    if way == "compiled":
                        candidate.compile()
                    step, case["prepared"][label] = prepare(candidate, way, images, targets, device, stream)
                    candidates[label] = step
                    made[kind] = candidate
                except Exception as error:
                    result["notes"].append(f"{name}, {label}: {type(error).__name__}: {str(error)[:300]}")
            # What is there is measured at once: if time runs out while compiling, this is what is left.
            last = way == ways[-1]
            stop = until if last else min(until, time.perf_counter() + (until - time.perf_counter()) / 6)
            case["variants"] = measure(candidates, case["prepared"], K, device, stop)
            write(result)
    result["finished"] = True
    write(result)


# ---- two ways of the same step ---------------------------------------------------------------------------------------


class OneAfterAnother:
    """K models, K optimisers, a loop."""

    label = FIRST

    def __init__(self, config, K, autocast, device):
        self.autocast, self.lr = autocast, torch.full((), RATE, device=device)
        self.models = [ViT(config, seed).to(device).train() for seed in range(K)]
        self.optimizers = []
        for model in self.models:
            for module in model.modules():
                if hasattr(module, "recompute"):
                    module.recompute = False  # as in the stacked way
            optimizer = Adam(model, RATE, weight_decay=WEIGHT_DECAY)
            for group in optimizer.param_groups:
                group |= {"lr": self.lr, "capturable": True}
            self.optimizers.append(optimizer)

    def compile(self) -> None:
        for model in self.models:  # the same code sixteen times: it is compiled once
            for block in model.encoder.blocks:
                block.compile(dynamic=False)

    def step(self, images, targets):
        losses = []
        for model, optimizer, x, y in zip(self.models, self.optimizers, images, targets, strict=True):
            for p in model.parameters():
                p.grad = None
            with torch.autocast(x.device.type, self.autocast, enabled=self.autocast is not None):
                logits = model(x)
            loss = softmax_cross_entropy(logits.float(), y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses)


class Stacked:
    """`vitedu.training.many.Many`."""

    label = "stacked"

    def __init__(self, config, K, autocast, device):
        self.many = Many(
            lambda seed: ViT(config, seed),
            range(K),
            weight_decay=WEIGHT_DECAY,
            clip_norm=CLIP_NORM,
            device=device,
            autocast=autocast,
        )
        self.lr = torch.full((), RATE, device=device)
        self.many_step = self.many.step

    def compile(self) -> None:
        self.many_step = torch.compile(self.many.step, dynamic=False)

    def step(self, images, targets):
        return self.many_step(images, targets, self.lr)[0]


def prepare(candidate, way, images, targets, device, stream):
    """A call that does one step of all models, and how long the first steps took and what memory a step takes."""
    started = time.perf_counter()

    def step():
        candidate.step(images, targets)

    for _ in range(3):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() - before
    else:
        peak = None
    if way.endswith("CUDA graph"):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            candidate.step(images, targets)
        step = graph.replay
        step()
        torch.cuda.synchronize()
    return step, {"seconds": time.perf_counter() - started, "step_peak_bytes": peak}


# ---- measuring -------------------------------------------------------------------------------------------------------


def measure(candidates, prepared, K: int, device, stop: float) -> dict:
    """Rounds until `stop`, at least three; in each, every candidate does as many steps as fit into about 50 ms."""
    repeats = {}
    for label, step in candidates.items():
        repeats[label] = max(1, int(0.05 / timed(step, 1, device)))
    seconds = {label: [] for label in candidates}
    rounds = 0
    while rounds < 3 or (time.perf_counter() < stop and rounds < 200):
        for label, step in candidates.items():
            seconds[label].append(timed(step, repeats[label], device) / repeats[label])
        rounds += 1
    found = {}
    for label, times in seconds.items():
        ratios = [a / b for a, b in zip(seconds[FIRST], times, strict=True)] if FIRST in seconds else []
        found[label] = {
            "step_ms": 1e3 * statistics.median(times),
            "models_steps_per_second": K / statistics.median(times),
            "ratio": statistics.median(ratios) if ratios else None,
            "rounds": rounds,
            "step_peak_bytes": prepared[label]["step_peak_bytes"],
        }
    return found


def timed(step, repeats: int, device) -> float:
    """Seconds of so many steps, with all that they started on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def noise(config, K: int, batch_size: int, device):
    """Batches of their own for K models: images (K, b, C, H, W), targets (K, b, classes)."""
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(K, batch_size, config.channels, *config.image_hw, generator=rng) * 2 - 1
    labels = torch.randint(config.num_classes, (K, batch_size), generator=rng)
    targets = torch.nn.functional.one_hot(labels, config.num_classes).float()
    return images.to(device), targets.to(device)


def difference(config, K, images, targets, device) -> float:
    """The largest relative difference of a loss of the two ways, in five steps in float32."""
    ways = [kind(config, K, None, device) for kind in (OneAfterAnother, Stacked)]
    most = 0.0
    for _ in range(5):
        a, b = (way.step(images, targets) for way in ways)
        most = max(most, float(((a - b) / a).abs().max()))
    return most


def table(result: dict) -> str:
    """Markdown: a row for each candidate."""
    lines = [
        f"{result['models']} small ViTs at once on {result['device']} (PyTorch {result['torch']}), "
        f"{result['precision']}.",
        "",
        "| model | way | ms for a step of all | models x steps / s | times as many (paired) | memory of a step, MB |",
        "|---|---|---|---|---|---|",
    ]
    for case in result["cases"]:
        name = f"{case['name']} ({case['width']} wide, {case['depth']} blocks, batch {case['batch_size']})"
        for label, found in case.get("variants", {}).items():
            memory = "-" if found["step_peak_bytes"] is None else f"{found['step_peak_bytes'] / 1e6:.0f}"
            ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2f}"
            speed = f"{found['step_ms']:.2f} | {found['models_steps_per_second']:,.0f} | {ratio}"
            lines.append(f"| {name} | {label} | {speed} | {memory} |")
    lines.append("")
    for case in result["cases"]:
        if "loss_difference" in case:
            lines.append(
                f"{case['name']}: losses of five float32 steps, stacked and one after another, differ by at most "
                f"{case['loss_difference']:.1e} (relative)."
            )
    return "\n".join([*lines, *(f"Note: {note}." for note in result["notes"])])
