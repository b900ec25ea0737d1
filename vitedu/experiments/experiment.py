"""What an experiment is: a question, what we expect, conditions, seeds, a budget, and a function that measures.

    Experiment("depth", question="...", prediction="...", conditions=(Condition("2 blocks", {"model": config}), ...),
               metrics={"accuracy": "..."}, measure=measure, full=Budget(...), fast=Budget(...), panels=(Panel(...),))

A *cell* is one condition at one number of training images with one seed; `measure` carries it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any

from vitedu_numpy.validate import check_counts, check_positive, is_count, require

__all__ = ["Budget", "Cell", "Condition", "Experiment", "Measured", "Panel"]


@dataclass(frozen=True)
class Budget:
    """How much is spent on each cell, and on which numbers of images."""

    sizes: tuple[int, ...]  # n, training images
    steps: int  # updates
    batch_size: int  # images per update
    images: int  # that accuracies are measured on, and as many for early stopping
    seeds: tuple[int, ...]
    minutes: float  # of one core, about, for all cells

    def __post_init__(self):
        check_counts(self, "steps", "batch_size", "images")
        check_positive(self, "minutes")
        for name, least in (("sizes", 1), ("seeds", 0)):
            value = getattr(self, name)
            is_list = isinstance(value, tuple | list) and len(value) > 0 and all(is_count(n, least) for n in value)
            require(is_list, name, value, f"a list of integers >= {least}")


@dataclass(frozen=True)
class Condition:
    """A name, and settings: numbers, texts, lists, dicts, or dataclasses such as a `ViTConfig`."""

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Panel:
    """A picture: metrics, and what stands along the x axis.

    "n", "metric", "condition"; "number": of conditions that are called "LINE, NUMBER"; or the name of a metric, whose
    value is then the place, in such lines.
    """

    title: str
    metrics: tuple[str, ...]
    x: str = "n"
    ylabel: str = "accuracy"
    xlabel: str = ""  # for "number"


@dataclass(frozen=True)
class Measured:
    """What came out of one cell."""

    values: dict[str, float]  # by metric
    steps: int  # updates after which the weights were taken
    seconds: float = 0.0  # of the processor, or on a GPU of the clock; filled in by the runner


@dataclass(frozen=True)
class Experiment:
    """One experiment.  Raises ValueError for names that are doubled, or panels with metrics that nobody measures."""

    name: str
    question: str
    prediction: str  # written down before the first run
    conditions: tuple[Condition, ...]
    metrics: Mapping[str, str]  # metric -> what it is
    measure: Callable  # (settings, n, seeds, budget, device) -> [Measured], one for each seed
    full: Budget
    fast: Budget  # the same code in seconds: it shows that everything runs, and no result
    panels: tuple[Panel, ...] = ()
    version: int = 1  # to be raised when `measure` changes: older cells then count no more

    def __post_init__(self):
        names = [c.name for c in self.conditions]
        if len(set(names)) < len(names) or not names:
            raise ValueError(f"conditions have the names {names}; expected one or more, all different")
        for panel in self.panels:
            unknown = [metric for metric in panel.metrics if metric not in self.metrics]
            if unknown or panel.x not in ("n", "metric", "condition", "number", *self.metrics):
                raise ValueError(f"panel {panel.title!r}: metrics {unknown} are not measured, or x={panel.x!r} is none")

    def budget(self, *, fast=False, seeds=None, steps=None) -> Budget:
        """The full or the fast one, with other seeds or another number of updates (and its minutes to match)."""
        chosen = self.fast if fast else self.full
        for name, value, least in (("seeds", seeds, 0), ("steps", [steps] if steps is not None else None, 1)):
            if value is None:
                continue
            is_list = isinstance(value, list | tuple | range) and all(is_count(v, least) for v in value)
            if not is_list or not value or len(set(value)) < len(value):
                shown = value if name == "seeds" else value[0]
                allowed = "different integers >= 0" if name == "seeds" else "an integer >= 1"
                raise ValueError(f"{name}={shown!r} is not allowed; {name} must be {allowed}")
        if seeds is not None:
            chosen = replace(chosen, seeds=tuple(seeds), minutes=chosen.minutes * len(seeds) / len(chosen.seeds))
        if steps is not None:
            chosen = replace(chosen, steps=steps, minutes=chosen.minutes * steps / chosen.steps)
        return chosen

    def cells(self, budget: Budget, conditions=None, device="cpu") -> list[Cell]:
        """All cells, seed after seed, so that what is finished early is a whole grid.

        conditions: names of some; None: all.  Raises ValueError for a name that is none.
        """
        known = [c.name for c in self.conditions]
        unknown = [name for name in conditions or () if name not in known]
        if unknown:
            raise ValueError(f"conditions={unknown} are not in {self.name}; it has {known}")
        chosen = [c for c in self.conditions if not conditions or c.name in conditions]
        kind = device.partition(":")[0]  # all GPUs are one kind
        return [
            Cell(self.name, self.version, c.name, json.dumps(plain(c.settings)), n, seed,
                 budget.steps, budget.batch_size, budget.images, kind)
            for seed in budget.seeds for n in budget.sizes for c in chosen
        ]  # fmt: skip

    def settings_of(self, condition: str) -> Mapping[str, Any]:
        return next(c.settings for c in self.conditions if c.name == condition)


@dataclass(frozen=True)
class Cell:
    """All that a result depends on.  Two cells with one difference have different file names."""

    experiment: str
    version: int
    condition: str
    settings: str  # as JSON
    n: int
    seed: int
    steps: int
    batch_size: int
    images: int
    device: str

    @property
    def file_name(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        slug = "".join(c if c.isalnum() else "_" for c in self.condition)[:40]
        return f"{slug}--n{self.n}--seed{self.seed}--{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def plain(value):
    """`value` as JSON can hold it: dataclasses become dicts with their type's name, tuples lists."""
    if is_dataclass(value):
        return {"type": type(value).__name__} | plain(
            {name: getattr(value, name) for name in value.__dataclass_fields__}
        )
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"settings hold a {type(value).__name__}, {value!r}; expected numbers, texts, lists or dataclasses")
