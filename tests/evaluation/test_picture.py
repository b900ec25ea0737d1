"""The picture of a table: every dot where its number is, every name on it, nothing cut off."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from vitedu.show import draw_accuracies, save_accuracies
from vitedu.show.axes import COLOURS, MARKERS

POINTS = [
    ("cifar10, test (n = 10,000)", "vit_cifar10", 75.3, 0.4),
    ("cifar10, test (n = 10,000)", "bit_cifar10", 81.2, 0.4),
    ("pets, test (n = 3,669)", "bit_cifar10", 20.5, 0.7),
    ("digits", "vit_cifar10", 96.4, None),
]
LONG = [
    ("a folder of photographs whose name nobody would like to type, test (n = 12)", "costs $5, or $6", 50.0, 14.0),
    ("a" * 90, "runs/" + "model_" * 14, 0.0, 0.0),
    ("x", "y", 100.0, 0.0),
]
MANY = [(f"task {i}", f"model {k}", 40.0 + i + k / 2, 0.5) for i in range(22) for k in range(9)]


def drawn(points, **options):
    """The axes, drawn to the end: only then do texts have their places."""
    ax = draw_accuracies(points, **options)
    FigureCanvasAgg(ax.figure).draw()
    return ax


def texts(ax) -> list:
    found = [*ax.get_yticklabels(), *ax.get_xticklabels(), ax.xaxis.label, ax.title, *ax.get_legend().get_texts()]
    return [text for text in found if text.get_text()]


def test_each_number_is_a_dot_in_its_row_with_its_error():
    ax = drawn(POINTS, title="two models")
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "cifar10, test (n = 10,000)", "pets, test (n = 3,669)", "digits",
    ]  # fmt: skip
    assert ax.get_ylim() == (2.5, -0.5)  # the first row on top
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["vit_cifar10", "bit_cifar10"]
    for bars, name in zip(ax.containers, ("vit_cifar10", "bit_cifar10"), strict=True):
        own = [point for point in POINTS if point[1] == name]
        dots, _, (errors,) = bars.lines
        assert dots.get_xdata().tolist() == [value for _, _, value, _ in own]
        rows = [label.get_text() for label in ax.get_yticklabels()]
        assert [rows[round(y)] for y in dots.get_ydata()] == [row for row, *_ in own]  # a model's dots beside the line
        widths = [segment[1][0] - segment[0][0] for segment in errors.get_segments()]
        np.testing.assert_allclose(widths, [2 * (error or 0) for *_, error in own], atol=1e-12)  # float64
    assert ax.get_xlabel() == "top-1 (%)"
    assert ax.get_title() == "two models"


def test_models_differ_without_colour_and_in_colours_for_all():
    """Okabe and Ito's colours; nine models have nine markers or colours that are new together."""
    ax = drawn(MANY)
    styles = [(bars.lines[0].get_marker(), to_hex(bars.lines[0].get_color()).upper()) for bars in ax.containers]
    assert len(set(styles)) == len(styles) == 9
    assert {colour for _, colour in styles} <= {colour.upper() for colour in COLOURS}
    assert [marker for marker, _ in styles] == [MARKERS[k % 8] for k in range(9)]


@pytest.mark.parametrize("points", [POINTS, POINTS[:1], LONG, MANY], ids=["usual", "one dot", "long names", "many"])
def test_nothing_lies_outside_of_the_canvas(points):
    ax = drawn(
        points, title="a title that is as long as titles are, sometimes a good deal longer than what is below it"
    )
    canvas, renderer = ax.figure.bbox, ax.figure.canvas.get_renderer()
    assert len(texts(ax)) >= 4
    for text in texts(ax):
        box = text.get_window_extent(renderer)
        assert canvas.x0 <= box.x0 < box.x1 <= canvas.x1, text
        assert canvas.y0 <= box.y0 < box.y1 <= canvas.y1, text
    frame = ax.get_window_extent(renderer)
    assert frame.width > 200  # dots have room, in pixels at 100 an inch
    for bars in ax.containers:  # every dot and both ends of its error inside of the axes
        dots, caps, _ = bars.lines
        for line in (dots, *caps):
            x, y = ax.transData.transform(line.get_xydata()).T
            assert ((frame.x0 < x) & (x < frame.x1)).all()
            assert ((frame.y0 < y) & (y < frame.y1)).all()


def test_names_of_rows_and_models_do_not_touch():
    for points in (LONG, MANY):
        ax = drawn(points)
        renderer = ax.figure.canvas.get_renderer()
        for labels in (ax.get_yticklabels(), ax.get_legend().get_texts()):
            boxes = [label.get_window_extent(renderer) for label in labels]
            assert not [1 for i, box in enumerate(boxes) if box.count_overlaps(boxes[i + 1 :])]


def test_files(tmp_path):
    save_accuracies(POINTS, tmp_path / "a.png", tmp_path / "a.svg", title="both")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]  # nothing half-written beside them


def test_what_is_no_point_is_refused():
    with pytest.raises(ValueError, match="points is empty"):
        draw_accuracies([])
    for point in (("a", "b", 1.0), ("a", 3, 1.0, None), ("a", "b", float("nan"), None), ("a", "b", 1.0, -0.1)):
        with pytest.raises(ValueError, match=r"points\[1\]=.*expected \(row, model, value"):
            draw_accuracies([POINTS[0], point])
