"""The training loop, to be read from top to bottom.  Taught in notebooks/14_pretraining.ipynb.

The same lines run on a laptop, on one GPU, on eight, on many nodes: `vitedu train RECIPE`, alone or under `torchrun`.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch

from vitedu_numpy.contract import checked

from ..data.classes import by_numbers_of, one_form
from ..data.loader import Loader
from ..data.objects import name_of
from ..data.open import open_source
from ..data.order import Shuffled, Streamed
from ..data.transforms import evaluation_transform, training_transform
from ..recipes.recipe import check_shares
from .average import Average
from .checkpoints import Checkpoints
from .distributed import parallelise, processes, sync_gradients
from .evaluate import check_few_shot, evaluate_few_shot, evaluate_run
from .export import export_model, make_model
from .lock import FolderLock
from .objective import make_objective
from .optimizer import clip_gradients, make_optimizer, rate_at
from .peak import flops_per_image, peak_flops
from .precision import choose_precision
from .report import Report
from .run_folder import open_run, read_classes
from .runs import draw, read_run
from .start import begin_from
from .stop import Asked, Stop

__all__ = ["train"]


@checked
def train(recipe, out, data=None) -> dict[str, float]:
    """Carry out a recipe, from its last checkpoint where there is one; return the last evaluation.

    recipe: a `Recipe`; out: the run's folder; data: what `open_source` opens, in place of `recipe.data.dataset`.
    Raises ValueError where recipe, data and folder do not fit together, FloatingPointError where the loss is not
    finite, CheckpointError where a checkpoint cannot be written or read, LockedError where another process has the
    folder.  All checkpoints written by then stay.  SIGTERM, SIGUSR1 and Ctrl-C: see `stop.py`.
    """
    if not str(out):
        raise ValueError("out='' is not allowed; out must be a folder ('.' for the one you are in)")
    run, out = recipe.run, Path(out)
    with processes(run) as world, FolderLock(out, world) as lock, Stop(world) as stop:
        # ---- data ------------------------------------------------------------------------------------------------
        dataset = recipe.data.dataset if data is None else data
        train_source, eval_source = open_data(recipe.data, dataset)
        shape = (recipe.model.channels, *recipe.model.image_hw)
        order = make_order(train_source, recipe)
        total_steps = recipe.updates(len(train_source))
        check_classes(recipe, train_source, dataset, world.size, eval_source)
        if run.few_shot_every:
            check_few_shot(train_source, eval_source, run.few_shot_every)

        # ---- model: the same first weights on every process, whatever their number: drawn, or those of `start` -----
        precision, why = choose_precision(out, recipe, world)
        dtype = torch.float64 if precision == "float64" else torch.float32
        model = make_model(recipe)
        begun_from = begin_from(model, recipe)
        model = model.to(world.device, dtype)
        if run.channels_last:
            model = model.to(memory_format=torch.channels_last)
        net = parallelise(model, run, world)
        optimizer = make_optimizer(model, recipe)
        average = Average(model, recipe.ema)
        objective = make_objective(recipe, world.device, dtype)
        autocast = partial(torch.autocast, world.device.type, torch.bfloat16, enabled=precision == "bf16")

        # ---- go on where the last checkpoint ended ------------------------------------------------------------------
        # ... and how fast that could be at best; the first process alone reports it.
        peak, source = peak_flops(world.device, precision, run.gpu_flops) if world.is_first else (1.0, "")
        facts = {"precision": f"{precision}: {why}", "peak": f"{peak / 1e12:.4g} TFLOP/s a process: {source}"}
        classes = one_form(train_source.class_names) if recipe.objective == "classify" else None
        lock.take()
        record = open_run(out, recipe, dataset, len(train_source), world, precision, facts, classes, begun_from)
        checkpoints = Checkpoints(
            out / "checkpoints", world, run.keep, run.keep_every, classes=classes, record=record, guard=lock.check
        )
        start = checkpoints.load_latest(model, optimizer, average)
        best = peak * world.size / flops_per_image(recipe)  # images/s
        report = Report(out, world, total_steps, start, recipe.batch_size, best)
        if classes and len(classes) < recipe.model.num_classes:
            report.say(
                f"the data set has {len(classes)} classes, the model {recipe.model.num_classes}: the rest stay idle"
            )
        if run.precision == "auto":
            report.say(f"precision {precision}: {why}")
        if start:
            report.say(f"going on at step {start} of {total_steps}, with image number {start * recipe.batch_size}")
        loader = Loader(
            train_source, order, training_transform(recipe.data, shape), seed=recipe.seed,
            batch_size=recipe.batch_size, steps=total_steps, start=start, micro_batch=run.micro_batch,
            rank=world.rank, world=world.size, workers=run.workers, pin_memory=world.device.type == "cuda",
        )  # fmt: skip
        evaluate = partial(
            evaluate_all, recipe, net, model, average, objective, train_source, eval_source,
            evaluation_transform(recipe.data, shape), stop.world, autocast, dtype, report, total_steps,
        )  # fmt: skip
        window = Window(world)
        net.train()
        try:
            # An evaluation that was left, because somebody asked to stop, is made up for.
            results = evaluate(start) if start and not world.count(int(report.evaluated)) else {}
            for step, micro_batches in enumerate(loader, start):
                optimizer.lr = rate_at(step, recipe, total_steps)
                count = stop.count(sum(int(batch.valid.sum()) for batch in micro_batches))
                if count == 0:
                    raise ValueError(f"not one image of step {step} could be read: {micro_batches[0].problems[:1]}")
                sums = torch.zeros(2, dtype=world.exact, device=world.device)
                optimizer.zero_grad()
                for i, batch in enumerate(micro_batches):
                    torch.manual_seed(noise_seed(recipe.seed, step, world.rank, i))  # dropout
                    with sync_gradients(net, wanted=i == len(micro_batches) - 1):
                        with autocast():
                            loss, right = objective(net, batch, step)
                        # Gradients are *averaged* over processes; times their number, the sum over all images is left.
                        (loss * (world.size / count)).backward()
                    sums += torch.stack([loss.detach().to(world.exact), right.to(world.exact)])
                norm = clip_gradients(model, recipe.clip_norm)
                optimizer.step()
                average.update(model)

                done = step + 1
                report.step()
                window.add(step, sums, norm, count, micro_batches)
                checkpoints.poll()
                save = done % run.checkpoint_every == 0 or done == total_steps
                if done % run.log_every == 0 or save or world.device.type == "cpu":
                    window.read(optimizer.lr)
                if done % run.log_every == 0 or done == total_steps:
                    report.log(done, **window.summary(), learning_rate=optimizer.lr)
                results = evaluate(done) or results  # where it is due
                leaving = stop.wanted()
                if leaving and window.is_open:
                    window.read(optimizer.lr)
                    report.log(done, **window.summary(), learning_rate=optimizer.lr)
                if save or leaving:
                    checkpoints.save(done, model, optimizer, average)
                if leaving:
                    checkpoints.finish()
                    stop.leave(done, total_steps, report)
            checkpoints.finish()
            weights = out / "model.safetensors"
            export_model(model, average, recipe, weights, world, classes=read_classes(out), step=total_steps)
        finally:
            checkpoints.close()
            report.close()
            if world.is_first:
                draw_curves(out)
    return results


# ---- what the loop calls -------------------------------------------------------------------------------------------


def open_data(recipe, dataset):
    """(training source, evaluation source or None) of a `DataRecipe`."""
    if not dataset:
        raise ValueError("data='' is not allowed: this recipe names no data set; give a hub name or a folder")
    columns = {"image_column": recipe.image_column, "label_column": recipe.label_column}
    opened = partial(open_source, dataset, streaming=recipe.streaming, **columns)
    training = opened(recipe.train_split, hold_out=recipe.hold_out, part="train", train_images=recipe.train_images)
    names = training.class_names  # of this split: they number the classes of every other
    if recipe.hold_out:
        return training, opened(recipe.train_split, hold_out=recipe.hold_out, part="eval")
    evaluation = opened(recipe.eval_split, class_names=names) if recipe.eval_split else None
    if names is None and evaluation is not None and evaluation.class_names is not None:
        what = f"data={name_of(dataset)!r}: split {recipe.train_split!r} does not name its classes"
        evaluation = by_numbers_of(training, evaluation, f"{what}, split {recipe.eval_split!r} does")
    return training, evaluation


def draw_curves(out: Path) -> None:
    """The run's curves as a picture.  Without matplotlib, or without room, a line: it must not end a run."""
    try:
        draw([read_run(out)], out / "curves.png")
    except Exception as error:  # of matplotlib's, whatever it is: the run is whole
        print(f"no picture of the curves: {error}", flush=True)


