"""Fine-tuning as data: Table 4, BiT's HyperRule, and one for a laptop.  `vitedu finetune FROM --recipe NAME` runs them.

Taught in notebooks/15_finetuning.ipynb.

A `FineTuning` is a recipe that lacks its model: that comes from the weights, and the number of classes from the data.

What is the paper's: SGD with momentum 0.9, batches of 512, cosine decay, no weight decay, clipping at norm 1, 384
pixels, a zero head in place of the old one, steps and learning rates of each data set (Table 4), the part of the
training images that the learning rate is chosen on (App. B.1.1), 512 or 518 pixels and averaged weights (Table 2).
What it does not say: the warm-up of 500 updates is that of the authors' vision_transformer, 100 for runs of 500 updates
and the learning rate of a run without a search are those of their big_vision (configs/transfer.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from vitedu_numpy.config import DIGITS_VIT
from vitedu_numpy.validate import check_flags, check_rates, did_you_mean, is_count, is_number, require

from ..paper import TABLE_4
from .hyper_rule import hyper_rule
from .recipe import DataRecipe, Execution, Notes, Recipe

__all__ = ["FineTuning", "finetuning_for", "get_finetuning", "list_finetunings"]


_IN_A_RECIPE = {f.name for f in fields(Recipe)}


@dataclass(frozen=True)
class FineTuning:
    """How trained weights are carried over to another data set.  Raises ValueError for a field out of its range."""

    name: str
    data: DataRecipe = field(default_factory=DataRecipe)
    notes: Notes = field(default_factory=Notes)
    run: Execution = field(default_factory=Execution)
    image_size: int | None = 384  # None: that of the weights
    num_classes: int | None = None  # None: as many as the data set has
    rates: tuple[float, ...] = ()  # learning rates that `--grid` tries
    dev_part: float = 0.1  # part of the training images that the grid is judged on
    # By BiT's HyperRule: image_size, steps, warmup_steps and milestones where they are None, crops and mixup always.
    by_rule: bool = False
    dropout: float = 0.0
    steps: int | None = 10_000
    batch_size: int = 512
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    warmup_steps: int | None = 500
    decay: str = "cosine"
    milestones: tuple[float, ...] | None = ()
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0
    label_smoothing: float = 0.0
    ema: float | None = None
    seed: int = 0

    def __post_init__(self):
        part, rates = self.dev_part, self.rates
        require(isinstance(rates, (tuple, list)), "rates", rates, "a list of positive numbers")
        require(is_number(part) and 0 < part < 1, "dev_part", part, "a number in (0, 1)")
        require(all(is_number(r) and r > 0 for r in rates), "rates", rates, "positive numbers")
        require(len(set(rates)) == len(rates), "rates", rates, "different numbers")
        for name in ("image_size", "num_classes"):
            value = getattr(self, name)
            require(value is None or is_count(value), name, value, "a positive integer or None")
        open_fields = [name for name in ("steps", "warmup_steps", "milestones") if getattr(self, name) is None]
        check_flags(self, "by_rule")
        check_rates(self, "dropout")
        require(self.by_rule or not open_fields, (open_fields or [""])[0], None, "given where by_rule is False")
        self._check_the_rest(open_fields)

    def _check_the_rest(self, open_fields) -> None:
        """Raise as a `Recipe` does, for the fields that it has too; with something in place of what the rule says."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name in _IN_A_RECIPE}
        stand_in = {"steps": 10_000, "warmup_steps": 0, "milestones": (0.5,) if self.decay == "stair" else ()}
        given |= {name: stand_in[name] for name in open_fields}
        if is_count(given["warmup_steps"], 0) and is_count(given["steps"]):  # how they go together is `recipe`'s affair
            given["warmup_steps"] = min(given["warmup_steps"], given["steps"])
        Recipe(model=DIGITS_VIT, **given)

    def check_length(self) -> None:
        """Raise ValueError where the warm-up is longer than the run, as far as both are settled."""
        steps, warm = self.steps, self.warmup_steps
        if steps is not None and warm is not None:
            require(warm <= steps, "warmup_steps", warm, f"at most steps={steps}")

    def check_rates(self) -> None:
        """Raise ValueError unless there are learning rates to search."""
        if len(self.rates) < 2:
            raise ValueError(f"rates={self.rates} is not allowed with grid; there must be two or more to choose from")

    def for_task(self, flip: bool, crop: bool, image_size: int | None = None) -> FineTuning:
        """The same for a task of VTAB-1k: trained on its thousand images, resized to a square as BiT does.

        flip, crop: as in the task, where mirror images or crops would change what is right; crops are of 6/7 of a side.
        image_size: pixels, in place of this recipe's.  `by_rule` has the last word on crops.
        """
        size = image_size or self.image_size
        how = {"crop": "resize", "train_resize": round(size * 7 / 6)} if crop and size else {"crop": "none"}
        how |= {"train_split": "train800val200", "eval_split": "test", "eval_resize": None, "flip": flip}
        return replace(self, data=replace(self.data, **({"train_resize": None} | how)))

    def settled(self, num_images: int, image_hw) -> FineTuning:
        """The same with nothing left open: by the HyperRule, for so many training images of about this size."""
        if not self.by_rule:
            return self
        rule = hyper_rule(num_images, image_hw)
        data = replace(self.data, crop="resize", train_resize=rule.resize, eval_resize=None, mixup=rule.mixup)
        found = {
            "image_size": rule.crop, "steps": rule.steps, "warmup_steps": rule.warmup_steps,
            "milestones": rule.milestones,
        }  # fmt: skip
        left_open = {name: value for name, value in found.items() if getattr(self, name) is None}
        return replace(self, data=data, by_rule=False, **left_open)

    def recipe(self, start: str, config, num_classes: int) -> Recipe:
        """The whole recipe: begin from `start`, whose model has the settings `config`.

        The model keeps what the weights were trained with, but for the head, the layer before it ("pre-logits", which
        the authors drop for fine-tuning), the image size, and dropout.  Raises ValueError where these do not fit.
        """
        if self.by_rule:
            raise ValueError("by_rule=True is not allowed here; call settled(num_images, image_hw) first")
        self.check_length()
        own = {f.name for f in fields(config)}
        changes = {
            "num_classes": num_classes, "head_bias": 0.0, "image_size": self.image_size or config.image_size,
            "representation_size": None, "dropout": self.dropout, "attention_dropout": 0.0, "stochastic_depth": 0.0,
        }  # fmt: skip
        model = replace(config, **{name: value for name, value in changes.items() if name in own})
        same = {f.name: getattr(self, f.name) for f in fields(self) if f.name in _IN_A_RECIPE}
        return Recipe(model=model, start=start, loss="softmax", **same)


