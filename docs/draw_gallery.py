"""Draw docs/gallery/NAME.png: figures of the paper and of this package, each a slide of 1600 x 900 pixels.

    python docs/draw_gallery.py              # all
    python docs/draw_gallery.py rollout      # some
    python docs/draw_gallery.py --format svg --out slides

docs/gallery.md says what each shows.  Everything is drawn from what the package holds: the paper's tables, the shipped
models, recorded runs; nothing is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import vitedu
from vitedu import figures, inspect, show
from vitedu.data import load_photo
from vitedu.experiments import recorded_table
from vitedu_numpy.layers.patches import patchify

FOLDER = Path(__file__).with_name("gallery")
WIDTH, HEIGHT, DPI = 10, 5.625, 160  # inches, and what makes 1600 x 900 pixels of them


def slide(rows=1, columns=1, **options):
    return plt.subplots(rows, columns, figsize=(WIDTH, HEIGHT), layout="constrained", **options)


def looked():
    """The shipped ViT, two photographs of 32 x 32 pixels, its logits and record for them."""
    import torch

    model = vitedu.load("vit_cifar10").eval()
    photos = [torch.from_numpy(load_photo(name)) for name in ("china", "flower")]
    images = torch.cat([torch.nn.functional.interpolate(photo, 32, mode="area") for photo in photos])
    record = {}
    with torch.no_grad():
        logits = model(images, record).numpy()
    return model, images, logits, record


# ---- the figures -----------------------------------------------------------------------------------------------------


def patches():
    """An image is a sequence of patches."""
    photo = load_photo("china", 192)
    tokens, _ = patchify(photo, 48)
    figure = plt.figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    left, right = figure.subfigures(1, 2)
    ax = left.subplots()
    figures.image(ax, photo[0], "an image (3, 192, 192), cut into patches of 48 x 48")
    figures.grid_lines(ax, 192, 192, 48)
    right.suptitle("a sequence (16, 3 · 48 · 48): row by row")
    for n, ax in enumerate(right.subplots(4, 4).flat):
        figures.image(ax, tokens[0, n].reshape(3, 48, 48), str(n + 1))
    return figure


def figure_3():
    """Figure 3 of the paper, from its Table 5."""
    figure, ax = slide()
    show.draw_figure_3(ax)
    return figure


def figure_5():
    """Figure 5 of the paper, from its Table 6."""
    figure, axes = slide(1, 2)
    show.draw_figure_5(axes)
    return figure


def filters():
    """The first principal components of the shipped ViT's patch embedding (Fig. 7, left)."""
    model, *_ = looked()
    components, _ = inspect.filter_components(model.patch_embedding.weight, model.config.patch_size, count=28)
    figure, ax = slide()
    show.draw_filters(components, ax)
    return figure


def positions():
    """How like each position embedding is to all others (Fig. 7, centre)."""
    model, *_ = looked()
    figure, ax = slide()
    show.draw_position_similarity(inspect.position_similarity(inspect.position_vectors(model)), ax)
    return figure


def distance():
    """How far each head of the shipped ViT looks (Fig. 7, right)."""
    model, _, _, record = looked()
    figure, ax = slide()
    show.draw_attention_distance(inspect.attention_distance(record, model.config), ax)
    return figure


def rollout():
    """Where the class token looks, through all blocks (Fig. 6)."""
    model, images, logits, record = looked()
    mask = inspect.rollout_mask(record, model.config)
    figure, axes = slide(2, 2)
    for i, row in enumerate(axes):
        named = f"the ViT's answer: {model.classes[int(logits[i].argmax())]}"
        show.draw_rollout(images[i], inspect.to_pixels(mask[i], (32, 32)), row, (named, "attention rollout"))
    return figure


def heads():
    """Whom one patch asks, head by head."""
    *_, record = looked()
    A = inspect.attention_maps(record)[1][1]  # block 1, the flower: (h, T, T)
    row, column = 4, 3
    maps = A[:, 1 + row * 8 + column, 1:].reshape(-1, 8, 8)
    figure, axes = slide(1, len(maps))
    titles = [f"block 1, head {i}" for i in range(len(maps))]
    show.draw_query_maps(maps, (row, column), axes, titles)
    return figure


def lens():
    """What the class token would answer after every block."""
    model, _, _, record = looked()
    found = inspect.logit_lens(model, record)
    figure, axes = slide(1, 2)
    for i, (ax, name) in enumerate(zip(axes, ("china", "flower"), strict=True)):
        show.draw_lens(found[:, i], model.classes, ax, show=4, title=name)
    return figure


def microscope():
    """One head: its weights, the gradient through it, and the answer without it."""
    model, images, *_ = looked()
    figure, axes = slide(1, 4)
    show.draw_microscope(show.Slide(model, images[1]).view(block=1, head=1, query=(4, 3)), axes)
    return figure


def curves():
    """The two shipped models while they were trained on CIFAR-10."""
    figure, (left, right) = slide(1, 2)
    for name, style in (("vit_cifar10_long", "-"), ("bit_cifar10_long", "--")):
        rows = recorded_table(name)
        for ax, key in ((left, "loss"), (right, "eval_accuracy")):
            at = [(row["step"], row[key]) for row in rows if row[key] is not None]
            steps, values = np.array(at).T
            if key == "loss":
                values = np.convolve(values, np.ones(20) / 20, "same")[10:-10]
                steps = steps[10:-10]
            ax.plot(steps, values * (1 if key == "loss" else 100), style, label=name)
    left.set(xlabel="step", ylabel="training loss, mean of 20 lines", title="Training")
    right.set(xlabel="step", ylabel="top-1 (%), 5,000 test images", title="Test")
    right.legend()
    return figure


DRAWN = (patches, figure_3, figure_5, filters, positions, distance, rollout, heads, lens, microscope, curves)
FIGURES = {draw.__name__: draw for draw in DRAWN}


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(FIGURES)}; none: all")
    parser.add_argument("--format", default="png", choices=("png", "svg", "pdf"))
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in FIGURES]:
        parser.error(f"there is no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names or FIGURES:
        figure = FIGURES[name]()
        figures.save_figure(figure, given.out / f"{name}.{given.format}", DPI)
        plt.close(figure)


if __name__ == "__main__":
    main()
