"""`vitedu probe FROM --data DATA`: how good are frozen features?  Described in docs/scale.md."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
from typing import Annotated

from .arguments import naming_splits, read, typed, writable

__all__ = ["probe"]


def probe(arguments):
    """Read the arguments, probe, print one line per number."""
    import tyro

    from ..recipes import Execution

    def probe(
        start: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FROM")],
        *,
        data: str,
        train_split: str = "train",
        eval_split: str = "test",
        train_images: int | None = None,
        image_size: int | None = None,
        image_column: str | None = None,
        label_column: str | None = None,
        shots: tuple[int, ...] = (1, 5, 10),
        seeds: tuple[int, ...] = (0, 1, 2),
        neighbors: tuple[int, ...] = (20,),
        linear: bool = True,
        out: str = "",
        run: Execution = Execution(micro_batch=128),  # noqa: B008 (frozen)
    ):
        """Accuracies of classifiers on what the head of a trained model reads; the model is not changed.

        Args:
            start: a run's folder, a file, a name such as vit_cifar10, or a hub id.
            data: hub name or folder.
            train_split: where the images to learn from are.
            eval_split: where those to be judged on are.
            train_images: use only so many of the training images.
            image_size: pixels; None: those of the weights.
            image_column: of a table, where its name does not say it.
            label_column: the same.
            shots: images of each class.
            seeds: choices of those images.
            neighbors: numbers of nearest neighbours that vote.
            linear: logistic regression on all training images, too.
            out: a .json file for the numbers.
            run: where and how features are computed.
        """
        return locals()

    found = read(probe, arguments, "vitedu probe")
    if found["out"]:
        writable(found["out"], folder=False)
    from ..engine.probe import check_numbers, format_probe
    from ..engine.probe import probe as carry_out

    with typed():
        check_numbers(**{name: found[name] for name in ("train_images", "image_size", "shots", "neighbors", "seeds")})
    with naming_splits(train_split=found["train_split"], eval_split=found["eval_split"]):
        results = carry_out(**found | {"out": found["out"] or None})
    print(format_probe(results))
