"""Figures 3, 4 and 5 of the paper from its tables, with one's own runs laid over.

Taught in notebooks/17_state_of_the_art.ipynb.

Only what the tables give is drawn: nothing was read off a picture.  `runs` is a list of (name, x, y, standard error),
y in the figure's units, the standard error of the mean over seeds or None where there was one run.
"""

from __future__ import annotations

import math
from numbers import Real

from vitedu_numpy.extras import naming_extras

from ..paper import JFT_SUBSETS, TABLE_5, TABLE_6
from .axes import legend_beside, new_axes

__all__ = ["draw_figure_3", "draw_figure_4", "draw_figure_5"]

# Okabe and Ito's colours, which colour-blind readers tell apart; each with a marker of its own.
_MODELS = {
    "ViT-B/32": ("#E69F00", "v"), "ViT-B/16": ("#D55E00", "^"), "ViT-L/32": ("#56B4E9", "s"),
    "ViT-L/16": ("#0072B2", "D"), "ViT-H/14": ("#CC79A7", "o"),
}  # fmt: skip
_KINDS = {"ViT": ("#0072B2", "o"), "ResNet": ("#D55E00", "s"), "Hybrid": ("#009E73", "^")}
_OWN = "*PXdph8<>"  # markers of one's own runs, in black
_COMPUTE = "compute of the pre-training (exaFLOPs)"


def draw_figure_3(ax=None, runs=None):
    """Accuracy on ImageNet after pre-training on three data sets (Fig. 3, from Table 5): 14 points.

    ax: axes to draw on, else new ones; runs: x is a data set's name, one of the three or another, which gets a place to
    their right.  The BiT models of the paper's figure are in no table.  Returns the axes.
    """
    ax = new_axes(ax, (6.4, 3.8))
    runs = _checked(runs, "runs", names=True)
    places = list(dict.fromkeys(row.pretrained_on for row in TABLE_5))
    places += [x for x in dict.fromkeys(x for _, x, _, _ in runs) if x not in places]
    for i, (model, (colour, marker)) in enumerate(_MODELS.items()):
        rows = [row for row in TABLE_5 if row.name == model]
        x = [places.index(row.pretrained_on) + 0.08 * (i - 2) for row in rows]  # side by side
        ax.plot(x, [row.imagenet for row in rows], marker, color=colour, label=model, zorder=3)
    _lay_over(ax, [(name, places.index(x), y, error) for name, x, y, error in runs])
    ax.set_xticks(range(len(places)), places)
    ax.set_xlim(-0.5, len(places) - 0.5)
    ax.set(xlabel="pre-training data", ylabel="ImageNet, top-1 (%)", title="Transfer to ImageNet (Table 5)")
    return _finished(ax)


def draw_figure_4(ax=None, runs=None):
    """5-shot accuracy on ImageNet against the number of pre-training images (Fig. 4): the frame alone.

    No table has the values of Fig. 4, so none is drawn: the lines mark the four sizes of its subsets of JFT-300M.
    runs: x is a number of images.  Returns the axes.
    """
    ax = new_axes(ax, (6.4, 3.8))
    runs = _checked(runs, "runs")
    ax.set_xscale("log")
    for images in JFT_SUBSETS:
        ax.axvline(images, color="0.8", lw=1, zorder=1)
    _lay_over(ax, runs)
    ax.set_xticks(JFT_SUBSETS, [f"{images / 1e6:.0f} M" for images in JFT_SUBSETS])
    ax.minorticks_off()
    xs = [*JFT_SUBSETS, *(x for _, x, _, _ in runs)]
    ax.set_xlim(min(xs) / 1.6, max(xs) * 1.6)
    if runs:
        few = sorted({x for _, x, _, _ in runs if all(not 0.7 < x / images < 1.4 for images in JFT_SUBSETS)})
        ax.set_xticks([*few, *JFT_SUBSETS], [_images(x) for x in [*few, *JFT_SUBSETS]])
    else:
        ax.set_ylim(0, 100)
    title = "Few-shot accuracy against pre-training images\n(the paper prints no values of its Fig. 4)"
    ax.set(xlabel="pre-training images", ylabel="ImageNet, 5-shot (%)", title=title)
    return _finished(ax)


