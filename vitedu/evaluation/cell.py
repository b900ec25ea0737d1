"""One cell of a table: one model on one data set, kept as one file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import partial

import torch

from vitedu_numpy.contract import checked_for
from vitedu_numpy.validate import A_SIZE, is_real, is_size, require

from ..data.objects import is_open, name_of
from ..data.vtab import PREFIX, split_name
from ..engine.distributed import processes
from ..engine.evaluate import evaluate_scores
from ..engine.run_folder import versions, write_json
from ..recipes import Execution
from .sets import SETS, open_set

__all__ = ["CELL", "evaluate_cell", "model_digest", "standard_error"]

_LOADED = (lambda model: hasattr(model, "transform") and not isinstance(model, type), "a model from vitedu.load")
checked_model = checked_for({"model": _LOADED})
CELL = "vitedu cell 1"  # what such a file begins with


def standard_error(p: float, n: int) -> float:
    """sqrt(p (1 - p) / n): how far a share p of n images would scatter, were others drawn."""
    require(is_real(p) and 0 <= p <= 1, "p", p, "a number in [0, 1]")
    require(is_size(n), "n", n, A_SIZE)
    return math.sqrt(p * (1 - p) / n)


def model_digest(model) -> str:
    """A fingerprint of settings and weights: equal exactly for models that compute the same."""
    found = hashlib.sha256(json.dumps([type(model).__name__, asdict(model.config)]).encode())
    for name, value in sorted(model.state_dict().items()):
        array = value.detach().cpu().contiguous().numpy()
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


@checked_model
def evaluate_cell(
    model, data, split: str | None = None, *, name: str = "", folder: str | None = None, labels: str | None = None,
    convention: str = "all", by_number: bool = False, out: str | None = None, again: bool = False,
    streaming: bool = False, run: Execution | None = None, batch_size: int = 256,
) -> dict:  # fmt: skip
    """How often the model is right, with a standard error beside each number; as a dict, and as a file in `out`.

    model: from `load`; name: what to call it.  data: a name in `SETS`, or what `open_source` opens; split: None: the
    paper's, "test" for a task of VTAB-1k ("vtab/dtd:FOLDER", or "vtab/dtd" with folder=), or else "validation"; folder,
    labels, convention, by_number: as in `open_set`.  out: a folder; a cell that is there already is read, not computed
    again, unless again=True.  run: device, precision, workers; float32 where nothing is said, since bfloat16 changes
    some answers.

    Raises ValueError where data and model do not fit together, else what `open_source` raises.
    """
    given, data = data, name_of(data)
    run = replace(run or Execution(), precision="float32") if (run or Execution()).precision == "auto" else run
    if data.startswith(PREFIX):
        task, folder = split_name(data if folder is None else f"{data}:{folder}")
        data = PREFIX + task
    t = model.transform
    preparation = {"size": list(t.shape), "eval_resize": t.eval_resize}
    key = {
        "model": model_digest(model), "data": _place_of(given, data), "split": split,
        "folder": _place(folder), "labels": _file_digest(labels), "convention": convention, "by_number": by_number,
        "preparation": preparation, "precision": run.precision,
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    name = name or type(model).__name__
    path = out and os.path.join(out, f"{_slug(name)}--{_slug(data)}--{digest[:12]}.json")
    with processes(run) as world:
        if out and not again and world.count(int(world.is_first and os.path.exists(path))):
            return read_cell(path) | {"path": path, "computed": False}
        started = time.perf_counter()
        split, opened = open_set(
            given if is_open(given) else data, split, model, folder=folder, labels=labels, convention=convention,
            by_number=by_number, streaming=streaming,
        )  # fmt: skip
        dtype = torch.float64 if run.precision == "float64" else torch.float32
        model = model.to(world.device, dtype)
        autocast = partial(torch.autocast, world.device.type, torch.bfloat16, enabled=run.precision == "bf16")
        pixels = opened.pixels or t.pixels
        run = run if run.micro_batch else replace(run, micro_batch=64)
        right, n, problems = evaluate_scores(
            model, opened.judge, opened.source, opened.ids, pixels, world, run, autocast, dtype, batch_size
        )
        values = {metric: count / n for metric, count in sorted(right.items())}
        cell = {
            "kind": CELL,
            "model": {"name": name, "digest": key["model"], "type": type(model).__name__,
                      "step": getattr(model, "step", None),
                      "parameters": sum(p.numel() for p in model.parameters())},
            "data": {"name": data, "split": split, "folder": key["folder"], "labels": key["labels"],
                     "classes": opened.how, "images": len(opened.source), "left_out": len(opened.source) - n,
                     "unreadable": len(opened.ids) - n},
            "n": n,
            "metrics": {m: {"value": p, "standard_error": standard_error(p, n)} for m, p in values.items()},
            "preparation": preparation,
            "precision": run.precision,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - started, 3),
            "versions": versions() | {"device": str(world.device)},
        }  # fmt: skip
        if out and world.is_first:
            os.makedirs(out, exist_ok=True)
            write_json(path, cell)
        world.barrier()
    return cell | {"path": path, "computed": True, "problems": problems}


def _place_of(given, data):
    """A name as it is, a folder by its path, an object by its contents."""
    if is_open(given):
        splits = given.values() if isinstance(given, dict) else [given]
        return [data, *(getattr(part, "_fingerprint", None) for part in splits)]
    return data if data in SETS else _place(data)


def read_cell(path) -> dict:
    """A cell's file.  Raises OSError, or ValueError that names the file where it holds no cell."""
    with open(path, encoding="utf-8") as file:
        try:
            cell = json.load(file)
            sound = cell["kind"] == CELL and isinstance(cell["n"], int) and cell["n"] > 0
            for found in cell["metrics"].values():
                sound = sound and 0 <= found["value"] <= 1 and found["standard_error"] >= 0
            names = (cell["model"]["name"], cell["model"]["digest"], cell["data"]["name"], cell["data"]["split"])
            sound = sound and all(isinstance(part, str) for part in (*names, cell["date"]))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} does not hold a cell that `vitedu evaluate` wrote: {error}") from None
    if not sound:
        raise ValueError(f"{path} does not hold a cell that `vitedu evaluate` wrote: a number in it is out of range")
    return cell


def _place(path):
    return os.path.abspath(path) if path is not None and os.path.isdir(path) else path


def _file_digest(path):
    if path is None:
        return None
    require(isinstance(path, str | os.PathLike), "labels", path, "a path")
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _slug(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", text).strip("_.")[-60:] or "x"
