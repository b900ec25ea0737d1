"""CIFAR-10 from scratch on one GPU: the paper's blocks alone, three seeds, a few minutes.

The model is a plain ViT (patch embedding, 1-D positions, pre-norm blocks, mean over the tokens).  The data live on the
GPU (`vitedu.data.resident`).  A step is augmentation, forward, backward, clipping, optimiser and averaging; it is
compiled, and captured once as a CUDA graph, so that the host starts one thing per step.

1. The step is measured, plain and as a graph; both must give the same losses.
2. Optimiser and learning rate are chosen by short runs on 45,000 images, by accuracy on the other 5,000 of the training
   images.
3. The time that is left is shared out among the seeds; each trains on all 50,000 for as many epochs as fit.  The test
   images are looked at only to report.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from vitedu import Adam, ViT, ViTConfig, formulas, learning_rate
from vitedu.data.draws import random_bits, uniform
from vitedu.data.resident import Augmentation, Resident
from vitedu.engine.average import Average
from vitedu.training.losses import softmax_cross_entropy
from vitedu.training.muon import Muon, adam_state

from .card import peak_flops

NEEDS: tuple[str, ...] = ()  # pyarrow and Pillow where data is given, safetensors to write the weights

# The size of ViT-Lite-7/4 (Hassani et al. 2021, arXiv:2104.05704), of which 91.4 and 93.6 % have been published.
MODEL = ViTConfig(32, 4, 256, 7, 4, 512, num_classes=10, classifier="gap", stochastic_depth=0.1)
SMALL = ViTConfig(32, 4, 48, 2, 2, 96, num_classes=10, classifier="gap", stochastic_depth=0.1)
BATCH_SIZE = 512
PILOTS = (("adam", 1e-3), ("muon", 1e-3), ("muon", 2e-3), ("muon", 4e-3))
PILOT_EPOCHS = 8
HELD_OUT = 5000
SEEDS = 3
LEAST_EPOCHS = 180  # fewer seeds rather than fewer epochs
LONGEST = 300.0  # seconds of one seed
WEIGHT_DECAY, CLIP_NORM, LABEL_SMOOTHING, AVERAGE = 0.05, 1.0, 0.1, 0.999
WARM_UP = 0.05  # part of all steps
UNMIXED = 0.1  # part of all steps, at the end, without mixup and cutmix


def run(*, device: str, seconds: float, small: bool, data: str | None, write) -> None:
    """Train, within `seconds`; `write` gets the result so far, again and again."""
    clock = Clock(min(seconds, 15.0) if small else seconds)
    on_gpu = torch.device(device).type == "cuda"
    # One stream for everything: a graph must be captured on another than the default, where autograd then is at home.
    stream = torch.cuda.Stream() if on_gpu else None
    with torch.cuda.stream(stream) if on_gpu else nullcontext():
        _run(clock, torch.device(device), stream, small, data, write)


def _run(clock, device, stream, small, data, write) -> None:
    result = {"part": "cifar10", "torch": torch.__version__, "device": device_name(device), "notes": []}
    train, test, result["data"] = read_data(data, small)
    config, batch_size = (SMALL, 64) if small else (MODEL, BATCH_SIZE)
    held_out = min(HELD_OUT, len(train[0]) // 5)
    loader = Resident(
        *train, num_classes=config.num_classes, seed=0, batch_size=batch_size, device=device,
        augmentation=Augmentation(), label_smoothing=LABEL_SMOOTHING,
    )  # fmt: skip
    test = tuple(torch.as_tensor(part).to(device) for part in test)
    unseen = loader.images[-held_out:], loader.labels[-held_out:]
    whole = Whole(config, loader, device, stream, compiled=device.type == "cuda")
    result |= {
        "model": asdict(config) | {"parameters": whole.size, "macs": macs(config)},
        "settings": {
            "batch_size": batch_size, "weight_decay": WEIGHT_DECAY, "clip_norm": CLIP_NORM,
            "label_smoothing": LABEL_SMOOTHING, "average": AVERAGE, "warm_up": WARM_UP, "unmixed": UNMIXED,
            "precision": "bfloat16 autocast, evaluated in float32", "augmentation": asdict(loader.augmentation),
        },
        "data_seconds": clock.passed(),
    }  # fmt: skip
    write(result)

    # ---- how fast is a step? -----------------------------------------------------------------------------------------
    trainers = {kind: whole.trainer(kind) for kind in dict(PILOTS)}
    result["speed"] = {}
    for kind, trainer in trainers.items():
        result["speed"][kind] = trainer.prepare(few=small)
        write(result)
    result["notes"] += whole.notes
    per_epoch = len(loader.images) / batch_size

    # ---- which optimiser, at which rate? -----------------------------------------------------------------------------
    loader.num_images = len(loader.images) - held_out
    result["pilots"] = []
    for kind, lr in PILOTS:
        trainer = trainers[kind]
        most = 0.05 * clock.seconds / trainer.step_seconds  # all pilots: at most a fifth of the time
        steps = max(2, int(min(PILOT_EPOCHS * per_epoch, most)))
        trainer.reset(seed=100)
        started = time.perf_counter()
        try:
            trainer.train(steps, lr, clock.deadline)
            found = whole.accuracy(*unseen)
        except FloatingPointError as error:
            result["notes"].append(str(error))
            found = 0.0
        took = time.perf_counter() - started
        if steps > 100:
            trainer.step_seconds = max(trainer.step_seconds, 0.97 * took / steps)
        result["pilots"].append(
            {"optimizer": kind, "lr": lr, "epochs": steps / per_epoch, "seconds": took, "held_out": found}
        )
        write(result)
    best = max(result["pilots"], key=lambda pilot: pilot["held_out"])
    result["chosen"] = {"optimizer": best["optimizer"], "lr": best["lr"]}
    trainer = trainers[best["optimizer"]]

    # ---- the seeds ---------------------------------------------------------------------------------------------------
    loader.num_images = len(loader.images)
    epoch_seconds = trainer.step_seconds * per_epoch
    whole.accuracy(*test)  # the first time is not the usual one
    evaluation = timed(lambda: whole.accuracy(*test), device)
    count = SEEDS
    least = 1 if small else LEAST_EPOCHS
    while count > 1 and clock.left() / count / epoch_seconds < least:
        count -= 1
    if count < SEEDS:
        seeds = f"{count} of {SEEDS} seeds: an epoch takes {epoch_seconds:.2f} s"
        result["notes"].append(f"{seeds}, so that {least} epochs would not fit for more")
    result["seeds"] = []
    for seed in range(count):
        share = min(clock.left() / (count - seed), LONGEST)
        # Up to 20 points of the curve, each of weights and averages, in a tenth of the time; more at the end, with
        # flips; 3 % for what was not measured.
        points = min(20, max(1, int(0.05 * share / evaluation)))
        room = 0.97 * share - (2 * points + 8) * evaluation - 0.1
        steps = int(room / trainer.step_seconds)
        if seed and steps < 0.5 * result["seeds"][0]["steps"]:
            result["notes"].append(f"no time was left for seed {seed}")
            break
        steps = max(steps, 2)
        entry = {"seed": seed, "steps": steps, "epochs": steps / per_epoch, "complete": False, "curve": []}
        result["seeds"].append(entry)
        trainer.reset(seed)
        started = time.perf_counter()

        def report(step, loss, entry=entry, started=started):
            found = {"epoch": step / per_epoch, "loss": loss, "seconds": time.perf_counter() - started}
            found |= {"accuracy": whole.accuracy(*test), "averaged_accuracy": whole.accuracy(*test, averaged=True)}
            entry["curve"].append(found)
            write(result)

        try:
            done = trainer.train(steps, best["lr"], clock.deadline, report, every=-(-steps // points))
        except FloatingPointError as error:
            result["notes"].append(f"seed {seed}: {error}")
            continue
        entry |= {"steps_done": done, "complete": done == steps, "seconds": time.perf_counter() - started}
        for averaged in (False, True):
            for flips in (False, True):
                name = "averaged_" * averaged + "flip_" * flips + "accuracy"
                entry[name] = whole.accuracy(*test, flips=flips, averaged=averaged)
        # The step as it was in a long run, for the next seed's plan.
        trainer.step_seconds = max(trainer.step_seconds, entry["seconds"] / max(done, 1) * 0.97)
        flops = 6 * macs(config) * batch_size * done
        entry["flop_per_second"] = flops / entry["seconds"]
        entry["mfu"] = entry["flop_per_second"] / peak(device) if peak(device) else None
        if entry["accuracy"] >= max(e["accuracy"] for e in result["seeds"] if "accuracy" in e):
            result["export"] = export(whole.model, test, seed, result["notes"])
        if device.type == "cuda":
            result["peak_bytes"] = torch.cuda.max_memory_allocated()
        write(result)
    accuracies = [entry["accuracy"] for entry in result["seeds"] if "accuracy" in entry]
    if accuracies:
        result["mean_accuracy"] = float(np.mean(accuracies))
        result["sd_accuracy"] = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
    result["seconds"] = clock.passed()
    write(result)


# ---- the step --------------------------------------------------------------------------------------------------------


class Whole:
    """Model, data and the two functions that are compiled; every optimiser's trainer shares them."""

    def __init__(self, config, loader, device, stream, compiled: bool):
        self.config, self.loader, self.device, self.stream, self.notes = config, loader, device, stream, []
        self.model = ViT(config, 0).to(device).train()
        self.size = sum(p.numel() for p in self.model.parameters())
        paths = []
        for module in self.model.modules():
            if hasattr(module, "recompute"):
                module.recompute = False  # memory is plentiful here
            if type(module).__name__ == "StochasticDepth":  # the first block, at rate 0, has none, and other code
                paths.append(module)
        # Stochastic depth is drawn as the images' augmentation is, by (seed, position), and written to where the
        # modules look for a given mask.
        B = loader.batch_size
        self.rates = torch.tensor([path.rate for path in paths], device=device)
        self.masks = torch.ones(len(paths), B, 1, 1, device=device)
        for path, mask in zip(paths, self.masks, strict=True):
            path.mask = mask
        self.offsets = torch.arange(B, device=device)
        self.average = Average(self.model, AVERAGE)
        self.viewer = ViT(config, 0).to(device).eval()  # has the weights that are evaluated, and is never compiled
        self.inputs, self.compiled = self._inputs, compiled
        if compiled:  # block by block: all but the first have the same code, which is compiled once
            self.inputs = torch.compile(self._inputs, dynamic=False)
            for block in self.model.encoder.blocks:
                block.compile(dynamic=False)

    def _inputs(self, ids, first, seed, mixing):
        """What a step starts from: images (B, C, H, W), targets (B, K), stochastic depth's masks."""
        positions = first + self.offsets
        images, targets = self.loader.batch(ids, positions, seed, mixing)
        u = uniform(random_bits(seed, positions, len(self.rates), stream=1))  # (B, paths)
        masks = (u >= self.rates).float() / (1 - self.rates)
        return images, targets, masks.T[:, :, None, None]

    def loss_of(self, images, targets):
        """The mean loss of a batch, its network in bfloat16 where autocast has it so."""
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.model(images)
        return softmax_cross_entropy(logits.float(), targets)

    def without_compiling(self, error) -> None:
        """Go on with the same functions as they are written."""
        self.notes.append(f"not compiled: {type(error).__name__}: {str(error)[:500]}")
        self.inputs, self.compiled = self._inputs, False
        for block in self.model.encoder.blocks:
            block._compiled_call_impl = None  # what `Module.compile` sets

    def trainer(self, kind: str) -> Trainer:
        return Trainer(self, kind)

    @torch.no_grad()
    def accuracy(self, images, labels, flips=False, averaged=False) -> float:
        """Accuracy of the weights of now, or of the averaged ones."""
        weights = self.average.weights.values() if averaged else self.model.parameters()
        torch._foreach_copy_(list(self.viewer.parameters()), list(weights))
        return accuracy(self.viewer, images, labels, flips)


