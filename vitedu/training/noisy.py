"""Noisy Student: a model learns from another's guesses, under noise.

Taught in notebooks/17_state_of_the_art.ipynb.

Xie et al. 2020 (arXiv:1911.04252).  A teacher learns from the images that have labels.  It says what the others show,
of the clean images and without dropout.  A student, equal or larger, learns from both under noise: of the input
(`augment`), dropout, stochastic depth.  Then the student is the teacher of the next round.

Shapes: `n` images, `B` labelled images of a batch, `K` classes.
"""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vitedu_numpy.training.batches import batches, check_loss, scheduled_rate
from vitedu_numpy.training.pseudo import PseudoLabels, check_pseudo, pseudo_labels
from vitedu_numpy.validate import check_flags, check_kind, is_count, is_number, require
from vitedu_numpy.weights.files import replacing

from ..layers.dropout import Dropout, StochasticDepth
from ..module import checked_loop
from ..tensors import as_tensor
from ..weights.safe import read_json, read_safetensors, save_safetensors
from .losses import one_hot, softmax_cross_entropy
from .optim import Adam, clip_by_global_norm

__all__ = ["Noise", "NoisyStudent", "Round", "class_probabilities", "fit_noisy", "noised", "noisy_student"]


def _check_average(decay) -> None:
    allowed = decay is None or (is_number(decay) and 0 <= decay < 1)
    require(allowed, "average", decay, "a number in [0, 1) or None")


@dataclass(frozen=True)
class Noise:
    """Which noises are on.  How strong they are, the model's settings and `augment` say."""

    input: bool = True  # `augment`
    dropout: bool = True  # every `Dropout` in the model, also on attention weights
    stochastic_depth: bool = True

    def __post_init__(self):
        check_flags(self, "input", "dropout", "stochastic_depth")


CLEAN = Noise(False, False, False)


@dataclass(frozen=True)
class NoisyStudent:
    """How a student learns from its teacher.  Raises ValueError when a field is out of its range."""

    threshold: float = 0.3  # least probability of a pseudo-label's likeliest class
    per_class: int | None = None  # so many images of each class; see `balanced`
    soft: bool = True  # the teacher's probabilities; False: its likeliest class
    temperature: float = 1.0  # of soft labels
    ratio: int = 1  # images without labels for each with one, and the weight of their loss
    noise: Noise = Noise()  # on images without labels
    labelled_noise: Noise = Noise()  # on images with labels, the first teacher's too
    average: float | None = None  # decay of the averaged weights that a round ends with, e.g. 0.9999

    def __post_init__(self):
        check_pseudo(self.threshold, self.per_class, self.soft, self.temperature)
        require(is_count(self.ratio), "ratio", self.ratio, "a positive integer")
        for name in ("noise", "labelled_noise"):
            require(isinstance(getattr(self, name), Noise), name, getattr(self, name), "a Noise")
        _check_average(self.average)

    def pseudo_labels(self, probabilities) -> PseudoLabels:
        """What a student of this kind makes of its teacher's probabilities (n, K)."""
        return pseudo_labels(
            probabilities, threshold=self.threshold, per_class=self.per_class, soft=self.soft,
            temperature=self.temperature,
        )  # fmt: skip


class Round(NamedTuple):
    """One finished model; round 0 is the first teacher."""

    number: int
    model: torch.nn.Module  # in inference mode
    pseudo: dict | None  # {"images", "different", "per_class"}: how many it learnt from; None for a teacher
    history: dict[str, list[float]] | None  # of `fit_noisy`; None for a teacher that was given


# ---- the rounds ------------------------------------------------------------------------------------------------------