def check_classes(recipe, source, dataset, world: int, eval_source=None) -> None:
    """Raise ValueError where a data set has more classes than the model; on a GPU that would be a cryptic crash.

    And for a batch that so many processes cannot share, as `vitedu plan` does.
    """
    check_shares(recipe, world, len(source))
    dataset = name_of(dataset)
    have, classes = source.num_classes, recipe.model.num_classes
    if recipe.objective == "classify" and have is not None and have > classes:
        raise ValueError(f"model.num_classes={classes} is not allowed: {dataset!r} has {have} classes")
    for part in (source, eval_source) if recipe.objective == "classify" else ():
        labels = getattr(part, "labels", ())  # of shards that are streamed they are not known yet
        if len(labels) and labels.max() >= classes:
            run = f"has the labels {labels.min()} to {labels.max()}, which count from 0"
            raise ValueError(f"model.num_classes={classes} is not allowed: {dataset!r} {run}")


def make_order(source, recipe):
    """Which image comes when: any image at any time, or shard by shard."""
    if not recipe.data.streaming:
        return Shuffled(len(source), recipe.seed)
    # One block of every lane is one batch: a process and its workers then read lanes of their own.
    block = max(1, recipe.batch_size // recipe.data.lanes)
    return Streamed(source.chunks, recipe.seed, recipe.data.lanes, recipe.data.window, block=block)


def noise_seed(*numbers: int) -> int:
    """A seed for PyTorch that (seed, step, rank, micro-batch) fix: no random state has to be kept for a resume."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def is_due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0


class Window:
    """What happened since the last report.  Numbers stay on the device until they are read: a GPU need not wait."""

    def __init__(self, world):
        self.world, self.skipped = world, 0
        self.unread, self.losses, self.right, self.images, self.norm = [], [], 0.0, 0, None

    def add(self, step, sums, norm, count, micro_batches) -> None:
        """Take in one step: this process's sums, and over all processes the gradient's length and the image count."""
        self.unread.append((step, sums, count))
        self.norm = norm
        for problem in (problem for batch in micro_batches for problem in batch.problems):
            self.skipped += 1
            if self.skipped <= 20:
                print(f"skipped an image that cannot be read: {problem}", flush=True)

    @property
    def is_open(self) -> bool:
        """Are there steps that no line has told of yet?"""
        return bool(self.unread or self.losses)

    def read(self, lr: float) -> None:
        """Sum over processes.  Raises FloatingPointError, naming the step, where a loss is not finite."""
        if not self.unread:
            return
        steps, sums, counts = zip(*self.unread, strict=True)
        self.unread = []
        for step, (loss, right), count in zip(steps, self.world.sum(torch.stack(sums)).tolist(), counts, strict=True):
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} at step {step} (learning rate {lr:.3g}); checkpoints written before are "
                    "untouched; try a smaller learning_rate, a longer warmup_steps or clip_norm"
                )
            self.losses.append(loss / count)
            self.right += right
            self.images += count
        if not math.isfinite(float(self.norm)):  # the loss was not yet, but the weights now are not finite
            raise FloatingPointError(
                f"the gradient of step {steps[-1]} is {float(self.norm)} long (learning rate {lr:.3g}); checkpoints "
                "written before are untouched; try a smaller learning_rate or a longer warmup_steps"
            )

    def summary(self) -> dict[str, float]:
        """Means since the last summary; the images that could not be read, since the start."""
        skipped = self.world.count(self.skipped)
        values = {
            "loss": sum(self.losses) / len(self.losses),
            "accuracy": self.right / self.images,
            "grad_norm": float(self.norm),
        }
        self.losses, self.right, self.images = [], 0.0, 0
        return values | ({"skipped": skipped} if skipped else {})


def evaluate_all(recipe, net, model, average, objective, train_source, eval_source, transform, world, autocast, dtype,
                 report, total_steps, step) -> dict[str, float]:  # fmt: skip
    """Accuracy with the weights of now, and with the averaged ones; few-shot accuracy; what is due after this step.

    {} where nothing is, or where the run was asked to stop.
    """
    run, results, last = recipe.run, {}, step == total_steps
    accuracy_due = last or is_due(step, run.evaluate_every)
    few_shot_due = run.few_shot_every and (last or is_due(step, run.few_shot_every))
    if eval_source is None or not (accuracy_due or few_shot_due):
        return results
    with_weights = [("", nullcontext())] + ([("ema_", average.in_place_of(model))] if average.weights else [])
    try:
        for prefix, weights in with_weights:
            with weights:
                if accuracy_due:
                    found = evaluate_run(net, objective, eval_source, transform, world, run, autocast)
                    results |= {prefix + name: value for name, value in found.items()}
                if few_shot_due:
                    found = evaluate_few_shot(
                        net, model, train_source, eval_source, transform, world, run, autocast, dtype
                    )
                    results |= {prefix + name: value for name, value in found.items()}
    except Asked:
        return {}
    report.log(step, **results)
    return results
