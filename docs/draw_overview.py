"""Draw docs/overview.png, the picture in the README: a photograph becomes tokens, tokens ask each other, one answers.

python docs/draw_overview.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from vitedu import figures
from vitedu.data import load_photo
from vitedu_numpy.layers.patches import patchify

GREY, BLUE, ORANGE, GREEN = "#444444", "#4C78A8", "#F58518", "#54A24B"


def box(ax, x, y, w, h, text, color, size=11):
    ax.add_patch(FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0.02", fc=color, ec="none", alpha=0.18))
    ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", fontsize=size, color=GREY)


def arrow(ax, start, end):
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=GREY, lw=1))


def main() -> None:
    photo = load_photo("china", 384)
    patches, _ = patchify(photo, 96)  # (1, 16, 3 * 96 * 96)
    fig = plt.figure(figsize=(11, 4.4), dpi=100)
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 11), ylim=(0, 4.4))
    ax.axis("off")

    picture = fig.add_axes((0.02, 0.3, 0.2, 0.5))
    figures.image(picture, photo[0])
    figures.grid_lines(picture, 384, 384, 96)
    ax.text(1.32, 3.75, "image  (C, H, W)", ha="center", fontsize=11, color=GREY)
    ax.text(1.32, 0.95, "cut into N patches", ha="center", fontsize=11, color=GREY)

    arrow(ax, (2.5, 2.4), (2.95, 2.4))
    names = ["$x_{class}$", "$x_p^1$", "$x_p^2$", "$x_p^3$", "...", "$x_p^N$"]
    shown = [None, 0, 1, 2, None, 15]
    for i, (name, n) in enumerate(zip(names, shown, strict=True)):
        y = 3.55 - 0.55 * i
        if n is not None:
            small = fig.add_axes((0.272, (y - 0.19) / 4.4, 0.036, 0.09))
            figures.image(small, patches[0, n].reshape(3, 96, 96))
        if name != "...":
            box(ax, 3.62, y - 0.17, 1.0, 0.36, f"{name}" + (" E" if n is not None else ""), ORANGE if i == 0 else BLUE)
            ax.text(4.95, y, f"$+\\;e_{{{['0', '1', '2', '3', '', 'N'][i]}}}$", va="center", fontsize=11, color=GREY)
        else:
            ax.text(4.1, y, "...", ha="center", va="center", fontsize=14, color=GREY)
    ax.text(4.1, 4.05, "tokens  (T, D)", ha="center", fontsize=11, color=GREY)
    ax.text(4.95, 4.05, "$E_{pos}$", ha="center", fontsize=11, color=GREY)

    arrow(ax, (5.35, 2.4), (5.8, 2.4))
    ax.add_patch(FancyBboxPatch((5.85, 0.75), 2.75, 3.1, boxstyle="round,pad=0.05", fc="none", ec=GREY, lw=1))
    ax.text(7.22, 4.05, "encoder: L blocks", ha="center", fontsize=11, color=GREY)
    box(ax, 6.1, 3.1, 2.25, 0.5, "layer norm", GREEN)
    box(ax, 6.1, 2.45, 2.25, 0.5, "attention: tokens ask tokens", GREEN, 10)
    box(ax, 6.1, 1.65, 2.25, 0.5, "layer norm", GREEN)
    box(ax, 6.1, 1.0, 2.25, 0.5, "MLP: each token alone", GREEN, 10)
    ax.text(7.22, 2.3, "+ what came in", ha="center", va="center", fontsize=9, color=GREY)
    ax.text(7.22, 0.86, "+ what came in", ha="center", va="center", fontsize=9, color=GREY)

    arrow(ax, (8.7, 2.4), (9.15, 2.4))
    box(ax, 9.2, 2.2, 1.5, 0.42, "$y$: the class token", ORANGE, 10)
    arrow(ax, (9.95, 2.15), (9.95, 1.7))
    box(ax, 9.2, 1.25, 1.5, 0.42, "head", BLUE)
    ax.text(9.95, 1.0, "logits  (K,)", ha="center", fontsize=11, color=GREY)
    ax.text(
        5.5, 0.22, "forward in both packages; in vitedu_numpy every arrow also has its hand-derived way back",
        ha="center", fontsize=10.5, color=GREY, style="italic",
    )  # fmt: skip
    fig.savefig(Path(__file__).with_name("overview.png"))


if __name__ == "__main__":
    main()