def noisy_student(make, images, labels, unlabelled, training, method=NoisyStudent(), *, rounds=3, teacher=None,
                  teacher_training=None, augment=None, folder=None, progress=iter) -> list[Round]:  # fmt: skip
    """Teacher, student, student's student ...: `rounds` students in all.  Returns [round 0, round 1, ...].

    make(round, seed) -> a model with first weights of that seed, e.g. `lambda round, seed: ViT(config, seed)`; larger
    ones in later rounds if you like.  images (n, C, H, W), labels (n,), unlabelled (n', C, H, W), augment, progress: as
    in `fit_noisy`.  training: the students' `TrainConfig`; teacher_training: the first teacher's (None: the same).
    teacher: a trained model in place of that teacher.  Every round has a seed of its own, from `training.seed`.

    folder: each finished model is kept there, roundN.safetensors and roundN.json, and is not trained again.  A call
    that was stopped, wherever, ends with the same bits as one that was not.  Raises ValueError for a folder whose
    models came from other settings or images (what `make` and `augment` do is not compared).
    """
    require(is_count(rounds, 0), "rounds", rounds, "an integer >= 0")
    check_kind("method", method, NoisyStudent)
    require(teacher is None or teacher_training is None, "teacher_training", teacher_training, "None beside a teacher")
    data = None if folder is None else _digest([("images", images), ("labels", labels), ("unlabelled", unlabelled)])
    done = []
    if teacher is not None:
        done.append(Round(0, teacher.eval(), None, None))
    for r in range(len(done), rounds + 1):
        settings = replace(teacher_training if r == 0 and teacher_training else training)
        seed = round_seed(training.seed, r)
        settings, model = replace(settings, seed=seed), make(r, seed)
        before = done[-1].model if done else None
        shelf = None
        if folder is not None:
            taught_by = None if before is None else _digest(before.state_dict().items())
            about = {
                "training": asdict(settings), "method": asdict(method), "data": data, "teacher": taught_by,
                "parameters": sum(p.numel() for p in model.parameters()),
            }  # fmt: skip
            shelf = _Shelf(Path(folder), r, about)
        finished = shelf and shelf.read(model)
        if finished:
            counts, history = finished
        else:
            given = counts = None
            if before is not None:
                pseudo = method.pseudo_labels(class_probabilities(before, unlabelled))
                given, counts = (unlabelled, pseudo), _counts(pseudo)
            history = fit_noisy(
                model, images, labels, settings, given, ratio=method.ratio, noise=method.noise,
                labelled_noise=method.labelled_noise, average=method.average, augment=augment, progress=progress,
            )  # fmt: skip
            if shelf:
                shelf.write(model, counts, history)
        done.append(Round(r, model.eval(), counts, history))
    return done