class Trainer:
    """One optimiser's steps.  All that changes from step to step is written into tensors that stay where they are."""

    def __init__(self, whole, kind: str):
        self.whole, self.kind, device = whole, kind, whole.device
        self.ids = torch.zeros(whole.loader.batch_size, dtype=torch.int64, device=device)
        self.first = torch.zeros((), dtype=torch.int64, device=device)
        self.seed = torch.zeros((), dtype=torch.int64, device=device)
        self.mixing, self.lr = torch.ones((), device=device), torch.zeros((), device=device)
        self.loss = torch.zeros((), device=device)  # the sum since it was read
        self.parameters = list(whole.model.parameters())
        if kind == "muon":
            self.optimizer = Muon(whole.model, self.lr, weight_decay=WEIGHT_DECAY)
            self.state = self.optimizer.state
        else:
            self.optimizer = Adam(whole.model, 1.0, weight_decay=WEIGHT_DECAY)
            for group in self.optimizer.param_groups:
                group |= {"lr": self.lr, "capturable": True}
            self.state = lambda: adam_state(self.optimizer)
        self.go, self.step_seconds = self.work, None

    def work(self) -> None:
        """One step, without one wait for the host."""
        whole = self.whole
        images, targets, masks = whole.inputs(self.ids, self.first, self.seed, self.mixing)
        whole.masks.copy_(masks)
        for p in self.parameters:
            p.grad = None
        loss = whole.loss_of(images, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        self.optimizer.step()
        whole.average.update(whole.model)
        self.loss.add_(loss.detach())

    @torch.no_grad()
    def reset(self, seed: int) -> None:
        """First weights, order and draws of `seed`; nothing of what was before is left."""
        whole = self.whole
        whole.model.load_state_dict(ViT(whole.config, seed).state_dict())
        for name, p in whole.model.named_parameters():
            whole.average.weights[name].copy_(p)
        for tensor in [*self.state(), self.loss]:
            tensor.zero_()
        whole.loader.start(seed)
        self.seed.copy_(whole.loader.seed)

    def prepare(self, few: bool) -> dict:
        """Compile, capture, measure; returns what was found."""
        whole, device = self.whole, self.whole.device
        self.reset(0)
        started = time.perf_counter()
        try:
            self.train(3, 1e-3)
        except Exception as error:
            if not whole.compiled:
                raise
            whole.without_compiling(error)
            self.train(3, 1e-3)
        found = {"first_steps_seconds": time.perf_counter() - started, "compiled": whole.compiled}
        repeats = 3 if few else 30
        plain = self._losses()
        found["plain_ms"] = 1e3 * timed(lambda: self.train(repeats, 1e-3), device) / repeats
        self.step_seconds = found["plain_ms"] / 1e3
        if device.type == "cuda":
            try:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=whole.stream):
                    self.work()
                self.go = graph.replay
                replayed = self._losses()
                found["graph_ms"] = 1e3 * timed(lambda: self.train(repeats, 1e-3), device) / repeats
                # The same sums, but atomic additions and bfloat16 may round otherwise.
                found["graph_difference"] = max(abs(a - b) / a for a, b in zip(plain, replayed, strict=True))
                if not found["graph_difference"] < 0.02:
                    raise RuntimeError(f"the graph's losses are {replayed}, those of single steps {plain}")
                self.step_seconds = min(self.step_seconds, found["graph_ms"] / 1e3)
                found["graph"] = found["graph_ms"] < found["plain_ms"]
                if not found["graph"]:
                    self.go = self.work
            except Exception as error:
                whole.notes.append(f"no CUDA graph for {self.kind}: {type(error).__name__}: {str(error)[:500]}")
                found["graph"], self.go = False, self.work
        found["images_per_second"] = whole.loader.batch_size / self.step_seconds
        if peak(device):
            found["mfu"] = found["images_per_second"] * 6 * macs(whole.config) / peak(device)
        return found

    def _losses(self) -> list[float]:
        """The losses of the first four steps of seed 0, one by one."""
        self.reset(0)
        losses = []
        self.train(4, 1e-3, report=lambda step, loss: losses.append(loss), every=1, warm_up=False)
        return losses

    def train(self, steps, lr, deadline=float("inf"), report=None, every=None, warm_up=True) -> int:
        """`steps` steps, report(step, mean loss) after every `every`; stops at the deadline.  Returns the steps done.

        Raises FloatingPointError where a loss that is read is not finite.
        """
        loader, chunk = self.whole.loader, 64
        every = every or max(1, steps // 20)
        self.loss.zero_()
        for step in range(steps):
            if step % chunk == 0:
                ids = loader.ids(step, min(chunk, steps - step))
            self.ids.copy_(ids[step % chunk])
            self.first.fill_(step * loader.batch_size)
            warm = max(1, int(WARM_UP * steps)) if warm_up else 0
            self.lr.fill_(learning_rate(step, base=lr, total_steps=steps, warmup_steps=warm))
            self.mixing.fill_(1.0 if step < (1 - UNMIXED) * steps else 0.0)
            self.go()
            done = step + 1
            if done % every == 0 or done == steps:
                since = every if done % every == 0 else done % every
                loss = float(self.loss) / since  # here the host waits
                self.loss.zero_()
                if not np.isfinite(loss):
                    raise FloatingPointError(f"the loss is {loss} at step {step} ({self.kind}, learning rate {lr})")
                if report is not None:
                    report(done, loss)
                if time.perf_counter() > deadline:
                    return done
        return steps


# ---- around it -------------------------------------------------------------------------------------------------------


class Clock:
    """The time that the part has."""

    def __init__(self, seconds: float):
        self.seconds, self.start = seconds, time.perf_counter()
        self.deadline = self.start + seconds - max(1.0, 0.02 * seconds)

    def passed(self) -> float:
        return time.perf_counter() - self.start

    def left(self) -> float:
        return max(0.0, self.deadline - time.perf_counter())


def timed(work, device) -> float:
    """Seconds of `work`, with all that it started on the device."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def wait(device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


@torch.no_grad()
def accuracy(model, images, labels, flips: bool = False, batch_size: int = 1000) -> float:
    """Part of the images whose largest score is at the label, in float32; the model in eval mode.

    flips: the scores of an image and of its mirror, added.
    """
    right = torch.zeros((), dtype=torch.int64, device=labels.device)
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        x = x.float() / 127.5 - 1
        scores = model(x) + model(x.flip(-1)) if flips else model(x)
        right += (scores.argmax(-1) == y).sum()
    return int(right) / len(labels)


def export(model, test, seed: int, notes: list) -> dict:
    """Write the weights as float16, and try the file."""
    folder = Path(os.environ.get("VITEDU_GPU_OUT") or tempfile.mkdtemp())
    path = folder / "vit_cifar10_gpu.safetensors"
    try:
        from vitedu import from_pretrained
        from vitedu.weights.safe import save_safetensors

        save_safetensors(model, path, np.float16)
        loaded = from_pretrained(path).to(test[0].device).eval()
    except (ImportError, OSError, ValueError) as error:
        notes.append(f"no weights written: {type(error).__name__}: {error}")
        return {}
    found = {"file": path.name, "bytes": path.stat().st_size, "seed": seed}
    return found | {"accuracy": accuracy(loaded, *test)}


def macs(config) -> int:
    """Multiplications of one image's forward; a step takes three times as many, each with an addition."""
    return sum(formulas.macs_by_part(config).values())


def device_name(device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"


def peak(device) -> float | None:
    """The most operations per second in bfloat16 that the maker names, None where it is not known here."""
    return peak_flops(device_name(device))[0] if device.type == "cuda" else None


def read_data(folder: str | None, small: bool):
    """((images, labels) of training, the same of test, what they are); images (n, 3, 32, 32) uint8."""
    if folder is None:
        rng = np.random.default_rng(0)
        train, test = coloured_noise(640, rng), coloured_noise(160, rng)
        return train, test, "synthetic: noise whose mean colour tells the class (no data were given)"
    most = {"train": 800, "test": 200} if small else {"train": None, "test": None}
    train, test = (read_parquet(folder, split, most[split]) for split in most)
    return train, test, f"CIFAR-10: {len(train[0])} training and {len(test[0])} test images"


def coloured_noise(n: int, rng):
    """Ten classes, each with a mean colour of its own."""
    labels = np.arange(n) % 10
    colours = np.random.default_rng(1).integers(60, 196, (10, 3, 1, 1))
    images = colours[labels] + rng.normal(0, 30, (n, 3, 32, 32))
    return np.clip(images, 0, 255).astype(np.uint8), labels.astype(np.int64)


def read_parquet(folder: str, split: str, most: int | None):
    """The images of a split in hub layout: files split-*.parquet, an image column of encoded bytes, "label"."""
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow.parquet as pq
    from PIL import Image

    files = sorted(Path(folder).rglob(f"{split}-*.parquet"))
    if not files:
        raise FileNotFoundError(f"data={folder!r} holds no {split}-*.parquet")
    encoded, labels = [], []
    for file in files:
        table = pq.read_table(file)
        column = next(name for name in ("img", "image") if name in table.column_names)
        encoded += [row["bytes"] for row in table[column].to_pylist()]
        labels += table["label"].to_pylist()
    encoded, labels = encoded[:most], labels[:most]

    def decode(data):
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    with ThreadPoolExecutor() as pool:
        images = np.stack(list(pool.map(decode, encoded, chunksize=500)))
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), np.array(labels, np.int64)


def table(result: dict) -> str:
    """Markdown: what was run, one row a seed, how fast."""
    model, chosen = result.get("model", {}), result.get("chosen")
    where = f"on {result['device']} (PyTorch {result['torch']})"
    lines = [f"CIFAR-10 from scratch, plain ViT, {where}. Data: {result.get('data', 'not read')}."]
    if model:
        lines.append(
            f"Model: patch {model['patch_size']}, width {model['width']}, {model['depth']} blocks, {model['heads']} "
            f"heads, MLP {model['mlp_dim']}; {model['parameters']:,} parameters, {model['macs'] / 1e6:.0f} million "
            f"MACs an image."
        )
    for kind, found in result.get("speed", {}).items():
        graph = f", as a CUDA graph {found['graph_ms']:.2f} ms" if "graph_ms" in found else ""
        mfu = f", {100 * found['mfu']:.1f} % of the peak" if found.get("mfu") else ""
        lines.append(
            f"Step ({kind}): {found['plain_ms']:.2f} ms{graph}; {found['images_per_second']:,.0f} images/s{mfu}; "
            f"the first steps, with compiling, took {found['first_steps_seconds']:.0f} s."
        )
    if result.get("pilots"):
        lines += ["", "| chosen by | learning rate | epochs | held-out accuracy, % |", "|---|---|---|---|"]
        for p in result["pilots"]:
            lines.append(f"| {p['optimizer']} | {p['lr']:g} | {p['epochs']:.1f} | {100 * p['held_out']:.2f} |")
    if chosen:
        lines += ["", f"Chosen: {chosen['optimizer']}, learning rate {chosen['lr']:g}."]
    if result.get("seeds"):
        lines += [
            "",
            "| seed | epochs | s | accuracy, % | with flips | averaged weights | averaged, with flips | MFU, % |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for entry in result["seeds"]:
            if "accuracy" not in entry:
                last = entry["curve"][-1] if entry["curve"] else None
                so_far = f"{100 * last['accuracy']:.2f} at epoch {last['epoch']:.0f}" if last else "-"
                lines.append(f"| {entry['seed']} | not finished | - | {so_far} | - | - | - | - |")
                continue
            names = ("accuracy", "flip_accuracy", "averaged_accuracy", "averaged_flip_accuracy")
            cells = " | ".join(f"{100 * entry[name]:.2f}" for name in names)
            mfu = f"{100 * entry['mfu']:.1f}" if entry.get("mfu") else "-"
            cut = "" if entry["complete"] else " (cut short)"
            lines.append(f"| {entry['seed']} | {entry['epochs']:.0f}{cut} | {entry['seconds']:.0f} | {cells} | {mfu} |")
    if result.get("mean_accuracy") is not None:
        sd = f" (standard deviation {100 * result['sd_accuracy']:.2f})" if result.get("sd_accuracy") is not None else ""
        lines += ["", f"Mean accuracy of the last weights, without flips: {100 * result['mean_accuracy']:.2f} %{sd}."]
    if result.get("export"):
        e = result["export"]
        lines.append(
            f"`{e['file']}`: the weights of seed {e['seed']}, the best on the test images, as float16, "
            f"{e['bytes'] / 1e6:.1f} MB, {100 * e['accuracy']:.2f} %."
        )
    return "\n".join([*lines, *(f"Note: {note}." for note in result.get("notes", []))])
