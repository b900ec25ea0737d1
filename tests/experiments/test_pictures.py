"""`draw_panel`: what is drawn is what was measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from vitedu.experiments.results import Row
from vitedu.show.experiments import draw_panel


def rows(values, seeds):
    """One row for each condition, metric and seed; `values`: condition -> metric -> list by seed."""
    return [
        Row("x", condition, 100, seed, metric, by_seed[k], 1, 0.0)
        for condition, metrics in values.items() for metric, by_seed in metrics.items() for k, seed in enumerate(seeds)
    ]  # fmt: skip


RECORDED = rows({"ViT": {"a": [0.5, 0.7], "b": [0.2, 0.2]}, "BiT": {"a": [0.9, 0.9], "b": [0.4, 0.6]}}, (0, 1))
LIVE = rows({"ViT": {"a": [0.1], "b": [0.3]}, "BiT": {"a": [0.2], "b": [0.1]}}, (0,))


def lines(ax):
    """label -> (markers' line, half lengths of its bars)"""
    found = {}
    for container in ax.containers:
        line, _, (bars,) = container.lines
        ends = [np.ptp(segment[:, 1]) / 2 if len(segment) else math.nan for segment in bars.get_segments()]
        found[container.get_label()] = line, ends
    return found


def test_means_and_their_standard_errors():
    ax = draw_panel(Figure().subplots(), RECORDED, ("a", "b"), x="metric")
    line, bars = lines(ax)["ViT"]
    np.testing.assert_allclose(np.array(line.get_ydata(), float), [0.6, 0.2])
    np.testing.assert_allclose(bars, [0.1, 0.0], atol=1e-12)  # 0.1414 / sqrt(2)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]


def test_a_live_run_is_laid_over_in_open_markers_of_the_same_colour():
    ax = Figure().subplots()
    draw_panel(ax, RECORDED, ("a", "b"), x="metric")
    draw_panel(ax, LIVE, ("a", "b"), x="metric", live=True)
    found = lines(ax)
    assert list(found) == ["ViT", "BiT", "ViT, live", "BiT, live"]
    for name in ("ViT", "BiT"):
        (line, _), (live, bars) = found[name], found[f"{name}, live"]
        assert live.get_markerfacecolor() == "none"
        assert live.get_color() == line.get_color()
        assert live.get_marker() == line.get_marker()
        np.testing.assert_array_equal(live.get_xdata(), line.get_xdata())
        assert not np.isfinite(bars).any()  # one seed has no bar


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="0 rows"):
        draw_panel(Figure().subplots(), RECORDED, ("c",), x="metric")
