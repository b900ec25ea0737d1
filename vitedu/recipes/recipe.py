"""What a training run is, as data.  Taught in notebooks/14_pretraining.ipynb.

A recipe is everything that decides the result: model, data, optimiser, schedule, seed.  Where it runs (how many
processes, how many images each takes at once) decides only how fast, and stands in `Execution`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass

from vitedu_numpy.config import BiTConfig, HybridConfig, ViTConfig
from vitedu_numpy.validate import check_choices, check_flags, check_kind, is_count, is_number, require

__all__ = ["DataRecipe", "Execution", "Notes", "Recipe", "check_shares", "flatten", "format_recipe"]


@dataclass(frozen=True)
class Notes:
    """Where a recipe comes from and what to expect of it; nothing here changes a run."""

    source: str = ""  # paper table, or file of the authors
    expected: str = ""  # published or measured result
    hardware: str = ""  # what the result was got on
    cost: str = ""  # time, or core-days

    def __post_init__(self):
        for f in fields(self):
            require(isinstance(getattr(self, f.name), str), f.name, getattr(self, f.name), "a text")


@dataclass(frozen=True)
class DataRecipe:
    """Which images, and what is done to each before the model sees it (facts and sources in DEVIATIONS.md)."""

    dataset: str = ""  # hub name or folder; `--data` on the command line comes first
    train_split: str = "train"
    eval_split: str | None = "validation"  # None: no evaluation
    hold_out: int = 0  # so many images of the training split (chosen by a fixed seed) are kept for evaluation instead
    train_images: int | None = None  # use only so many of the training images; None: all
    # "inception": random area and aspect; "pad": pad and crop; "resize": to a square of `train_resize`, then crop, as
    # BiT does; "none": resize alone
    crop: str = "inception"
    train_resize: int | None = None  # pixels, for crop="resize"
    pad: int = 4  # pixels of border for crop="pad"
    min_area: float = 0.05  # least part of the image that an inception crop keeps
    flip: bool = True  # left and right change places with probability 1/2
    randaugment_layers: int = 0  # operations per image, 0: none
    randaugment_magnitude: int = 10  # 10: the full strength of each operation; the authors go up to 20
    mixup: float = 0.0  # p of Beta(p, p), 0: none
    eval_resize: int | None = 256  # shorter side in evaluation, then the middle is cut out; None: resize to the square
    streaming: bool = False  # True: read shards in order, mixing a few at a time; False: any image at any time
    image_column: str | None = None  # of a table, where its name does not say it
    label_column: str | None = None  # the same
    window: int = 4  # streaming: chunks that one lane mixes
    lanes: int = 64  # streaming: chunks read side by side; at least as many as processes times workers

    def __post_init__(self):
        check_choices(self, crop=("inception", "pad", "resize", "none"))
        check_flags(self, "flip", "streaming")
        for name in ("dataset", "train_split"):
            require(isinstance(getattr(self, name), str), name, getattr(self, name), "a text")
        split = self.eval_split
        require(split is None or isinstance(split, str), "eval_split", split, "the name of a split, or None")
        for name in ("image_column", "label_column"):
            value = getattr(self, name)
            require(value is None or (isinstance(value, str) and value), name, value, "the name of a column, or None")
        for name in ("hold_out", "pad", "randaugment_layers", "randaugment_magnitude"):
            require(is_count(getattr(self, name), 0), name, getattr(self, name), "an integer >= 0")
        for name in ("window", "lanes"):
            require(is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        for name in ("train_images", "train_resize", "eval_resize"):
            value = getattr(self, name)
            require(value is None or is_count(value), name, value, "a positive integer or None")
        goes = (self.train_resize is None) != (self.crop == "resize")
        require(goes, "train_resize", self.train_resize, f"given with crop='resize', and None else; crop={self.crop!r}")
        require(is_number(self.mixup) and self.mixup >= 0, "mixup", self.mixup, "a number >= 0")
        area = self.min_area
        require(is_number(area) and 0 < area <= 1, "min_area", area, "a number in (0, 1]")


@dataclass(frozen=True)
class Execution:
    """How a recipe is carried out.  Another choice here gives the same run (to rounding), and may change on resume."""

    device: str = "auto"  # "auto": a GPU (CUDA) where there is one; "cpu"; "cuda"; "mps": the GPU of a Mac
    parallel: str = "ddp"  # "ddp": every process holds the model; "fsdp": parameters and optimiser are sharded (FSDP2)
    micro_batch: int | None = None  # images that one process takes at once; None: its whole share of the batch
    # "bf16": autocast; "float32"; "float64" for checks; "auto": bf16 where the device computes it quickly, else float32
    precision: str = "auto"
    compile: bool = False  # torch.compile, block by block
    deterministic: bool = False  # kernels that give the same bits every time; slower, and only a GPU has others
    recompute: bool = False  # activation checkpointing: keep each block's input only, compute the rest again
    channels_last: bool = False  # memory layout of images; quicker for ResNets on GPUs
    gpu_flops: float | None = None  # FLOP/s of a process at best, for `mfu`; None: by data sheet, else measured
    threads: int | None = None  # CPU threads per process; None: PyTorch's own choice
    workers: int = 0  # processes that read and decode, per training process; 0: it does so itself
    log_every: int = 50  # steps
    evaluate_every: int | None = None  # steps; None: at the end only
    few_shot_every: int | None = None  # steps; None: never
    checkpoint_every: int = 1000  # steps; there is always one at the end
    keep: int = 2  # the newest checkpoints are kept,
    keep_every: int | None = None  # and each whose step is a multiple of this

    def __post_init__(self):
        check_choices(
            self,
            device=("auto", "cpu", "cuda", "mps"),
            parallel=("ddp", "fsdp"),
            precision=("auto", "bf16", "float32", "float64"),
        )
        check_flags(self, "compile", "deterministic", "recompute", "channels_last")
        for name in ("log_every", "checkpoint_every", "keep"):
            require(is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        for name in ("micro_batch", "threads", "evaluate_every", "few_shot_every", "keep_every"):
            value = getattr(self, name)
            require(value is None or is_count(value), name, value, "a positive integer or None")
        flops = self.gpu_flops
        require(flops is None or (is_number(flops) and flops > 0), "gpu_flops", flops, "a positive number or None")
        mps = self.device == "mps"
        exact = self.precision == "float64"
        require(not (mps and exact), "precision", self.precision, "'float32' on 'mps', which has no float64")
        require(not mps or self.parallel == "ddp", "parallel", self.parallel, "'ddp' on 'mps', which is one GPU")
        require(is_count(self.workers, 0), "workers", self.workers, "an integer >= 0")


@dataclass(frozen=True)
class Recipe:
    """One training run.  Raises ValueError when a field is out of its range.

    Exactly one of `epochs` and `steps` is given; `updates(n)` turns either into a number of optimiser steps.
    """

    name: str
    model: ViTConfig | HybridConfig | BiTConfig
    data: DataRecipe = field(default_factory=DataRecipe)
    notes: Notes = field(default_factory=Notes)
    run: Execution = field(default_factory=Execution)
    objective: str = "classify"  # "classify", or "masked_patches": guess the colours of hidden patches (App. B.1.2)
    masked_target: str = "mean_color"  # for masked patches: "mean_color", "downsized", "l2" (App. B.1.2)
    masked_rate: float = 0.5  # part of an image's patches that is corrupted
    epochs: float | None = None  # passes over the training images
    steps: int | None = None  # or optimiser updates
    batch_size: int = 4096  # images per update, over all processes
    optimizer: str = "adam"  # "adam": decoupled weight decay; "sgd": momentum 0.9
    learning_rate: float = 1e-3
    warmup_steps: int = 10_000
    decay: str = "linear"  # "linear", "cosine", "none", "stair": a tenth from each milestone on
    milestones: tuple[float, ...] = ()  # for "stair": parts of the run
    linear_end: float = 0.0  # learning rate at the end of a linear decay
    weight_decay: float = 0.1  # decoupled, times the learning rate, on weight matrices only
    clip_norm: float | None = 1.0  # global gradient norm; None: never clip
    loss: str = "softmax"  # "softmax" or "sigmoid" cross-entropy
    label_smoothing: float = 0.0
    ema: float | None = None  # decay of the averaged weights, e.g. 0.9999; None: no averaging
    seed: int = 0  # first weights, order of the data, augmentation, dropout
    # Weights to begin from, in place of new ones: a file, a run's folder, a name or hub id, as in `from_pretrained`.
    # The head starts at zero, positions are interpolated to the model's grid.
    start: str | None = None

    def __post_init__(self):
        check_choices(
            self,
            objective=("classify", "masked_patches"),
            masked_target=("mean_color", "downsized", "l2"),
            optimizer=("adam", "sgd"),
            decay=("linear", "cosine", "none", "stair"),
            loss=("softmax", "sigmoid"),
        )
        check_parts(self)
        kind, kinds = type(self.model).__name__, ("ViTConfig", "HybridConfig", "BiTConfig")
        if (
            kind not in kinds
        ):  # an EfficientNet's running averages are no parameters: not averaged, synchronised, sharded
            raise ValueError(f"model is a {kind}, which is not allowed; model must be one of {kinds}")
        require(isinstance(self.name, str) and self.name, "name", self.name, "a text")
        epochs, steps = self.epochs, self.steps
        require((epochs is None) != (steps is None), "epochs", epochs, f"given, or steps (now {steps!r}), not both")
        require(epochs is None or (is_number(epochs) and epochs > 0), "epochs", epochs, "a positive number or None")
        require(steps is None or is_count(steps), "steps", steps, "a positive integer or None")
        require(is_count(self.batch_size), "batch_size", self.batch_size, "a positive integer")
        for name in ("warmup_steps", "seed"):
            require(is_count(getattr(self, name), 0), name, getattr(self, name), "an integer >= 0")
        warm = self.warmup_steps
        require(steps is None or warm <= steps, "warmup_steps", warm, f"at most steps={steps}")
        lr, wd, clip, ema = self.learning_rate, self.weight_decay, self.clip_norm, self.ema
        require(is_number(lr) and lr > 0, "learning_rate", lr, "a positive number")
        for name, value in (("weight_decay", wd), ("linear_end", self.linear_end)):
            require(is_number(value) and value >= 0, name, value, "a number >= 0")
        require(clip is None or (is_number(clip) and clip > 0), "clip_norm", clip, "a positive number or None")
        check_milestones(self)
        start = self.start
        require(start is None or (isinstance(start, str) and start), "start", start, "a name, a path, or None")
        if start is not None:
            require(self.objective == "classify", "objective", self.objective, f"'classify' with start={start!r}")
        smooth = self.label_smoothing
        require(is_number(smooth) and 0 <= smooth < 1, "label_smoothing", smooth, "a number in [0, 1)")
        require(ema is None or (is_number(ema) and 0 < ema < 1), "ema", ema, "a number in (0, 1) or None")
        rate = self.masked_rate
        require(is_number(rate) and 0 < rate <= 1, "masked_rate", rate, "a number in (0, 1]")
        if self.objective == "masked_patches":
            require(type(self.model).__name__ == "ViTConfig", "objective", self.objective, "'classify' for a ResNet")
        if self.run.few_shot_every is not None and self.objective != "classify":
            raise ValueError(
                f"few_shot_every={self.run.few_shot_every} is not allowed; it must be None for masked patches"
            )
        if self.data.mixup and self.objective != "classify":
            raise ValueError(f"mixup={self.data.mixup} is not allowed; mixup must be 0 for masked patches")

    def updates(self, num_images: int) -> int:
        """Optimiser steps for a training set of `num_images`: `steps`, or epochs * num_images / batch_size, rounded."""
        require(is_count(num_images), "num_images", num_images, "a positive integer")
        if self.steps is not None:
            return self.steps
        return max(1, round(self.epochs * num_images / self.batch_size))


def check_shares(recipe, world: int, images: int | None = None) -> None:
    """Raise ValueError unless `world` processes can carry the recipe out, on so many training images (None: not known).

    `vitedu train` and `vitedu plan` both ask here, so that what is planned can be trained.
    """
    batch, micro = recipe.batch_size, recipe.run.micro_batch
    require(batch % world == 0, "batch_size", batch, f"a multiple of the {world} processes, which share it equally")
    share = batch // world
    if recipe.data.mixup:
        parts = f"such that a process has even parts of its {share} images: mixup takes images in pairs"
        require(share % 2 == 0, "batch_size", batch, parts)
        require(micro is None or min(micro, share) % 2 == 0, "micro_batch", micro, parts)
    if recipe.start is not None and images is not None:
        allowed = f"at most {images}, the images to train on: one would come twice in a batch"
        require(batch <= images, "batch_size", batch, allowed)


def check_parts(recipe) -> None:
    """Raise TypeError for a part that is of another kind."""
    for name, kind in (("data", DataRecipe), ("notes", Notes), ("run", Execution)):
        check_kind(name, getattr(recipe, name), kind)


def check_milestones(recipe) -> None:
    """Raise ValueError unless the milestones grow from 0 to 1, and are there for a stair alone; make them a tuple."""
    stops = recipe.milestones
    require(isinstance(stops, (tuple, list)), "milestones", stops, "a list of parts of the run")
    stops = tuple(stops)
    object.__setattr__(recipe, "milestones", stops)  # a list, where they were read from a file
    if recipe.decay != "stair":
        require(stops == (), "milestones", stops, f"() for decay={recipe.decay!r}")
        return
    grow = stops and all(is_number(m) and a < m < 1 for a, m in zip((0, *stops), stops, strict=False))
    require(grow, "milestones", stops, "parts of the run that grow, each between 0 and 1, for decay='stair'")


def flatten(config, prefix: str = "") -> dict[str, object]:
    """A dataclass as {"model.width": 768, ...}: what differs between two runs is then one comparison."""
    flat = {}
    for f in fields(config):
        value = getattr(config, f.name)
        name = f"{prefix}{f.name}"
        flat |= flatten(value, f"{name}.") if is_dataclass(value) else {name: value}
    return flat


def format_recipe(recipe: Recipe) -> str:
    """All fields of a recipe, one a line."""
    require(is_dataclass(recipe), "recipe", recipe, "a Recipe")
    return "\n".join(f"{name:28s} {value}" for name, value in flatten(recipe).items() if value != "")
