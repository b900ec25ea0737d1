"""Figures in notebooks: twice the pixels, the size on the page that they had, and few bytes."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from PIL import Image

from vitedu import show
from vitedu.show import pictures


@pytest.fixture
def figure():
    figure = Figure(figsize=(6, 3), dpi=80, layout="constrained")
    figure.subplots().plot([0, 1], [1, 0], "o-", color="#0072B2")
    return figure


@pytest.fixture
def photograph(rng):
    """Noise, which no PNG makes small."""
    figure = Figure(figsize=(3, 2), dpi=80, layout="constrained")
    figure.subplots().imshow(rng.uniform(0, 1, (160, 240, 3)))
    return figure


def test_a_drawing_is_sharp_and_small(figure):
    data, size = pictures.sharp(figure)
    picture, plain = Image.open(io.BytesIO(data)), io.BytesIO()
    figure.savefig(plain, format="png", bbox_inches="tight")
    assert (picture.width // 2, picture.height // 2) == (size["width"], size["height"])
    # The page sees it as large as before; "tight" rounds to whole pixels of either resolution.
    np.testing.assert_allclose([size["width"], size["height"]], Image.open(plain).size, atol=2)
    assert len(data) < len(plain.getvalue())  # four times the pixels in fewer bytes: few colours, no transparency
    colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert (255, 255, 255) in colours  # a white ground, so that dark text is read in a dark theme too


def test_a_line_plot_needs_few_colours_and_a_heat_map_all(figure, rng):
    """Each is what was drawn: pixels are off by 8 of 255 at most, but for one in a hundred, on the edges of lines."""
    heat = Figure(figsize=(3, 2), dpi=80, layout="constrained")
    heat.subplots().imshow(rng.uniform(0, 1, (8, 12)).cumsum(axis=1), cmap="viridis")
    used = []
    for drawn in (figure, heat):
        data, _ = pictures.sharp(drawn)
        kept, whole = Image.open(io.BytesIO(data)).convert("RGB"), io.BytesIO()
        drawn.savefig(whole, format="png", bbox_inches="tight", dpi=2 * drawn.dpi)
        apart = np.abs(np.asarray(kept, int) - np.asarray(Image.open(whole).convert("RGB"), int))
        used.append(len(kept.getcolors(1 << 20)))
        assert np.percentile(apart.max(axis=-1), 99) <= pictures.OFF
    assert used[0] <= 48 < used[1]


@pytest.mark.parametrize("limit", [20_000, 6_000, 0])
def test_a_page_of_many_figures_sets_a_limit(figure, limit):
    """Fewer pixels, never more bytes than needed, and the same size on the page; at the page's own pixels it ends."""
    whole, size = pictures.sharp(figure)
    data, smaller = pictures.sharp(figure, limit=limit)
    width = Image.open(io.BytesIO(data)).width
    assert len(data) <= limit or width == smaller["width"]
    assert (len(data) < len(whole)) == (limit < len(whole))
    np.testing.assert_allclose([*smaller.values()], [*size.values()], atol=2)  # whole pixels of either resolution


def test_a_photograph_is_drawn_with_fewer_pixels(photograph):
    data, size = pictures.sharp(photograph)
    assert len(data) <= pictures.LIMIT
    assert size["width"] <= Image.open(io.BytesIO(data)).width < 2 * size["width"]


@pytest.mark.parametrize("limit", [-1, 2.5, "small", True])
def test_a_limit_is_a_number_of_bytes(limit):
    with pytest.raises(ValueError, match=r"limit=.* is not allowed; limit must be a number of bytes, 0 or more"):
        show.style(limit=limit)


def test_small_photographs_drawn_large_stay_sharp(rng):
    """Each pixel is a square; at half the resolution its edges fall between pixels, which takes more bytes."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # `show.style` of another test would draw other axes
        figure = Figure(figsize=(6, 4), dpi=80)
        for ax in figure.subplots(2, 3).flat:
            ax.imshow(rng.uniform(0, 1, (60, 60, 3)))
        data, size = pictures.sharp(figure)
        assert pictures.LIMIT < len(data) < len(pictures._png(figure, 1)[0])
    assert Image.open(io.BytesIO(data)).width // 2 == size["width"]


def test_a_notebook_shows_its_figures_so(figure, monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr(pictures, "this_shell", lambda: shell)
    show.style()
    data, metadata = shell.display_formatter.format(figure)
    assert {kind for kind in data if kind.startswith("image/")} == {"image/png"}
    assert (data["image/png"], metadata["image/png"]) == pictures.sharp(figure)
