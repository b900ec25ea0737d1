"""One choice at a time: positions, head, regularisation, decay, warm-up, optimiser, shape, kind of model.

Taught in notebooks/20_ablations.ipynb.

All on the letters of `data_size`, with its protocol: first n images of a stream, no augmentation, early stopping on
held-out glyphs.  Each experiment changes one thing; where a learning rate could decide, there are several.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vitedu_numpy.training.batches import scheduled_rate

from ..accounting.compute import count
from ..data.procedural import Stream
from ..training.optim import SGD, Adam
from .data_size import RATES, SCENE, SEEN, UNSEEN, scenes, transfer
from .experiment import Budget, Condition, Experiment, Measured, Panel
from .fitting import accuracy, fit_stream, training
from .models import small_models

__all__ = ["ABLATIONS", "CoupledAdam", "quarter", "total_rate"]


class CoupledAdam(Adam):
    """Adam whose weight decay is added to the gradient, g + wd w, so that it is divided by Adam's scale, too."""

    def __init__(self, model, lr, weight_decay=0.0):
        super().__init__(model, lr)
        self.coupled = weight_decay

    def step(self):
        for p in self.param_groups[0]["params"]:  # kernels
            p.grad.add_(p.detach(), alpha=self.coupled)
        return super().step()


def _sgd(model, lr, weight_decay=0.0):
    if weight_decay:
        raise ValueError(f"weight_decay={weight_decay!r} is not allowed; weight_decay must be 0 with 'sgd'")
    return SGD(model, lr)


OPTIMIZERS = {"adam": Adam, "coupled": CoupledAdam, "sgd": _sgd}
FEW, SOME, MANY = 225, 1265, 40_000  # of the sizes of `data_size`


def quarter(factors) -> np.ndarray:
    """Which quarter of the canvas a glyph's centre lies in: 0 ... 3, row by row."""
    down, across = (factors[name] > 8 for name in ("row", "column"))
    return 2 * down + across


def total_rate(training) -> float:
    """The sum of all learning rates of a run."""
    return sum(scheduled_rate(step, training) for step in range(training.steps))


def fit(settings, n, seeds, budget, device, scene=SCENE, **options):
    """Train as a condition says; what it leaves out is as in `data_size`."""
    plan = training(
        budget, settings["rate"],
        weight_decay=settings.get("weight decay", 0.0), label_smoothing=settings.get("label smoothing", 0.0),
        warmup_steps=round(settings.get("warm-up", 0.1) * budget.steps),
    )  # fmt: skip
    if "equal total" in settings:  # as much in sum as without warm-up
        plain = replace(plan, warmup_steps=0)
        plan = replace(plan, learning_rate=plan.learning_rate * total_rate(plain) / total_rate(plan))
    held_out = Stream("tune", SEEN, **scene).draw(np.arange(budget.images))
    target = options.get("target", "label")
    labels = target(held_out[1]) if callable(target) else held_out[1][target]
    return fit_stream(
        settings["model"], Stream(classes=SEEN, **scene), n, plan, (held_out[0], labels), seeds=seeds, device=device,
        optimizer=OPTIMIZERS[settings.get("optimizer", "adam")], **options,
    )  # fmt: skip


METRICS = {
    "letters": "accuracy on 'test' glyphs of the 12 letters of the training",
    "unseen letters": "10-shot least squares, 12 other letters, 'test' glyphs, mean of five draws of the shots",
    "held-out": "accuracy on 'tune' glyphs of the same letters, the best of eight looks",
    "training loss": "mean loss of the last tenth of all steps",
}
COST = {"million MACs": "multiplications with an addition of one image's forward pass, counted by formula"}
PANELS = (
    Panel("12 letters", ("letters",)),
    Panel("12 unseen letters", ("unseen letters",), ylabel="10-shot accuracy"),
)


def measure(settings, n, seeds, budget, device):
    test = scenes("test", SEEN, budget.images)
    return [
        f.measured({
            "letters": accuracy(f.model, *test), "unseen letters": transfer(f.model, UNSEEN, "test", budget.images),
        })
        for f in fit(settings, n, seeds, budget, device)
    ]  # fmt: skip


def measure_with_cost(settings, n, seeds, budget, device):
    cost = {"million MACs": count(settings["model"]).macs / 1e6}
    return [Measured(m.values | cost, m.steps) for m in measure(settings, n, seeds, budget, device)]


ANYWHERE = SCENE | dict(rows=(0.3, 0.7), columns=(0.3, 0.7), side=(7.0, 8.0))


