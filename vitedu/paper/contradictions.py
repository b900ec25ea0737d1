"""Where the paper disagrees with itself, or says less than one needs: each a place, a value, and another of each.

The numbers stand in the tables; here they are only pointed at, where a table has them.
Taught in notebooks/17_state_of_the_art.ipynb.
"""

from __future__ import annotations

from dataclasses import dataclass

from .results import TABLE_2, TABLE_5, TABLE_6, TASKS
from .settings import TABLE_3, TABLE_4

__all__ = ["CONTRADICTIONS", "Contradiction"]


@dataclass(frozen=True)
class Contradiction:
    """Two places of the paper, what each says, and what to make of it."""

    what: str
    place: str
    value: object  # a number in the place's units, or words
    other_place: str
    other_value: object
    remedy: str  # what is done here, or what explains it


_H14 = (TABLE_5.row(name="ViT-H/14", pretrained_on="JFT-300M"), TABLE_6.row(name="ViT-H/14"))
_SEVEN, _FOURTEEN = (TABLE_6.row(name="R50x1+ViT-L/16", epochs=epochs) for epochs in (7, 14))


def _cell(name, task, tables, values, remedy) -> Contradiction:
    (place, other_place), (value, other_value) = tables, values
    return Contradiction(f"{name}, {task}", place, value, other_place, other_value, remedy)


def _as_good(name, other) -> str:
    """The columns of Table 2 in which `name` is not better than `other`, and how they stand there."""
    one, two = (TABLE_2.row(name=which, pretrained_on="JFT-300M") for which in (name, other))
    pairs = {task: (getattr(one, task).mean, getattr(two, task).mean) for task in (*TASKS, "vtab")}
    return ", ".join(f"{task}: {a:.2f} against {b:.2f}" for task, (a, b) in pairs.items() if a <= b)


def _two_means() -> list[Contradiction]:
    """The tasks, other than ImageNet, in which L/16 has two results after the same pre-training."""
    found = []
    for data in ("JFT-300M", "ImageNet-21k"):
        three, one = (table.row(name="ViT-L/16", pretrained_on=data) for table in (TABLE_2, TABLE_5))
        for task in TASKS[2:]:
            values = (getattr(three, task).mean, getattr(one, task))
            if values[0] != values[1]:
                remedy = "Table 2 is the mean of three fine-tunings; of how many Table 5 is, is not said"
                found.append(_cell(f"ViT-L/16 on {data}", task, ("Table 2", "Table 5"), values, remedy))
    return found


CONTRADICTIONS = (
    Contradiction(
        "ViT-L/16 against BiT-L, both on JFT-300M",
        "Sec. 4.2", "ViT-L/16 is better on all tasks",
        "Table 2", _as_good("ViT-L/16", "BiT-L R152x4"),
        "better on five of seven, and not by more than chance on one of these (notebook 17)",
    ),
    Contradiction(
        "learning rate of R50+ViT-L/32",
        "Table 3", TABLE_3.row(names=("R50+ViT-L/32",)).learning_rate,
        "App. B.1 (hybrids have the setup of their ViT)", TABLE_3.row(names=("ViT-L/32",)).learning_rate,
        "the table",
    ),
    Contradiction(
        "who is fine-tuned on ImageNet with a rate of 0.06",
        "Table 4", f"all models: {TABLE_4.row(dataset='ImageNet').learning_rates}",
        "App. B.1.1", "ResNets and hybrids alone",
        "one more rate to try harms nobody but the one who pays for it",
    ),
    Contradiction(
        "settings of R200x3", "Table 6", f"{TABLE_6.row(name='R200x3').epochs} epochs", "Table 3", "no row", "unknown"
    ),
    Contradiction(
        "length of R152x2", "Table 6", "7 and 14 epochs", "Table 3", "7 epochs", "the other settings taken as the same"
    ),
    *(
        _cell("ViT-H/14 on JFT-300M", task, ("Table 5", "Table 6"), (getattr(_H14[0], task), getattr(_H14[1], task)),
              "both 14 epochs, 384 pixels; Table 5 has the means of Table 2 but for ImageNet and ReaL")
        for task in ("imagenet", "real", "cifar100", "pets", "flowers")
    ),
    *_two_means(),
    Contradiction(
        "exaFLOPs of R50x1+ViT-L/16 for 7 epochs",
        "Table 6, 7 epochs", _SEVEN.exaflops, "Table 6, half of 14 epochs", _FOURTEEN.exaflops / 2,
        "our own count gives the half",
    ),
    Contradiction(
        "weight decay of the pre-training",
        "Sec. 4.1", "0.1, for all models", "Table 3", "0.1 on JFT-300M, 0.03 on ImageNet-21k, 0.3 on ImageNet",
        "the table",
    ),
    Contradiction(
        "decay of the learning rate", "Sec. 4.1", "linear", "Table 3", "linear, on ImageNet cosine", "the table"
    ),
    Contradiction(
        "attention rollout",
        "App. D.8", "the weights of all layers are multiplied",
        "Abnar & Zuidema 2020, whom it cites", "half of each factor is the identity, for the residual",
        "with the identity",
    ),
    Contradiction(
        "attention distance",
        "Fig. 11", "mean distance, weighted by attention",
        "the authors' issue 162", "the class token is left out and the weights no longer sum to 1",
        "so it is no mean; a token that looks at the class token has a small one",
    ),
    Contradiction(
        "numbers per patch of the L2 target",
        "App. B.1.2", "256 regressions", "its own words, on the 3 channels of 16 x 16 pixels", 768,
        "768",
    ),
)  # fmt: skip
