"""docs/gallery.md shows what docs/draw_gallery.py draws."""

from __future__ import annotations

import re

import draw_gallery
import numpy as np
import pytest
from PIL import Image

PAGE = draw_gallery.FOLDER.with_suffix(".md").read_text(encoding="utf-8")


def test_every_figure_stands_on_the_page():
    assert re.findall(r"\]\(gallery/(\w+)\.png\) \|", PAGE) == [*draw_gallery.FIGURES]
    assert {file.stem for file in draw_gallery.FOLDER.iterdir()} == {*draw_gallery.FIGURES}


@pytest.mark.parametrize("name", ["figure_3", "heads", "curves"])
def test_what_is_stored_is_what_is_drawn(name, tmp_path):
    """Of the tables, the model and the runs one each.  Another freetype moves edges: a fifth of the ink may differ."""
    draw_gallery.main([name, "--out", str(tmp_path)])
    pictures = [Image.open(folder / f"{name}.png").convert("L") for folder in (tmp_path, draw_gallery.FOLDER)]
    assert {picture.size for picture in pictures} == {(1600, 900)}
    new, stored = (np.asarray(picture, float) for picture in pictures)
    assert (abs(new - stored) > 64).sum() < 0.2 * (stored < 200).sum()


def test_a_figure_that_there_is_not(capsys):
    with pytest.raises(SystemExit):
        draw_gallery.main(["filter"])
    assert "there is no figure 'filter'; there are patches, figure_3" in capsys.readouterr().err