def measure_positions(settings, n, seeds, budget, device):
    """What letter it is, and, trained anew, in which quarter of the image one is."""
    found = measure(settings, n, seeds, budget, device)
    images, factors = Stream("test", SEEN, **ANYWHERE).draw(np.arange(budget.images))
    where = settings | {"model": replace(settings["model"], num_classes=4)}
    fitted = fit(where, n, seeds, budget, device, scene=ANYWHERE, target=quarter)
    return [
        Measured(m.values | {"quarter": accuracy(f.model, images, quarter(factors))}, m.steps)
        for m, f in zip(found, fitted, strict=True)
    ]


def _full(n, minutes) -> Budget:
    sizes = n if isinstance(n, tuple) else (n,)
    return Budget(sizes, steps=640, batch_size=64, images=1000, seeds=(0, 1, 2), minutes=minutes)


FAST = Budget((200,), steps=8, batch_size=16, images=200, seeds=(0,), minutes=0.5)


def _at_x(x, xlabel="") -> tuple[Panel, ...]:
    return tuple(replace(panel, x=x, xlabel=xlabel) for panel in PANELS)


MODELS = small_models(len(SEEN))
VIT, RATE = MODELS["ViT"], RATES["ViT"]
KINDS = {  # of positions, as in Table 8
    "none": ("none", None),
    "1-D": ("1d", "stem"), "1-D, every block": ("1d", "every"), "1-D, shared": ("1d", "shared"),
    "2-D": ("2d", "stem"), "2-D, every block": ("2d", "every"), "2-D, shared": ("2d", "shared"),
    "sin-cos": ("sincos2d", "stem"),
    "relative": ("relative", "every"), "relative, shared": ("relative", "shared"),
}  # fmt: skip
POSITIONS = Experiment(
    "positions",
    question="Which kind of position embedding does a ViT need (Table 8)?",
    prediction="To name a letter, any kind gains a few points over none, and all kinds are within noise of each "
    "other, as in the paper. To say where the letter is, none stays near chance (a quarter), for then the class token "
    "sees a set of patches; relative positions do poorly, too, as they tell the class token nothing.",
    conditions=tuple(
        Condition(name, {"model": replace(VIT, position_embedding=kind, position_at=at), "rate": RATE})
        for name, (kind, at) in KINDS.items()
    ),
    metrics=METRICS | {"quarter": "accuracy of a second training, whose target is the quarter of the image"},
    measure=measure_positions,
    full=_full(MANY, 13),
    fast=FAST,
    panels=(*_at_x("condition"), Panel("where is it?", ("quarter",), x="condition")),
)

