"""The pictures hold the arrays' numbers, in their places, with units, and no text is cut off."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from vitedu import show
from vitedu.show.axes import COLOURS


@pytest.fixture(autouse=True)
def whole():
    """Every figure is drawn to the end, where warnings are errors; all its text lies inside, and it is closed."""
    yield
    boxes = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.canvas.draw()
        boxes.append((figure.get_tightbbox(), figure.get_size_inches()))  # of everything drawn; inches
    plt.close("all")
    for box, (width, height) in boxes:
        assert min(box.x0, box.y0) >= 0, "something is cut off left or below"
        assert box.x1 <= width, "something is cut off on the right"
        assert box.y1 <= height, "something is cut off above"


def test_filters(rng):
    components = rng.standard_normal((10, 3, 4, 4))
    picture = np.asarray(show.draw_filters(components).images[0].get_array())
    assert picture.shape == (2 * 5 - 1, 7 * 5 - 1, 3)
    expected = 0.5 + 0.5 * components[8] / np.abs(components[8]).max()  # second row, second column
    np.testing.assert_allclose(picture[5:9, 5:9], np.moveaxis(expected, 0, -1))
    assert (picture[4] == 1).all()  # the gap is white
    grey = np.asarray(show.draw_filters(components[:3, :1]).images[0].get_array())
    assert grey.shape == (4, 3 * 5 - 1, 3)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_position_similarity(rng):
    similarity = rng.uniform(-1, 1, (3, 4, 3, 4))
    ax = show.draw_position_similarity(similarity)
    picture = np.asarray(ax.images[0].get_array().filled(np.nan))
    assert picture.shape == (3 * 4 - 1, 4 * 5 - 1)
    for r, c in np.ndindex(3, 4):
        np.testing.assert_array_equal(picture[4 * r : 4 * r + 3, 5 * c : 5 * c + 4], similarity[r, c])
    assert np.isnan(picture[3]).all()
    assert ax.images[0].get_clim() == (-1, 1)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2", "3"]
    assert ax.figure.axes[1].get_ylabel() == "cosine similarity"
    show.draw_position_similarity(np.ones((24, 24, 24, 24)))  # the ticks of a large grid do not collide


def test_attention_distance(rng):
    distance = rng.uniform(0, 100, (5, 24, 16))
    ax = show.draw_attention_distance(distance, uniform=60.0)
    lines = {line.get_label(): line for line in ax.get_lines()}
    for head in range(16):
        line = lines[f"head {head}"]
        np.testing.assert_array_equal(line.get_xdata(), np.arange(24))
        np.testing.assert_allclose(line.get_ydata(), distance[:, :, head].mean(axis=0))
    looks = {(line.get_color(), line.get_marker()) for name, line in lines.items() if name.startswith("head")}
    assert len(looks) == 16
    assert {colour for colour, _ in looks} == set(COLOURS)
    assert "pixels" in ax.get_ylabel()
    assert ax.get_ylim()[0] == 0
    given = plt.figure().add_subplot()
    assert show.draw_attention_distance(distance[0], given) is given


def test_rollout(rng):
    image, mask = rng.uniform(-1, 1, (3, 6, 8)), rng.uniform(0, 0.1, (6, 8))
    left, right = show.draw_rollout(image, mask)
    pixels = np.moveaxis(image, 0, -1) / 2 + 0.5
    np.testing.assert_allclose(left.images[0].get_array(), pixels)
    np.testing.assert_allclose(right.images[0].get_array(), pixels * mask[..., None] / mask.max())
    show.draw_rollout(image[:1], mask)


@pytest.mark.parametrize("heads", [1, 3, 6, 16])
def test_query_maps(rng, heads):
    maps = rng.uniform(0, 0.3, (heads, 3, 4))
    axes = show.draw_query_maps(maps, query=(2, 1))
    assert [ax.get_title() for ax in axes] == [f"head {head}" for head in range(heads)]
    for ax, x in zip(axes, maps, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), x)
        assert ax.images[0].get_clim() == (0, maps.max())
        assert (ax.get_lines()[0].get_xdata(), ax.get_lines()[0].get_ydata()) == ([1], [2])


def test_lens(rng):
    logits = rng.standard_normal((7, 10))
    names = [f"animal {k}" for k in range(10)]
    ax = show.draw_lens(logits, names, show=3)
    best = np.argsort(-logits[-1])[:3]
    assert [line.get_label() for line in ax.get_lines()] == [names[k] for k in best]
    for line, k in zip(ax.get_lines(), best, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), logits[:, k])
    assert ax.get_xlabel() == "blocks passed"


def test_lens_maps(rng):
    maps = rng.standard_normal((7, 4, 4))
    axes = show.draw_lens_maps(maps)
    assert [ax.get_title() for ax in axes[:3]] == ["after 0 blocks", "after 1 block", "after 2 blocks"]
    low, high = axes[0].images[0].get_clim()
    assert -low == high == np.abs(maps).max()  # white is 0


def test_heads_and_cka(rng):
    values = rng.standard_normal((12, 12))
    ax = show.draw_heads(values, label="change of the loss (nats)")
    np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert ax.figure.axes[1].get_ylabel() == "change of the loss (nats)"
    show.draw_heads(np.zeros((2, 1)))  # nothing changed: still a picture
    matrix = rng.uniform(0, 1, (13, 25))
    ax = show.draw_cka(matrix, xlabel="layer of the ResNet", ylabel="layer of the ViT")
    np.testing.assert_array_equal(ax.images[0].get_array(), matrix)
    assert ax.images[0].origin == "lower"


def test_shapes_that_cannot_be_drawn():
    for draw, wrong, expected in (
        (show.draw_filters, np.ones((4, 256, 1, 1)), "C = 1 or 3"),
        (show.draw_position_similarity, np.ones((3, 4, 4, 3)), r"\(gh, gw, gh, gw\)"),
        (show.draw_attention_distance, np.ones(3), r"\(L, h\)"),
        (show.draw_query_maps, np.ones((3, 4)), r"\(n, gh, gw\)"),
        (show.draw_lens, np.ones((3, 2, 4)), r"\(L \+ 1, K\)"),
        (show.draw_lens_maps, np.ones((3, 4)), r"\(n, gh, gw\)"),
        (show.draw_heads, np.ones(3), r"\(L, h\)"),
        (show.draw_cka, np.ones(3), r"\(n, m\)"),
    ):
        with pytest.raises(ValueError, match=f"has shape .*{expected}"):
            draw(wrong)
    with pytest.raises(ValueError, match=r"mask \(3, 4\).*inspect.to_pixels"):
        show.draw_rollout(np.ones((3, 6, 8)), np.ones((3, 4)))
    with pytest.raises(ValueError, match="names has 2 entries; expected 4"):
        show.draw_lens(np.ones((3, 4)), ["a", "b"])
    with pytest.raises(ValueError, match="axes has 1 entries; expected 2"):
        show.draw_rollout(np.ones((3, 6, 8)), np.ones((6, 8)), [plt.figure().add_subplot()])
