"""Figures 3, 4 and 5 from the tables: as many points as the tables give, own runs where they were put."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")  # before pyplot

import matplotlib.pyplot as plt
import numpy as np
import pytest

from vitedu import show
from vitedu.paper import JFT_SUBSETS, TABLE_5, TABLE_6


@pytest.fixture(autouse=True)
def closed():
    """Every figure is drawn to the end, where warnings are errors, and closed."""
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")


def points(ax) -> dict:
    """legend entry -> (n, 2) points"""
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines() if not line.get_label().startswith("_")}
    bars = {bars.get_label(): bars.lines[0].get_xydata() for bars in ax.containers}
    return lines | bars


def test_figure_3():
    ax = show.draw_figure_3()
    drawn = points(ax)
    assert {name: len(xy) for name, xy in drawn.items()} == {
        "ViT-B/32": 3, "ViT-B/16": 3, "ViT-L/32": 3, "ViT-L/16": 3, "ViT-H/14": 2,
    }  # fmt: skip
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["ImageNet", "ImageNet-21k", "JFT-300M"]
    for model, xy in drawn.items():
        for x, y in xy:  # each point nearest to the tick of its data
            assert y == TABLE_5.row(name=model, pretrained_on=names[round(x)]).imagenet


def test_figure_4_has_no_point_of_the_paper():
    ax = show.draw_figure_4()
    assert points(ax) == {}
    assert "no values" in ax.get_title()
    assert ax.get_xscale() == "log"
    assert [line.get_xdata()[0] for line in ax.get_lines()] == list(JFT_SUBSETS)
    assert ax.get_legend() is None


def test_figure_5():
    panels = show.draw_figure_5()
    for ax, field in zip(panels, ("average", "imagenet"), strict=True):
        drawn = points(ax)
        assert {kind: len(xy) for kind, xy in drawn.items()} == {"ViT": 6, "ResNet": 7, "Hybrid": 5}
        expected = {(row.exaflops, getattr(row, field)) for row in TABLE_6}
        assert {tuple(point) for xy in drawn.values() for point in xy} == expected
        assert ax.get_xscale() == "log"
        assert "exaFLOPs" in ax.get_xlabel()
        assert "%" in ax.get_ylabel()


def test_own_runs_are_laid_over():
    runs = [("mine", "CIFAR-10", 61.0, 0.5), ("mine", "ImageNet", 70.0, 0.5), ("other", "CIFAR-10", 55.0, None)]
    _, given = plt.subplots()
    ax = show.draw_figure_3(given, runs)
    assert ax is given
    assert [label.get_text() for label in ax.get_xticklabels()][3:] == ["CIFAR-10"]
    np.testing.assert_array_equal(points(ax)["mine"], [(3, 61.0), (0, 70.0)])
    np.testing.assert_array_equal(points(ax)["other"], [(3, 55.0)])

    ax = show.draw_figure_4(runs=[("mine", 50_000, 12.0, 0.3), ("mine", 9_000_000, 20.0, 0.0)])
    np.testing.assert_array_equal(points(ax)["mine"], [(50_000, 12.0), (9_000_000, 20.0)])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["50 k", "9 M", "30 M", "90 M", "303 M"]

    left, right = show.draw_figure_5(
        runs={"average": [("a", 1.0, 80.0, None)], "imagenet": [("b", 2.0, 60.0, 1.0), ("a", 1.0, 50.0, 1.0)]}
    )
    assert "b" not in points(left)
    np.testing.assert_array_equal(points(right)["a"], [(1.0, 50.0)])
    markers = [{bars.get_label(): bars.lines[0].get_marker() for bars in ax.containers} for ax in (left, right)]
    assert markers[0]["a"] == markers[1]["a"] != markers[1]["b"]  # a name has one marker in both panels
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["ViT", "ResNet", "Hybrid", "a", "b"]
    assert len(points(show.draw_figure_5(runs=[("a", 1.0, 50.0, None)])[1])) == 4


def test_the_legend_covers_no_point():
    runs = [("a run of a long name", 1e-3, 1.0, 0.5), ("another", 1e5, 100.0, None)]
    for ax in (show.draw_figure_3(), show.draw_figure_4(runs=runs), show.draw_figure_5(runs=runs)[1]):
        figure = ax.figure
        figure.canvas.draw()
        legend = ax.get_legend().get_window_extent()
        assert legend.x0 >= ax.get_window_extent().x1  # beside the axes
        assert legend.x1 <= figure.bbox.x1  # and inside the picture


@pytest.mark.parametrize(
    ("draw", "run"),
    [
        (show.draw_figure_3, ("a", 3.0, 1.0, None)),
        (show.draw_figure_4, ("a", "JFT-300M", 1.0, None)),
        (show.draw_figure_4, ("a", 0.0, 1.0, None)),  # a logarithm of nothing
        (show.draw_figure_5, ("a", 1.0, float("nan"), None)),
        (show.draw_figure_5, ("a", 1.0, 1.0, -0.1)),
        (show.draw_figure_5, ("a", 1.0, 1.0)),
    ],
)
def test_runs_that_cannot_be_drawn(draw, run):
    with pytest.raises(ValueError, match=r"expected \(name, x, y, standard error or None\)"):
        draw(runs=[run])


def test_unknown_panel():
    with pytest.raises(ValueError, match="'cifar10'"):
        show.draw_figure_5(runs={"cifar10": []})