def round_seed(seed: int, number: int) -> int:
    """The seed of a round: no two (seed, round) have order, draws or first weights in common."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


@torch.no_grad()
def class_probabilities(model, images, batch_size: int = 256) -> np.ndarray:
    """What a teacher says: softmax(logits) of the images as they are, in inference mode.     (n, C, H, W)  ->  (n, K)

    images: floats in [-1, 1] or bytes.  No augmentation, dropout or stochastic depth, and batch normalisation (where a
    model has it) by its running statistics: noise is the student's part.
    """
    require(is_count(batch_size), "batch_size", batch_size, "a positive integer")
    images = _stored(model, images, "images")
    was_training = model.training
    model.eval()
    parts = [model(_floats(images[i : i + batch_size])).softmax(-1) for i in range(0, len(images), batch_size)]
    model.train(was_training)
    return torch.cat(parts).cpu().numpy()


def _counts(pseudo: PseudoLabels) -> dict:
    per_class = np.bincount(pseudo.classes, minlength=pseudo.targets.shape[1]).tolist()
    return {"images": len(pseudo.positions), "different": len(np.unique(pseudo.positions)), "per_class": per_class}


# ---- one round -------------------------------------------------------------------------------------------------------


def fit_noisy(model, images, labels, training, pseudo=None, *, ratio=1, noise=Noise(), labelled_noise=Noise(),
              augment=None, average=None, progress=iter) -> dict[str, list[float]]:  # fmt: skip
    """Train `model` in place on labels and pseudo-labels.  Returns one number per step under each name.

        loss = CE(labelled batch, smoothed labels) + ratio CE(batch without labels, pseudo-labels)

    images (n, C, H, W): floats in [-1, 1] or bytes (scaled to that after augmentation); labels (n,).  pseudo: (images
    without labels, `PseudoLabels`), or None: labels alone, a teacher.  training: a `TrainConfig`; `batch_size` counts
    labelled images, `label_smoothing` is for them alone, and `ratio` times as many without labels come along.
    noise, labelled_noise: what is on for the images without and with labels.  If they are alike, all go through the
    model together, else (and then batch normalisation sees them apart) one after the other.
    augment(images, positions, seed) -> as many images, e.g. a `vitedu.data.resident.Augmentation`; positions (b,) int64
    number all images of the run.  Draw from (seed, positions) alone, and a run can be repeated.
    average: the model ends with averaged weights (and running statistics),  a <- d a + (1 - d) w  after every step t,
    d = min(average, (1 + t) / (10 + t)).
    progress: wraps the loop over steps, e.g. `tqdm`.  Raises FloatingPointError, naming the step, when the loss is not
    finite; TypeError or ValueError for images, labels or settings that do not fit.
    """
    require(training.shift == 0, "shift", training.shift, "0 here; shift in `augment`")
    require(training.loss == "softmax", "loss", training.loss, "'softmax' here: pseudo-labels are probabilities")
    require(is_count(ratio), "ratio", ratio, "a positive integer")
    _check_average(average)
    for name, value in (("noise", noise), ("labelled_noise", labelled_noise)):
        check_kind(name, value, Noise)
    is_pair = isinstance(pseudo, tuple | list) and len(pseudo) == 2 and isinstance(pseudo[1], PseudoLabels)
    require(pseudo is None or is_pair, "pseudo", pseudo, "(images, PseudoLabels), or None")
    parts = [_labelled(model, images, labels, training, labelled_noise)]
    if pseudo is not None:
        parts.append(_unlabelled(model, *pseudo, training, ratio, noise))
        kinds = [part.images.dtype for part in parts]
        if kinds[0] != kinds[1]:
            raise TypeError(f"images has dtype {kinds[0]}, the images without labels {kinds[1]}; expected the same")
    groups = [parts] if len({part.noise for part in parts}) == 1 else [[part] for part in parts]
    optimizer = Adam(model, training.learning_rate, weight_decay=training.weight_decay)
    averaged = None if average is None else {name: x.detach().clone() for name, x in _floating(model)}
    history = {name: [] for name in ("loss", "labelled_loss", "unlabelled_loss", "learning_rate", "grad_norm")}
    shown = 0  # images so far
    model.train()
    with torch.random.fork_rng():  # dropout follows training.seed and leaves the caller's random numbers alone
        torch.manual_seed(training.seed)
        for step in progress(range(training.steps)):
            optimizer.lr = scheduled_rate(step, training)
            optimizer.zero_grad()
            losses = []
            for group in groups:
                rows = [torch.from_numpy(next(part.order)[0]).to(part.images.device) for part in group]
                batch = torch.cat([part.images[i] for part, i in zip(group, rows, strict=True)])
                positions = torch.arange(shown, shown + len(batch), device=batch.device)
                shown += len(batch)
                on = group[0].noise
                if on.input and augment is not None:
                    batch = augment(batch, positions, training.seed)
                with noised(model, on):  # backward inside: what is recomputed there must drop the same
                    logits = model(_floats(batch, group[0].is_bytes)).split([len(i) for i in rows])
                    found = [
                        softmax_cross_entropy(scores, part.targets[i])
                        for part, scores, i in zip(group, logits, rows, strict=True)
                    ]
                    sum(part.weight * loss for part, loss in zip(group, found, strict=True)).backward()
                losses += [float(loss.detach()) for loss in found]
            total = sum(part.weight * loss for part, loss in zip(parts, losses, strict=True))
            check_loss(total, step)
            norm = clip_by_global_norm(model, training.clip_norm or math.inf)
            optimizer.step()
            if averaged is not None:
                _take_in(averaged, model, min(average, (1 + step) / (10 + step)))
            numbers = total, losses[0], losses[1] if pseudo is not None else 0.0, optimizer.lr, norm
            for values, number in zip(history.values(), numbers, strict=True):
                values.append(number)
    if averaged is not None:
        model.load_state_dict(averaged, strict=False)
    return history


@contextmanager
def noised(model, noise: Noise):
    """While this holds, the kinds of dropout that `noise` switches off drop nothing."""
    kept = [(module, module.rate) for module in model.modules() if isinstance(module, Dropout)]
    for module, _ in kept:
        if not (noise.stochastic_depth if isinstance(module, StochasticDepth) else noise.dropout):
            module.rate = 0.0
    try:
        yield
    finally:
        for module, rate in kept:
            module.rate = rate


class _Part(NamedTuple):
    """The images of one kind that a step draws from."""

    images: torch.Tensor
    is_bytes: bool
    targets: torch.Tensor  # (n, K)
    order: object  # yields (indices, rng)
    weight: float  # of its loss
    noise: Noise


def _labelled(model, images, labels, training, noise) -> _Part:
    stored, like = _stored(model, images, "images"), next(model.parameters())
    targets = one_hot(labels, model.config.num_classes, training.label_smoothing, like.dtype).to(like.device)
    if len(stored) != len(targets):
        raise ValueError(f"images holds {len(stored)} images, labels {len(targets)} entries; expected as many")
    return _Part(stored, stored.dtype == torch.uint8, targets, batches(len(stored), training), 1.0, noise)


def _unlabelled(model, images, pseudo, training, ratio, noise) -> _Part:
    stored, like = _stored(model, images, "unlabelled images"), next(model.parameters())
    positions, targets = torch.as_tensor(pseudo.positions), torch.as_tensor(pseudo.targets)
    wanted = len(positions), model.config.num_classes
    if targets.shape != wanted or not len(positions):
        raise ValueError(f"targets has shape {tuple(targets.shape)}; expected {wanted}, at least one row")
    if positions.min() < 0 or positions.max() >= len(stored):
        raise ValueError(
            f"positions run from {positions.min()} to {positions.max()}; allowed is 0..{len(stored) - 1}, the images"
        )
    seed = round_seed(training.seed, 1)  # another order than that of the labelled images
    order = batches(len(positions), replace(training, batch_size=ratio * training.batch_size, seed=seed))
    chosen = stored[positions.to(stored.device)]
    return _Part(chosen, chosen.dtype == torch.uint8, targets.to(like), order, float(ratio), noise)


def _stored(model, images, name) -> torch.Tensor:
    """Images where the model is, bytes as bytes, once they are such as the model takes."""
    images, like = as_tensor(images, name), next(model.parameters())
    if images.ndim == 0 or len(images) == 0:
        raise ValueError(f"{name} has shape {tuple(images.shape)}; expected at least one image")
    model.check_images(_floats(images[:1]) if images.dtype == torch.uint8 else images)
    return images.to(like.device) if images.dtype == torch.uint8 else images.to(like)


def _floats(images, is_bytes=None) -> torch.Tensor:
    """[-1, 1] from bytes, or from what an augmentation made of bytes; floats as they are."""
    is_bytes = images.dtype == torch.uint8 if is_bytes is None else is_bytes
    return images / 127.5 - 1 if is_bytes else images


def _floating(model):
    """(name, tensor) of all weights and running statistics."""
    return [(name, x) for name, x in model.state_dict().items() if x.is_floating_point()]


@torch.no_grad()
def _take_in(averaged, model, decay) -> None:
    for name, x in _floating(model):
        averaged[name].lerp_(x, 1 - decay)


# ---- files -----------------------------------------------------------------------------------------------------------


class _Shelf:
    """The two files of a round.  The .json is written last: where it is, the round is finished."""

    def __init__(self, folder: Path, number: int, about: dict):
        folder.mkdir(parents=True, exist_ok=True)
        self.weights, self.text = folder / f"round{number}.safetensors", folder / f"round{number}.json"
        self.about = json.loads(json.dumps(about))  # as it will be read

    def write(self, model, pseudo, history) -> None:
        dtype = np.float64 if next(model.parameters()).dtype == torch.float64 else np.float32
        save_safetensors(model, self.weights, dtype)
        found = {"about": self.about, "weights": _digest(model.state_dict().items())}
        with replacing(self.text) as temporary:
            Path(temporary).write_text(json.dumps({**found, "pseudo": pseudo, "history": history}), encoding="utf-8")

    def read(self, model):
        """(pseudo, history) with the weights put into `model`, or None: not finished."""
        if not self.text.exists():
            return None
        found = read_json(self.text)
        if not {"about", "weights", "pseudo", "history"} <= {*found}:
            raise ValueError(f"{self.text} is not a round's file: it holds {sorted(found)}")
        about = found["about"] if isinstance(found["about"], dict) else {}
        other = [key for key, value in self.about.items() if about.get(key) != value]
        if other:
            raise ValueError(
                f"{self.text} is of another run: {other[0]} was {about.get(other[0])}, is {self.about[other[0]]}; "
                "choose another folder"
            )
        model.load_state_dict(read_safetensors(self.weights)[0])
        if _digest(model.state_dict().items()) != found["weights"]:
            raise ValueError(f"{self.weights} does not hold the weights that {self.text} tells of")
        return found["pseudo"], found["history"]


def _digest(named) -> str:
    """SHA-256 of (name, array or tensor) pairs: names, types, shapes, bits."""
    total = hashlib.sha256()
    for name, x in named:
        array = np.ascontiguousarray(x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x)
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


# arguments by their names, see contract.py
noisy_student, fit_noisy, class_probabilities = map(checked_loop, (noisy_student, fit_noisy, class_probabilities))
