"""The engine under torchrun on one GPU: a run that is killed and resumed, against one that never was, bit for bit.

Rows: DDP and FSDP2, each in float32 and in bfloat16 with compiled blocks.  Each row is three starts of
`torchrun --nproc-per-node 1` with the backend cpu:gloo,cuda:nccl: one run from start to end; one that gets SIGKILL at a
random step after its first checkpoint; the same command again.  All in deterministic mode (`run.deterministic`), with
dropout, averaged weights and evaluations.  Compared are the exported weights and every number of `metrics.jsonl` but
those of the clock.  Besides: the first losses in float32 on the GPU against those on the CPU.

There is one GPU, so there is one process: sums over processes go through DDP, FSDP2 and NCCL, but over one.  NCCL's own
log says whether it made a communicator.  The rows run at the same time, so their images/s are no measure of speed.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np

__all__ = ["NEEDS", "run", "table"]

NEEDS = ("tqdm", "PIL", "safetensors")

ROOT = Path(__file__).resolve().parents[2]
ROWS = {
    "DDP, float32": {"run.parallel": "ddp", "run.precision": "float32"},
    "FSDP2, float32": {"run.parallel": "fsdp", "run.precision": "float32", "run.workers": 2},
    "DDP, bfloat16, compiled": {"run.parallel": "ddp", "run.precision": "bf16"},
    "FSDP2, bfloat16, compiled": {"run.parallel": "fsdp", "run.precision": "bf16"},
}
for _name in ROWS:
    if "compiled" in _name:  # without the class token all blocks are alike: half as much to compile
        ROWS[_name] |= {"run.compile": True, "model.classifier": "gap"}
COMPARED_STEPS = 8  # GPU against CPU
# Sums of a few hundred float32 products in another order differ by about 1e-6; eight small steps of Adam let that grow.
BOUND = 1e-4
CLOCK = ("seconds", "images_per_second", "mfu")

# Where tyro is missing there is no command line: the same function with the same recipe.
DRIVER = """\
import json
import sys
from dataclasses import replace

from vitedu.engine.train import train
from vitedu.recipes import get_recipe

name, data, out, changes = json.loads(sys.argv[1])
length = {"steps": changes.pop("steps"), "warmup_steps": changes.pop("warmup_steps", 0)}
recipe = replace(get_recipe(name), epochs=None, **length)
for field, value in changes.items():
    part, _, inner = field.rpartition(".")
    recipe = replace(recipe, **({part: replace(getattr(recipe, part), **{inner: value})} if part else {inner: value}))
