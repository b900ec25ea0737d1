"""Accuracy over a whole evaluation set, by all processes together.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import torch
from tqdm import tqdm

from vitedu_numpy.transfer.shots import choose_shots

from ..data.loader import Loader
from ..transfer import fewshot
from .objective import as_floats

__all__ = [
    *("check_few_shot", "check_labels", "evaluate_few_shot", "evaluate_run", "evaluate_scores", "extract_features"),
]

SHOTS = (1, 5, 10)  # images of each class, while training


class InOrder:
    """Positions to image numbers: the list itself.  Positions behind its end mean its last image; they do not count."""

    def __init__(self, ids):
        self.ids = np.asarray(ids)

    def __call__(self, positions):
        return self.ids[np.minimum(positions, len(self.ids) - 1)]


def _batches(source, ids, transform, world, run, batch_size):
    """(batch, which of its images count), for this process's part of the list; equally many on every process."""
    batch_size = -(-batch_size // world.size) * world.size
    steps = -(-len(ids) // batch_size)
    loader = Loader(
        source, InOrder(ids), transform, seed=0, batch_size=batch_size, steps=steps, micro_batch=run.micro_batch,
        rank=world.rank, world=world.size, workers=run.workers, pin_memory=world.device.type == "cuda",
    )  # fmt: skip
    for micro_batches in loader:
        for batch in micro_batches:
            world.between()
            inside = torch.from_numpy(batch.positions < len(ids))
            yield batch._replace(valid=batch.valid & inside)


@contextmanager
def _evaluating(net):
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        net.train(was_training)
        for module in net.modules():
            if hasattr(module, "reshard"):  # FSDP2 would let go of the last gathered ones in backward: there was none
                module.reshard()


def evaluate_run(net, objective, source, transform, world, run, autocast, batch_size=512) -> dict[str, float]:
    """{"eval_loss", "eval_accuracy"} over all images of `source` that can be read, each counted once."""
    sums = torch.zeros(2, dtype=world.exact, device=world.device)  # read once, at the end: a GPU need not wait
    images = 0
    with _evaluating(net):
        for batch in _batches(source, np.arange(len(source)), transform, world, run, batch_size):
            with autocast():
                loss, right = objective(net, batch, step=0, train=False)
            sums += torch.stack([loss.to(world.exact), right.to(world.exact)])
            images += int(batch.valid.sum())
    count, (loss, right) = world.count(images), world.sum(sums).tolist()
    if count == 0:
        raise ValueError("no image of the evaluation set could be read")
    return {"eval_loss": loss / count, "eval_accuracy": right / count}


def evaluate_scores(net, judge, source, ids, transform, world, run, autocast, dtype, batch_size=512):
    """({metric: images that are right}, images that could be read, a line for each that could not).

    judge: (logits (b, K), labels (b,)) -> {metric: (b,) bool}; ids: the images that count.  Raises FloatingPointError
    where a logit is not finite, ValueError where no image could be read.
    """
    sums, images, problems = {}, 0, []
    shown = None if world.is_first else True  # None: on a terminal alone
    with _evaluating(net), tqdm(total=len(ids), unit="image", disable=shown, leave=False) as bar:
        for batch in _batches(source, ids, transform, world, run, batch_size):
            problems += batch.problems[: int((~batch.valid & torch.from_numpy(batch.positions < len(ids))).sum())]
            valid = batch.valid.to(world.device)
            with autocast():
                logits = net(as_floats(batch.images, world.device, dtype))
            logits, labels = logits.to(world.exact)[valid], batch.labels.to(world.device)[valid]
            if not torch.isfinite(logits).all():
                raise FloatingPointError("the model gives NaN or infinity for an image; its weights are broken")
            for metric, right in judge(logits, labels).items():
                sums[metric] = sums.get(metric, 0) + right.sum()
            images += len(labels)
            bar.update(len(valid) * world.size)
    count = world.count(images)
    if count == 0:
        raise ValueError("no image of the evaluation set could be read")
    return {metric: world.count(int(right)) for metric, right in sums.items()}, count, problems


def extract_features(net, model, source, ids, transform, world, run, autocast, dtype, batch_size=512) -> torch.Tensor:
    """What the head reads ("pre-logits") of these images, in order: (len(ids), D) float32, on every process."""
    found, features = [], None
    hook = model.head.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0]))
    try:
        with _evaluating(net):
            for batch in _batches(source, ids, transform, world, run, batch_size):
                found.clear()
                with autocast():
                    net(as_floats(batch.images, world.device, dtype))
                part = found[0].float().cpu()
                if features is None:
                    features = torch.zeros(len(ids), part.shape[1])
                inside = torch.from_numpy(batch.positions < len(ids))
                features[torch.from_numpy(batch.positions)[inside]] = part[inside]
    finally:
        hook.remove()
    return world.sum(features)


def check_labels(*sources) -> list[np.ndarray]:
    """The labels of all images of each source.  Raises ValueError where they are not known beforehand."""
    labels = [getattr(source, "labels", None) for source in sources]
    if any(found is None for found in labels):
        raise ValueError(
            "few_shot_every needs an evaluation set, and all labels beforehand, which shards that are streamed do not "
            "have; expected None"
        )
    return labels


def check_few_shot(train_source, eval_source, every: int) -> None:
    """Raise ValueError where `evaluate_few_shot` would: hours later, and again after each resume."""
    labels, _ = check_labels(train_source, eval_source)
    try:
        choose_shots(labels, max(SHOTS), 0)
    except ValueError as error:
        raise ValueError(
            f"few_shot_every={every} is not allowed: of the training images {error}; few_shot_every must be None here"
        ) from error


def evaluate_few_shot(
    net, model, train_source, eval_source, transform, world, run, autocast, dtype, shots=SHOTS, seeds=(0, 1, 2)
) -> dict[str, float]:
    """{"few_shot_5": mean accuracy over seeds, ...}: least squares on frozen features.

    As `fewshot.few_shot_accuracy`, but features are computed of those training images alone that some seed chooses.
    Raises ValueError where the sources do not know their labels beforehand.
    """
    labels, truth = check_labels(train_source, eval_source)
    chosen = {(k, seed): choose_shots(labels, k, seed) for k in shots for seed in seeds}
    used = np.unique(np.concatenate(list(chosen.values())))
    common = (transform, world, run, autocast, dtype)
    features = extract_features(net, model, train_source, used, *common)
    test_features = extract_features(net, model, eval_source, np.arange(len(eval_source)), *common)
    if not (torch.isfinite(features).all() and torch.isfinite(test_features).all()):
        raise FloatingPointError("the features hold NaN or infinity: the run has diverged")
    labels, truth = torch.from_numpy(np.asarray(labels)), torch.from_numpy(np.asarray(truth))
    accuracy, K = {k: [] for k in shots}, int(labels.max()) + 1
    for (k, _), images in chosen.items():
        few = features[np.searchsorted(used, images)]
        accuracy[k].append(fewshot.fit_and_score(few, labels[images], test_features, truth, K))
    return {f"few_shot_{k}": float(np.mean(values)) for k, values in accuracy.items()}