# name -> (its name in Table 4, images, learning rate without a search, warm-up).
_DATA = {
    "imagenet": ("ImageNet", DataRecipe("imagenet1k", "train", "validation"), 0.03, 500),
    "cifar10": ("CIFAR-10", DataRecipe("cifar10", "train", "test"), 0.003, 500),
    "cifar100": ("CIFAR-100", DataRecipe("cifar100", "train", "test"), 0.01, 500),
    "pets": ("Pets", DataRecipe("pets", "train", "test"), 0.003, 100),
    "flowers": ("Flowers", DataRecipe("flowers", "train", "test"), 0.003, 100),
    "vtab": ("VTAB", DataRecipe("", "train", "test"), 0.01, 500),
}
_VTAB_DEV_PART = 0.2  # 200 of the 1000 images of a task
_EXPECTED = {
    "imagenet": "B/16 from ImageNet-21k 83.97 % (Table 5)",
    "cifar10": "B/16 from ImageNet-21k 98.95 % (Table 5)",
    "cifar100": "B/16 from ImageNet-21k 91.67 % (Table 5)",
    "pets": "B/16 from ImageNet-21k 94.43 % (Table 5)",
    "flowers": "B/16 from ImageNet-21k 99.38 % (Table 5)",
    "vtab": "L/16 from ImageNet-21k 72.72 %, mean of 19 tasks (Table 2)",
}


