"""Figures in notebooks: twice the pixels, the size on the page that they had, and few bytes."""

from __future__ import annotations

import io

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
    assert len(data) < len(plain.getvalue())  # four times the pixels in fewer bytes: 256 colours, no transparency
    colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert (255, 255, 255) in colours  # a white ground, so that dark text is read in a dark theme too


def test_a_photograph_stays_at_the_single_resolution(photograph):
    data, size = pictures.sharp(photograph)
    assert Image.open(io.BytesIO(data)).size == (size["width"], size["height"])


def test_small_photographs_drawn_large_stay_sharp(rng):
    """Each pixel is a square; at half the resolution its edges fall between pixels, which takes more bytes."""
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
