"""Carrying an experiment out, cell by cell.  What is finished is a file of its own and is never computed again."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from vitedu_numpy.contract import checked
from vitedu_numpy.validate import check_kind, is_count, is_number, require
from vitedu_numpy.weights.files import replacing

from .experiment import Cell, Experiment, Measured
from .results import Results, Row, write_results

__all__ = ["run_experiment"]

KIND = "vitedu experiment cell 1"  # what the file of a cell begins with


@checked
def run_experiment(
    experiment: Experiment, out, *, fast=False, seeds=None, conditions=None, steps=None, device="cpu", workers=1,
    minutes=None, command="", report=print,
) -> Results:  # fmt: skip
    """Carry out what is not finished yet; OUT/NAME.csv and .json are written after every cell, .png at the end.

    With fast they are called NAME-fast.

    seeds, conditions (names), steps: in place of the experiment's; device: "cpu", one thread for each of `workers`
    processes, or "cuda", where all seeds of a condition run side by side.  minutes: begin no cell after so many.
    command: what the sidecar says was typed.  Killed and started again, it goes on, and the table is the same but for
    its column `seconds`.

    Raises ValueError for settings that are not allowed, for `minutes` that are too few for one seed, and for a part
    that is no cell's result; whatever the measuring raises.
    """
    check_kind("experiment", experiment, Experiment)
    require(isinstance(device, str), "device", device, "'cpu', or 'cuda' where there is a GPU")
    is_list = isinstance(conditions, list | tuple) and conditions
    require(conditions is None or is_list, "conditions", conditions, "a list of names, or None")
    require(is_count(workers), "workers", workers, "a positive integer")
    on_gpu = device.partition(":")[0] == "cuda" and torch.cuda.is_available()
    require(device == "cpu" or on_gpu, "device", device, "'cpu', or 'cuda' where there is a GPU")
    require(workers == 1 or not on_gpu, "workers", workers, "1 on a GPU: there seeds run side by side")
    require(minutes is None or (is_number(minutes) and minutes > 0), "minutes", minutes, "a positive number or None")
    budget = experiment.budget(fast=fast, seeds=seeds, steps=steps)
    cells = experiment.cells(budget, conditions, device)
    started, parts = time.monotonic(), Path(out) / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    done = {cell: found for cell in cells if (found := _read(parts / cell.file_name, cell, experiment.metrics))}
    groups = _groups([cell for cell in cells if cell not in done], on_gpu)
    if minutes is not None and groups:
        seed = groups[0][0].seed
        needed = budget.minutes / len(experiment.cells(budget)) * sum(c.seed == seed for group in groups for c in group)
        if minutes < needed:
            raise ValueError(
                f"minutes={minutes:g} is not allowed; what is left of seed {seed} of {experiment.name} takes about "
                f"{needed:.2g} minutes of one core"
            )
    if done:
        report(f"{experiment.name}: {len(done)} of {len(cells)} cells are there already: {parts}")

    def finish(group, measured):
        for cell, found in zip(group, measured, strict=True):
            _write(parts / cell.file_name, cell, found)
            done[cell] = found
        first, shown = group[0], ", ".join(f"{k} {v:.3f}" for k, v in measured[0].values.items())
        seconds = sum(found.seconds for found in measured)
        report(
            f"[{len(done)}/{len(cells)}] {first.condition}, n={first.n}, seed {first.seed}: {shown} ({seconds:.0f} s)"
        )
        _collect(experiment, cells, done, out, fast, budget, command)

    def waiting():
        """Groups that are still to be measured: another process in this folder may have finished some meanwhile."""
        for group in groups:
            if minutes is not None and time.monotonic() - started >= 60 * minutes:
                return
            found = {cell: _read(parts / cell.file_name, cell, experiment.metrics) for cell in group}
            if all(found.values()):
                done.update(found)
            else:
                yield group

    _collect(experiment, cells, done, out, fast, budget, command)
    work = partial(_measure, experiment, budget, device)
    if workers == 1:
        for group in waiting():
            finish(group, work(group))
    else:
        for group, measured in _by_processes(work, waiting(), workers):
            finish(group, measured)
    results = _collect(experiment, cells, done, out, fast, budget, command)
    if results.rows and experiment.panels:
        from ..show.experiments import save_experiment

        path = (Path(out) / results.about["files"]).with_suffix(".png")
        save_experiment(results.rows, experiment.panels, path, _title(experiment, results.about))
    if len(done) < len(cells):
        report(f"{experiment.name}: stopped after {len(done)} of {len(cells)} cells; the same command goes on")
    return results


def _groups(cells, side_by_side) -> list[list[Cell]]:
    """Cells that are measured together: each by itself, or all seeds of a condition and a number of images."""
    groups = {}
    for cell in cells:
        groups.setdefault((cell.condition, cell.n, None if side_by_side else cell.seed), []).append(cell)
    return list(groups.values())


def _by_processes(work, groups, workers):
    """(group, work(group)) in the order in which they are ready; no group is begun before there is a process for it.

    Processes find the experiment by pickle: its `measure` must be a function of a module.
    """
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = {}
        while True:
            while len(running) < workers and (group := next(groups, None)) is not None:
                running[pool.submit(work, group)] = group
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


def _measure(experiment, budget, device, group) -> list[Measured]:
    """Carry out cells that differ in their seed alone."""
    settings = experiment.settings_of(group[0].condition)
    clock = time.process_time if device == "cpu" else time.perf_counter  # a core may be shared
    threads, started = torch.get_num_threads(), clock()
    torch.set_num_threads(1)  # sums of several threads are rounded otherwise; models this small gain nothing by them
    try:
        found = experiment.measure(settings, group[0].n, [cell.seed for cell in group], budget, device)
    finally:
        torch.set_num_threads(threads)
    seconds = (clock() - started) / len(group)
    for measured in found:
        wrong = {name: value for name, value in measured.values.items() if not math.isfinite(value)}
        if set(measured.values) != set(experiment.metrics) or wrong:
            raise ValueError(
                f"{experiment.name}, {group[0].condition!r} measured {measured.values}; expected a finite number for "
                f"each of {sorted(experiment.metrics)}"
            )
    return [Measured(m.values, m.steps, seconds) for m in found]


def _write(path, cell, measured) -> None:
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump({"kind": KIND, "cell": asdict(cell), "measured": asdict(measured)}, file)


def _read(path, cell, metrics) -> Measured | None:
    """What was measured in this cell; None where it is not finished."""
    if not path.exists():
        return None
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if found["kind"] != KIND or found["cell"] != asdict(cell):
            raise ValueError("it belongs to other settings")
        values = {name: float(found["measured"]["values"][name]) for name in metrics}
        if not all(map(math.isfinite, values.values())):
            raise ValueError("a number in it is not finite")
        return Measured(values, int(found["measured"]["steps"]), float(found["measured"]["seconds"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} does not hold the result of its cell: {error}; delete it to have it again") from None


def _collect(experiment, cells, done, out, fast, budget, command) -> Results:
    """Table and sidecar of what is finished."""
    rows = [
        Row(experiment.name, c.condition, c.n, c.seed, metric, done[c].values[metric], done[c].steps,
            round(done[c].seconds, 1))
        for c in cells if c in done for metric in experiment.metrics
    ]  # fmt: skip
    about = {
        "experiment": experiment.name,
        "version": experiment.version,
        "files": experiment.name + "-fast" * fast,
        "question": experiment.question,
        "prediction": experiment.prediction,
        "metrics": dict(experiment.metrics),
        "command": command,
        "cells": len(cells),
        "finished": len(done),
        "hours": round(sum(found.seconds for found in done.values()) / 3600, 3),
        "fast": fast,
        "budget": asdict(budget),
        "conditions": {c.condition: json.loads(c.settings) for c in cells},
        "device": cells[0].device,
        "machine": _machine(cells[0].device),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    results = Results(rows, about)
    write_results(results, Path(out) / about["files"])
    return results


def _title(experiment, about) -> str:
    part = "" if about["finished"] == about["cells"] else f" ({about['finished']} of {about['cells']} cells)"
    return f"{experiment.name}{' --fast: no result' if about['fast'] else ''}{part}"


def _processor() -> str:
    """What the CPU calls itself."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _machine(device) -> dict:
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    name = torch.cuda.get_device_name() if device == "cuda" else _processor()
    return {"system": platform.system(), "processor": name, "cores": os.cpu_count(), **versions}