train(recipe, out, data)
"""


class NotFinished(RuntimeError):
    """A run failed, or its time was up; the message says which."""


# ---- images on the disk --------------------------------------------------------------------------------------------


def write_images(folder: Path, data: str | None, train: int, test: int) -> str:
    """So many images as files in class folders, which need no `datasets`; returns what they are."""
    names = ("train",) * train + ("test",) * test
    if data and importlib.util.find_spec("pyarrow"):
        images, labels = read_parquet(data, train + test)
        what = f"the first {train + test} training images of CIFAR-10"
    else:
        images, labels = made_up(train + test)
        what = "made-up images of 32 x 32: a pattern per class, and noise"
    for i, (split, image, label) in enumerate(zip(names, images, labels, strict=True)):
        path = folder / split / f"class{label}"
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{i:05d}.{'png' if image[:4] == bytes([137, 80, 78, 71]) else 'jpg'}").write_bytes(image)
    return what


def read_parquet(data: str, count: int) -> tuple[list[bytes], list[int]]:
    """The first rows of CIFAR-10's training split, images still encoded."""
    import pyarrow.parquet as pq

    images, labels = [], []
    for file in sorted(Path(data).glob("**/train*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(batch_size=1024, columns=["img", "label"]):
            images += [image["bytes"] for image in batch.column("img").to_pylist()]
            labels += batch.column("label").to_pylist()
            if len(images) >= count:
                return images[:count], labels[:count]
    raise ValueError(f"data={data!r} holds {len(images)} training images in parquet files; {count} are needed")


def made_up(count: int) -> tuple[list[bytes], list[int]]:
    from PIL import Image

    rng = np.random.default_rng(0)
    patterns = rng.uniform(60, 190, (10, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)  # (10, 32, 32, 3)
    images, labels = [], [i % 10 for i in range(count)]
    for label in labels:
        file = io.BytesIO()
        pixels = patterns[label] + rng.normal(0, 30, (32, 32, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
        images.append(file.getvalue())
    return images, labels


# ---- runs in processes of their own --------------------------------------------------------------------------------


class Launcher:
    """Starts runs on the same images, and ends them all when the time is up."""

    def __init__(self, work: Path, images: Path, settings: dict, deadline: float):
        self.work, self.images, self.settings, self.deadline = work, images, settings, deadline
        self.by_command = importlib.util.find_spec("tyro") is not None
        self.driver = work / "driver.py"
        self.driver.write_text(DRIVER, encoding="utf-8")
        self.lock, self.started = threading.Lock(), []

    def start(self, name: str, changes: dict) -> subprocess.Popen:
        """`vitedu train vit_cifar10` with these fields, under torchrun; its folder is `work / name`."""
        changes = self.settings | changes
        arguments = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
        if self.by_command:
            arguments += ["-m", "vitedu.cli", "train", "vit_cifar10", "--data", self.images, "--out", self.work / name]
            for field, value in changes.items():
                option = f"--{field.replace('_', '-')}"
                arguments += [option] if value is True else [option, value]
        else:
            arguments += [self.driver, json.dumps(["vit_cifar10", str(self.images), str(self.work / name), changes])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "OMP_NUM_THREADS": "1",
            "TORCHINDUCTOR_COMPILE_THREADS": "4",  # several runs compile at the same time
            "NCCL_DEBUG": "INFO",
            "NCCL_DEBUG_SUBSYS": "INIT",
            "NCCL_DEBUG_FILE": str(self.work / f"{name}.nccl.%p"),
        }
        for variable in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
            environment.pop(variable, None)
        with self.lock, open(self.work / f"{name}.log", "ab") as log:
            if time.monotonic() > self.deadline:
                raise NotFinished("there was no time left to start it")
            process = subprocess.Popen(
                [str(word) for word in arguments], cwd=self.work, env=environment, stdout=log, stderr=log
            )
            self.started.append(process)
        return process

    def wait(self, process, name: str, reached=None) -> None:
        """Until `reached()` holds, by default until it ended well.  Raises NotFinished for any other end."""
        while time.monotonic() < self.deadline:
            code = process.poll()
            if reached is None and code == 0:
                return
            if reached is not None and reached():
                return
            if code is not None:
                what = "ended before it could be killed" if code == 0 else f"failed with exit code {code}"
                raise NotFinished(f"{what}: {self.last_words(name)}")
            time.sleep(0.005)
        kill(process)
        raise NotFinished(f"its time was up: {self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """The line that says what went wrong, or the last one."""
        lines = (self.work / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line.split("\r")[-1].strip() for line in lines if line.strip()]
        said = [line for line in lines if line.startswith("vitedu: ") or "Error:" in line]
        return (said[:1] or lines[-1:] or ["it printed nothing"])[0][:300]

    def log(self, name: str) -> str:
        return (self.work / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        with self.lock:
            self.deadline = 0.0
            for process in self.started:
                if process.poll() is None:
                    kill(process)


def kill(process) -> None:
    """SIGKILL to a process and all its descendants: what torchrun has started is in sessions of its own."""
    family = descendants(process.pid)
    for pid in [*reversed(family), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def descendants(pid: int) -> list[int]:
    """Children before grandchildren, from /proc."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(0), [])
        found += children
        todo += children
    return found


# ---- one row -------------------------------------------------------------------------------------------------------


def metrics(folder: Path) -> list[dict]:
    """The lines of a `metrics.jsonl` that are complete."""
    path = folder / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def uninterrupted(launcher, name: str, changes: dict) -> float:
    """From start to end; returns the seconds until the first update was done."""
    begun = time.monotonic()
    process = launcher.start(name, changes)
    launcher.wait(process, name, reached=lambda: metrics(launcher.work / name))
    first = time.monotonic() - begun
    launcher.wait(process, name)
    return first


def interrupted(launcher, name: str, changes: dict, kill_at: int) -> dict:
    """Killed at a step, then the same command again; returns what the two said of themselves."""
    folder = launcher.work / name
    process = launcher.start(name, changes)

    def reached():
        lines = metrics(folder)
        return lines and lines[-1]["step"] >= kill_at and any((folder / "checkpoints").glob("step_????????"))

    launcher.wait(process, name, reached)
    kill(process)
    killed_at = metrics(folder)[-1]["step"]
    half_written = any((folder / "checkpoints").glob("*.tmp"))
    process = launcher.start(name, changes)
    launcher.wait(process, name)
    said = [line for line in launcher.log(name).splitlines() if "going on at step" in line]
    if not said:
        raise NotFinished("the second start did not go on from a checkpoint")
    resumed = int(said[-1].partition("going on at step")[2].split()[0])
    return {"killed_after_step": killed_at, "resumed_at_step": resumed, "killed_while_writing": half_written}


def compare(whole: Path, resumed: Path) -> dict:
    """Are all weights and all numbers the same, bit for bit?"""
    from safetensors.numpy import load_file

    ours, theirs = (load_file(folder / "model.safetensors") for folder in (resumed, whole))
    names = ours.keys() | theirs.keys()
    differ = [n for n in names if n not in ours or n not in theirs or ours[n].tobytes() != theirs[n].tobytes()]
    distance = max(float(np.abs(ours[n] - theirs[n]).max()) for n in names if n in ours and n in theirs)
    lines = [[{k: v for k, v in line.items() if k not in CLOCK} for line in metrics(f)] for f in (whole, resumed)]
    first = next((a["step"] for a, b in zip(*lines, strict=False) if a != b), None)
    return {
        "arrays": len(names),
        "arrays_that_differ": len(differ),
        "largest_difference": distance,
        "lines_of_metrics": len(lines[0]),
        "metrics_equal": lines[0] == lines[1],
        "first_step_that_differs": first,
        "bit_equal": not differ and lines[0] == lines[1],
    }


def facts(launcher, name: str) -> dict:
    """What the finished run says of itself."""
    folder = launcher.work / name
    versions = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    lines = metrics(folder)
    speeds = [line["images_per_second"] for line in lines if "images_per_second" in line]
    logs = "".join(file.read_text(errors="replace") for file in launcher.work.glob(f"{name}.nccl.*"))
    return {
        "device": versions["device"],
        "processes": versions["processes"],
        "nccl_communicators": logs.count("Init COMPLETE"),
        "losses": [next(line["loss"] for line in lines[at:] if "loss" in line) for at in (0, -3)],
        "eval_accuracy": next((line["eval_accuracy"] for line in reversed(lines) if "eval_accuracy" in line), None),
        "images_per_second": statistics.median(speeds[len(speeds) // 2 :]),
    }


# ---- the part ------------------------------------------------------------------------------------------------------


def run(*, device: str, seconds: float, small: bool, data: str | None, write) -> None:
    """See the module.  device: "cuda" or "cpu"; seconds: when to stop; small: tiny, the first row; data: CIFAR-10."""
    import torch

    begun = time.monotonic()
    deadline = begun + seconds - min(3.0, 0.1 * seconds)
    steps, every = (20, 4) if small else (100, 10)
    settings = {
        "steps": steps,
        "warmup_steps": 5,
        "decay": "none",
        "batch_size": 32 if small else 128,
        "ema": 0.9,
        "model.dropout": 0.1,
        "run.device": device,
        "run.micro_batch": 32 if small else 128,
        "run.threads": 1,
        "run.log_every": 1,
        "run.checkpoint_every": every,
        "run.evaluate_every": steps // 2,
        "run.deterministic": True,
    }
    if small:
        settings |= {"model.width": 24, "model.mlp_dim": 48, "model.depth": 2, "model.patch_size": 8}
    names = list(ROWS)[: 1 if small else None]
    results = {
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())) if device == "cuda" else None,
        "steps": steps,
        "checkpoint_every": every,
        "batch_size": settings["batch_size"],
        "rows": {name: {"outcome": "not reached"} for name in names},
    }

    with tempfile.TemporaryDirectory(prefix="vitedu-engine-", ignore_cleanup_errors=True) as place:
        work = Path(place)
        results["images"] = write_images(work / "images", data, *((256, 64) if small else (2048, 256)))
        launcher = Launcher(work, work / "images", settings, deadline)
        results["started_by"] = "vitedu train" if launcher.by_command else "vitedu.engine.train.train (tyro is missing)"
        write(results)
        rng = np.random.default_rng(20)
        kills = {name: int(rng.integers(every + 1, steps * 3 // 4)) for name in names}
        short = {"steps": COMPARED_STEPS, "model.dropout": 0.0, "run.precision": "float32", "run.evaluate_every": 1000}
        # What takes longest comes first: all start at once where there are cores enough.
        jobs = {}
        for i, name in sorted(enumerate(names), key=lambda item: "compiled" not in item[1]):
            jobs[name, "killed"] = (interrupted, f"killed{i}", ROWS[name], kills[name])
            jobs[name, "whole"] = (uninterrupted, f"whole{i}", ROWS[name])
        if device == "cuda":
            jobs["", "gpu"] = (uninterrupted, "gpu", short)
            jobs["", "cpu"] = (uninterrupted, "cpu", short | {"run.device": "cpu", "run.threads": 4})
        at_once = len(jobs) if (os.cpu_count() or 1) >= len(jobs) else 2
        with ThreadPoolExecutor(at_once) as pool:
            futures = {pool.submit(*job[:1], launcher, *job[1:]): key for key, job in jobs.items()}
            done, errors = {}, {}
            try:
                for future in as_completed(futures):
                    key = futures[future]
                    try:
                        done[key] = future.result()
                    except NotFinished as error:
                        errors[key] = str(error)
                    except Exception as error:  # one run's trouble must not cost the others' results
                        errors[key] = f"{type(error).__name__}: {error}"
                    _take_in(results, launcher, jobs, key[0], done, errors)
                    results["seconds"] = round(time.monotonic() - begun, 1)
                    write(results)
            finally:
                launcher.close()


def _take_in(results, launcher, jobs, name: str, done: dict, errors: dict) -> None:
    """Fill in what is known of a row by now ("": GPU against CPU)."""
    mine = [key for key in jobs if key[0] == name]
    failed = {how: errors[name, how] for _, how in mine if (name, how) in errors}
    if not name:
        if failed:
            results["gpu_against_cpu"] = {"outcome": "; ".join(f"{how}: {text}" for how, text in failed.items())}
        elif all(key in done for key in mine):
            gpu, cpu = ([line["loss"] for line in metrics(launcher.work / how) if "loss" in line] for _, how in mine)
            distance = max(abs(a - b) / abs(b) for a, b in zip(gpu, cpu, strict=True))
            results["gpu_against_cpu"] = {
                "outcome": "within the bound" if distance <= BOUND else "beyond the bound",
                "steps": len(gpu), "gpu": gpu, "cpu": cpu, "largest_relative_difference": distance, "bound": BOUND,
            }  # fmt: skip
        return
    row = results["rows"][name]
    if failed:
        row["outcome"] = "; ".join(f"{how} run: {text}" for how, text in failed.items())
    whole, killed = ((jobs[name, how][1]) for how in ("whole", "killed"))
    if (name, "whole") in done:
        row |= facts(launcher, whole) | {"seconds_to_first_update": round(done[name, "whole"], 1)}
    if (name, "killed") in done:
        row |= done[name, "killed"]
    if all(key in done for key in mine):
        row |= compare(launcher.work / whole, launcher.work / killed)
        row["outcome"] = "bit-equal" if row["bit_equal"] else "differs"


def table(result: dict) -> str:
    """The results as Markdown."""
    where = f"{result['gpu']}, NCCL {result['nccl']}" if result.get("gpu") else "CPU, gloo"
    lines = [
        f"{where}, PyTorch {result['torch']}; started by torchrun, one process; {result.get('started_by', '')}.  "
        f"{result['steps']} updates of {result['batch_size']}, a checkpoint every {result['checkpoint_every']}; "
        f"{result.get('images', '')}.  Deterministic mode.  The runs went on at the same time.",
        "",
        "| run | outcome | killed after | went on at | arrays that differ | lines of metrics | NCCL communicators "
        "| first update after, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        arrays = f"{row['arrays_that_differ']} of {row['arrays']}" if "arrays" in row else "-"
        equal = (
            f"{row['lines_of_metrics']}, {'equal' if row['metrics_equal'] else 'not equal'}" if "arrays" in row else "-"
        )
        cells = (
            *(name, row["outcome"], row.get("killed_after_step", "-"), row.get("resumed_at_step", "-"), arrays, equal),
            *(row.get("nccl_communicators", "-"), row.get("seconds_to_first_update", "-")),
        )
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    found = result.get("gpu_against_cpu")
    if found and "bound" in found:
        lines += [
            "",
            f"First {found['steps']} losses in float32, GPU against CPU: relative difference at most "
            f"{found['largest_relative_difference']:.1e}; bound {found['bound']:.0e}: {found['outcome']}.",
        ]
    elif found:
        lines += ["", f"GPU against CPU: {found['outcome']}."]
    return "\n".join(lines)
