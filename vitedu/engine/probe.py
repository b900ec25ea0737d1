"""How good are the features of a frozen model?  Few-shot (Sec. 4.1), nearest neighbours, a linear classifier.

Described in docs/scale.md.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from vitedu_numpy.contract import checked
from vitedu_numpy.validate import is_count, is_integer, require

from ..data.objects import name_of
from ..data.open import open_source
from ..data.transforms import evaluation_transform
from ..models.pretrained import from_pretrained
from ..recipes import DataRecipe, Execution
from ..transfer.fewshot import few_shot_accuracy
from ..transfer.knn import knn_accuracy
from ..transfer.probe import linear_probe
from .distributed import parallelise, processes
from .evaluate import check_labels, extract_features
from .run_folder import write_json
from .start import weights_at

__all__ = ["check_numbers", "format_probe", "probe"]


@checked
def probe(
    start: str,
    data,
    train_split: str = "train",
    eval_split: str = "test",
    train_images: int | None = None,
    image_size: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    shots=(1, 5, 10),
    seeds=(0, 1, 2),
    neighbors=(20,),
    linear: bool = True,
    out: str | None = None,
    run: Execution | None = None,
) -> dict[str, list[float]]:
    """Accuracies, {"5-shot": [with each seed's images], "20-NN": [one], "linear": [one]}, on what the head
    of `start` reads.

    start: as `from_pretrained` takes it, or a run's folder; data: a hub name or a folder; images are resized to the
    model's square; image_column, label_column: of a table, as in `open_source`.
    neighbors: how many vote, see `transfer/knn.py`; linear: logistic regression on all training
    images, its strength chosen on a tenth of them.  out: a .json file for the numbers.  Raises ValueError where a class
    has too few images, or the labels are not known beforehand.
    """
    check_numbers(train_images, image_size, shots, neighbors, seeds)  # before the images are looked at
    run = run or Execution()
    recipe = DataRecipe(name_of(data), train_split, eval_split, crop="none", eval_resize=None)
    with processes(run) as world:
        opened = partial(open_source, data, image_column=image_column, label_column=label_column)
        source = opened(train_split, train_images=train_images)
        sources = source, opened(eval_split, class_names=source.class_names)  # one list for both
        labels, truth = check_labels(*sources)
        # The number of classes is for a file without a head; which head there is has no say in what it reads.
        model = from_pretrained(weights_at(start), sources[0].num_classes, image_size)
        dtype = torch.float64 if run.precision == "float64" else torch.float32
        model = model.to(world.device, dtype)
        net = parallelise(model, run, world)
        transform = evaluation_transform(recipe, (model.config.channels, *model.config.image_hw))
        autocast = partial(torch.autocast, world.device.type, torch.bfloat16, enabled=run.precision == "bf16")
        features, test_features = (
            extract_features(net, model, source, np.arange(len(source)), transform, world, run, autocast, dtype)
            for source in sources
        )
        accuracy = few_shot_accuracy(features, labels, test_features, truth, shots=tuple(shots), seeds=tuple(seeds))
        results = {f"{k}-shot": [float(value) for value in values] for k, values in accuracy.items()}
        data_of_both = features, labels, test_features, truth
        if neighbors:
            found = knn_accuracy(*data_of_both, k=tuple(neighbors))
            results |= {f"{k}-NN": [value] for k, value in found.items()}
        if linear:
            results["linear"] = [linear_probe(*data_of_both)["accuracy"]]
        if out and world.is_first:
            write_json(out, {"start": str(start), "data": name_of(data), "seeds": list(seeds), "accuracy": results})
    return results


def check_numbers(train_images, image_size, shots, neighbors, seeds) -> None:
    """Raise ValueError for one that is not as `probe` has it."""
    for name, value in (("train_images", train_images), ("image_size", image_size)):
        require(value is None or is_count(value), name, value, "a positive integer or None")
    for name, values, least in (("shots", shots, 1), ("neighbors", neighbors, 1), ("seeds", seeds, 0)):
        are = isinstance(values, (tuple, list)) and all(is_integer(value, least) for value in values)
        require(are, name, values, f"a list of integers >= {least}")
        enough = values or name == "neighbors"  # (): no neighbours vote
        require(enough, name, values, "a list of one or more integers")


def format_probe(results) -> str:
    """A line per number: the mean over seeds, and their standard deviation where there is more than one."""
    lines = []
    for name, values in results.items():
        spread = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        lines.append(f"{name:10s} {100 * np.mean(values):.1f}{spread} %")
    return "\n".join(lines)