@naming_extras()
def draw_figure_5(axes=None, runs=None):
    """Accuracy against the compute of the pre-training (Fig. 5, from Table 6): 18 points in each of two panels.

    axes: two to draw on, else new ones, for the average of five data sets and for ImageNet; runs: x in exaFLOPs
    (`vitedu.compute.exaflops`), a list for the panel of ImageNet, or a dict with the keys "average" and "imagenet".
    Returns the two axes.
    """
    runs = runs if isinstance(runs, dict) else {"imagenet": runs}
    panels = {
        "average": ("mean of ReaL, CIFAR-10, CIFAR-100,\nPets and Flowers, top-1 (%)", "Average of five data sets"),
        "imagenet": ("ImageNet, top-1 (%)", "ImageNet"),
    }
    unknown = [key for key in runs if key not in panels]
    if unknown:
        raise ValueError(f"runs has the keys {unknown}; expected some of {list(panels)}")
    checked = {key: _checked(runs.get(key), f"runs[{key!r}]") for key in panels}
    names = list(dict.fromkeys(run[0] for panel in checked.values() for run in panel))
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    for ax, (field, (ylabel, title)) in zip(axes, panels.items(), strict=True):
        ax.set_xscale("log")
        for kind, (colour, marker) in _KINDS.items():
            rows = [row for row in TABLE_6 if row.kind == kind]
            y = [getattr(row, field) for row in rows]
            ax.plot([row.exaflops for row in rows], y, marker, color=colour, label=kind, zorder=3)
        _lay_over(ax, checked[field], names)
        ax.set(xlabel=_COMPUTE, ylabel=ylabel, title=f"{title} (Table 6)")
        ax.grid(alpha=0.3)
    named = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    legend_beside(axes[-1], list(named.values()), list(named))
    return axes


def _finished(ax):
    ax.grid(axis="y", alpha=0.3)
    legend_beside(ax, *ax.get_legend_handles_labels())
    return ax


def _images(n) -> str:
    return f"{n / 1e6:.3g} M" if n >= 1e6 else f"{n / 1e3:.3g} k" if n >= 1e3 else f"{n:.3g}"


def _checked(runs, name, names=False) -> list:
    """The runs, each refused that is not (name, x, y, standard error)."""
    if runs is not None and not isinstance(runs, list | tuple):
        raise TypeError(f"{name} is a {type(runs).__name__}; expected a list of (name, x, y, standard error or None)")
    for i, run in enumerate(runs or []):
        fits = isinstance(run, list | tuple) and len(run) == 4 and isinstance(run[0], str)
        fits = fits and (isinstance(run[1], str) if names else _positive(run[1]))
        fits = fits and isinstance(run[2], Real) and math.isfinite(run[2])
        if not fits or not (run[3] is None or (isinstance(run[3], Real) and 0 <= run[3] < math.inf)):
            x = "the name of a data set" if names else "a positive number"
            raise ValueError(f"{name}[{i}]={run!r}; expected (name, x, y, standard error or None), x {x}")
    return list(runs or [])


def _positive(x) -> bool:
    return isinstance(x, Real) and 0 < x < math.inf


def _lay_over(ax, runs, names=None) -> None:
    """Runs of one name share a black marker and an entry in the legend; a bar is one standard error to either side.

    names: in their order the markers are given out, where that is not the order of the runs.
    """
    for i, name in enumerate(names or dict.fromkeys(run[0] for run in runs)):
        if not (own := [run[1:] for run in runs if run[0] == name]):
            continue
        x, y, errors = zip(*own, strict=True)
        yerr = [error or 0.0 for error in errors] if any(errors) else None
        ax.errorbar(x, y, yerr, fmt=_OWN[i % len(_OWN)], color="black", ms=8, capsize=4, label=name, zorder=4)
