"""What one sees of a run: a progress bar, `metrics.jsonl`, TensorBoard.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

from tqdm import tqdm

from vitedu_numpy.contract import checked
from vitedu_numpy.weights.files import replacing

__all__ = ["Report", "read_metrics"]

EVERY = 60.0  # seconds between two lines of a log


class Report:
    """Writes one line of JSON per report to `metrics.jsonl`, and to TensorBoard where that is installed.

    On a terminal a bar moves; elsewhere a line is printed at most once a minute, at the first report and at the last.
    peak: images/s of all processes at their best (`peak.py`); mfu is the part of it that is reached.
    On resume the lines after the checkpoint's step are taken away: those steps will be done again.
    """

    def __init__(self, folder, world, steps: int, start: int, batch_size: int, peak: float):
        self.active, self.batch_size, self.folder, self.peak = world.is_first, batch_size, Path(folder), peak
        self.file = self.board = self.bar = None
        self.last_time, self.last_step = time.perf_counter(), start
        self.seconds, self.evaluated = 0.0, False
        if not self.active:
            return
        path = self.folder / "metrics.jsonl"
        kept = [line for line in read_metrics(path) if line["step"] <= start] if path.exists() else []
        self.seconds = max((line.get("seconds", 0.0) for line in kept), default=0.0)
        self.evaluated = any(line["step"] == start and "loss" not in line for line in kept)  # the checkpoint's step
        with replacing(path) as temporary:
            Path(temporary).write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self.file = open(path, "a", encoding="utf-8")  # open as long as the run
        self.board = _tensorboard(self.folder / "tensorboard", start)
        # disable=None: where nobody sees a bar move, in a log file, there is a line now and then in its place
        self.bar = tqdm(
            total=steps, initial=start, desc="training", unit="step", dynamic_ncols=True, mininterval=1.0, disable=None
        )
        self.said, self.steps = -math.inf, steps

    def step(self) -> None:
        """One more step is done."""
        if self.active:
            self.bar.update()

    def log(self, step: int, **values) -> None:
        """Write values of update number `step` (1 = the first)."""
        if not self.active:
            return
        now = time.perf_counter()
        self.seconds += now - self.last_time
        if "loss" in values:
            images = (step - self.last_step) * self.batch_size
            speed = images / max(now - self.last_time, 1e-9)
            values["images_per_second"], values["mfu"] = round(speed, 1), float(f"{speed / self.peak:.3g}")
            self.last_step = step
            now_is = (
                f"loss {values['loss']:.3f}, lr {values['learning_rate']:.2e}, "
                f"{values['images_per_second']:.0f} images/s, MFU {values['mfu']:.1%}"
            )
            self.bar.set_postfix_str(now_is)
            if self.bar.disable and (now - self.said >= EVERY or step == self.steps):
                self.say(f"step {step} of {self.steps}: {now_is}")
                self.said = now
        self.last_time = now
        line = {"step": step, "images": step * self.batch_size, "seconds": round(self.seconds, 1), **values}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        if self.board is not None:
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    self.board.add_scalar(name, value, step)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self.active:
            self.bar.write(text)
            sys.stdout.flush()  # a log that is read while it grows

    def close(self) -> None:
        for thing in (self.bar, self.file, self.board):
            if thing is not None:
                thing.close()


@checked
def read_metrics(path) -> list[dict]:
    """The lines of a `metrics.jsonl`.

    A damaged line is named on stderr and left out; a last one that a kill cut off is left out without a word.
    """
    lines, found = Path(path).read_bytes().split(b"\n"), []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(_numbers(line))
        except (ValueError, RecursionError) as error:
            if number < len(lines):  # else no line end follows
                print(f"{path}, line {number} is damaged and left out: {error}", file=sys.stderr, flush=True)
    return found


def _numbers(line: bytes) -> dict:
    """A line that `Report` wrote.  Raises ValueError for any other."""
    values = json.loads(line.decode("utf-8"))
    if not isinstance(values, dict) or not all(type(values.get(name)) is int for name in ("step", "images")):
        raise ValueError(f"expected an object with step and images, got {line[:40]!r}")
    for name, value in values.items():
        if type(value) not in (int, float):
            raise ValueError(f"{name}={value!r} is no number")
    return values


def _tensorboard(folder, start):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # not installed
        return None
    return SummaryWriter(folder, purge_step=start + 1)