def _table_4(name) -> FineTuning:
    printed, data, learning_rate, warmup = _DATA[name]
    row, common = TABLE_4.row(dataset=printed), TABLE_4.common
    source = "Table 4 (Dosovitskiy et al. 2021); warm-up and the rate without --grid: the authors' code"
    if name == "vtab":
        source += "; for each of 19 tasks of 1000 images, named by --data"
    return FineTuning(
        name=name,
        data=replace(data, eval_resize=None),  # straight to the square, as vision_transformer does
        notes=Notes(source, _EXPECTED[name], "TPUv3"),
        image_size=common["image_size"],
        rates=row.learning_rates,
        dev_part=common["held_out"].get(printed, _VTAB_DEV_PART),
        steps=row.steps,
        batch_size=common["batch_size"],
        learning_rate=learning_rate,
        warmup_steps=warmup,
        decay=common["decay"],
        weight_decay=common["weight_decay"],
        clip_norm=common["clip_norm"],
    )


def _table_2(image_size, expected) -> FineTuning:
    """ImageNet at a higher resolution, the averaged weights counting."""
    notes = Notes("Table 2 and Sec. 4.1 (Dosovitskiy et al. 2021); the rest as imagenet", expected, "TPUv3")
    return replace(_table_4("imagenet"), name=f"imagenet-{image_size}", notes=notes, image_size=image_size, ema=0.9999)


_HYPER_RULE = FineTuning(
    name="hyper-rule",
    data=DataRecipe("", "train", "test", crop="none", eval_resize=None),
    notes=Notes("BiT's HyperRule, as google-research/big_transfer has it (Kolesnikov et al. 2020); any data set"),
    image_size=None,
    by_rule=True,
    steps=None,
    learning_rate=0.003,
    warmup_steps=None,
    decay="stair",
    milestones=None,
    clip_norm=None,
)

# 8 pixels made 32, grey made RGB: for `vit_cifar10`, whose own size and channels those are.
_DIGITS = FineTuning(
    name="digits",
    data=DataRecipe("digits", "train", "test", crop="pad", pad=2, flip=False, eval_resize=None),
    notes=Notes(
        "ours, for a laptop; from vit_cifar10", "96.4 % of 360 images, from scratch 43.6 %", "one CPU core", "24 s"
    ),
    run=Execution(threads=1, log_every=10, checkpoint_every=50),
    image_size=None,
    rates=(0.01, 0.03, 0.1),
    dev_part=0.2,
    steps=150,
    batch_size=32,
    learning_rate=0.03,
    warmup_steps=15,
)

_ALL = {
    recipe.name: recipe
    for recipe in (
        *map(_table_4, _DATA),
        _table_2(512, "L/16: 87.76 % from JFT, 85.30 % from ImageNet-21k (Table 2)"),
        _table_2(518, "H/14: 88.55 % from JFT (Table 2)"),
        _HYPER_RULE,
        _DIGITS,
    )
}


def list_finetunings() -> list[str]:
    """Names of all recipes for fine-tuning."""
    return list(_ALL)


def get_finetuning(name: str) -> FineTuning:
    """The recipe of that name.  Raises ValueError, with all names, for an unknown one."""
    if not isinstance(name, str) or name not in _ALL:
        hint = did_you_mean(name, _ALL)
        raise ValueError(f"recipe={name!r} is not known; {hint}allowed is a file, or one of {', '.join(_ALL)}")
    return _ALL[name]


def finetuning_for(dataset: str) -> FineTuning:
    """The recipe that was made for this data set.  Raises ValueError where there is none."""
    if dataset.startswith(("vtab/", "vtab:")):
        return _ALL["vtab"]
    made = [recipe for recipe in _ALL.values() if dataset and recipe.data.dataset == dataset]
    if not made:
        raise ValueError(
            f"recipe='' is not allowed for data={dataset!r}: no recipe is made for it; recipe must be one of "
            f"{', '.join(_ALL)} ('hyper-rule' goes by the number and the size of the images)"
        )
    return made[0]