HEAD = Experiment(
    "head",
    question="Class token or mean over patches, at which learning rate (Fig. 9)?",
    prediction="Both reach the same at a rate of their own; the mean pool likes a lower one.",
    conditions=tuple(
        Condition(f"{name}, {rate:g}", {"model": replace(VIT, classifier=classifier), "rate": rate})
        for name, classifier in (("class token", "token"), ("mean pool", "gap"))
        for rate in (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
    ),
    metrics=METRICS,
    measure=measure,
    full=_full(MANY, 6),
    fast=FAST,
    panels=_at_x("number", "learning rate"),
)

REGULARISATION = Experiment(
    "regularisation",
    question="What do weight decay, dropout and label smoothing give a ViT that has few images (Fig. 4, Sec. 4.3)?",
    prediction="A few points each at 225 images, nothing or a loss at 7,100: 640 updates are few. None comes near to "
    "what the ResNet's convolutions are worth there.",
    conditions=(
        Condition("none", {"model": VIT, "rate": RATE}),
        Condition("decay 3", {"model": VIT, "rate": RATE, "weight decay": 3.0}),
        Condition("decay 30", {"model": VIT, "rate": RATE, "weight decay": 30.0}),
        Condition("dropout 0.1", {"model": replace(VIT, dropout=0.1), "rate": RATE}),
        Condition("dropout 0.3", {"model": replace(VIT, dropout=0.3), "rate": RATE}),
        Condition("smoothing 0.1", {"model": VIT, "rate": RATE, "label smoothing": 0.1}),
        Condition(
            "decay 3, dropout 0.1, smoothing 0.1",
            {"model": replace(VIT, dropout=0.1), "rate": RATE, "weight decay": 3.0, "label smoothing": 0.1},
        ),
    ),
    metrics=METRICS,
    measure=measure,
    full=_full((FEW, 7100), 9),
    fast=FAST,
    panels=PANELS,
)

DECAY = Experiment(
    "decay",
    question="Weight decay beside Adam's step (decoupled) or inside its gradient (coupled): does it matter?",
    prediction="The best of both are within noise here; the number that is best differs a thousand times, so that "
    "the one must never be taken for the other.",
    conditions=tuple(
        Condition(f"{name}, {number:g}", {"model": VIT, "rate": RATE, "weight decay": number, "optimizer": optimizer})
        for name, optimizer, numbers in (
            ("decoupled", "adam", (0.1, 1.0, 10.0, 50.0)),
            ("coupled", "coupled", (1e-5, 1e-4, 1e-3, 1e-2)),
        )
        for number in numbers
    ),
    metrics=METRICS,
    measure=measure,
    full=_full(SOME, 5),
    fast=FAST,
    panels=_at_x("number", "weight decay"),
)

WARM_UP = Experiment(
    "warm_up",
    question="What is warm-up worth, when the sum of all learning rates is the same with and without?",
    prediction="Nothing at low rates; at high ones a run without it ends clearly worse, as its first steps are too "
    "long for Adam's estimates.",
    conditions=tuple(
        Condition(f"{name}, {rate:g}", {"model": VIT, "rate": rate, "warm-up": part, "equal total": True})
        for name, part in (("no warm-up", 0.0), ("10 % warm-up", 0.1))
        for rate in (2e-3, 4e-3, 8e-3, 1.6e-2)
    ),
    metrics=METRICS,
    measure=measure,
    full=_full(7100, 5),
    fast=FAST,
    panels=_at_x("number", "learning rate without warm-up"),
)

OPTIMIZER = Experiment(
    "optimizer",
    question="Adam or SGD with momentum, for the ResNet and for the ViT (Table 7)?",
    prediction="For the ResNet they are within a point, each at its best rate; the ViT is clearly worse with SGD.",
    conditions=tuple(
        Condition(
            f"{model}, {optimizer}, {rate:g}",
            {
                "model": MODELS[model],
                "rate": rate,
                "optimizer": optimizer.lower(),
            },
        )
        for model, optimizer, rates in (
            ("BiT", "Adam", (3e-3, 1e-2, 3e-2)),
            ("BiT", "SGD", (0.03, 0.1, 0.3, 1.0)),
            ("ViT", "Adam", (2e-3, 4e-3, 8e-3)),
            ("ViT", "SGD", (0.03, 0.1, 0.3, 1.0)),
        )
        for rate in rates
    ),
    metrics=METRICS,
    measure=measure,
    full=_full(MANY, 13),
    fast=FAST,
    panels=_at_x("number", "learning rate"),
)

BASE = replace(VIT, width=32, depth=2, heads=2, mlp_dim=64)
SHAPES = {  # Fig. 8: the base stands in every line, and must come out the same in each
    "depth": [dict(depth=d) for d in (1, 2, 4, 8)],
    "width": [dict(width=16), dict(width=32), dict(width=64), dict(width=128)],
    "MLP": [dict(mlp_dim=m) for m in (16, 64, 256)],
    "patch": [dict(patch_size=8), dict(patch_size=4), dict(patch_size=2)],
    "all": [dict(depth=1, width=16, mlp_dim=32, patch_size=8), {}, dict(depth=4, width=64, mlp_dim=128)],
}
SHAPE = Experiment(
    "shape",
    question="At equal compute, should a ViT be deeper, wider, or cut into smaller patches (Fig. 8)?",
    prediction="Depth gains most, and less after four blocks; smaller patches gain without any parameter; width "
    "gains least.",
    conditions=tuple(
        Condition(f"{line}, {k}", {"model": replace(BASE, **change), "rate": 2e-3})
        for line, changes in SHAPES.items()
        for k, change in enumerate(changes, 1)
    ),
    metrics=METRICS | COST,
    measure=measure_with_cost,
    full=_full(MANY, 9),
    fast=FAST,
    panels=_at_x("million MACs"),
)

WIDTHS = {  # three sizes of each; the wider a ViT or hybrid, the lower its rate, in proportion
    "ViT": [replace(VIT, width=w, mlp_dim=round(3.2 * w)) for w in (24, 48, 96)],
    "hybrid": [replace(MODELS["hybrid"], width=w, mlp_dim=round(2.3 * w), backbone_width=w // 3) for w in (24, 48, 96)],
    "BiT": [replace(MODELS["BiT"], base_width=w) for w in (4, 6, 12)],
}
SCALE = Experiment(
    "scale",
    question="At equal compute, which is best: ViT, hybrid or ResNet (Fig. 5)?",
    prediction="The ResNet, at all three sizes; the hybrid leads the ViT when they are small, and less when large.",
    conditions=tuple(
        Condition(
            f"{name}, {k}",
            {
                "model": model,
                "rate": RATES["BiT"] if name == "BiT" else RATE * VIT.width / model.width,
            },
        )
        for name, models in WIDTHS.items()
        for k, model in enumerate(models, 1)
    ),
    metrics=METRICS | COST,
    measure=measure_with_cost,
    full=_full(MANY, 12),
    fast=FAST,
    panels=_at_x("million MACs"),
)

ABLATIONS = (POSITIONS, HEAD, REGULARISATION, DECAY, WARM_UP, OPTIMIZER, SHAPE, SCALE)
