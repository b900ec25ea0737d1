"""The diagrams of the lessons say what they were given: the words, the numbers, and which belong together."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vitedu import show
from vitedu.show.boxes import PALE


@pytest.fixture(autouse=True)
def without_windows(monkeypatch):
    plt.switch_backend("agg")
    yield
    plt.close("all")


def words(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


@pytest.mark.parametrize(("here", "blue"), [(None, 0), (1, 1), (3, 1), (5, 5), (6, 2), (7, 11)])
def test_the_model_shows_which_parts_a_notebook_builds(here, blue):
    """05 builds two norms, the MLP and both sums; 07 makes one model of all eleven."""
    ax = show.draw_model(here)
    boxes = [text.get_bbox_patch() for text in ax.texts if text.get_bbox_patch()]
    assert sum(box.get_facecolor()[:3] == to_rgb(PALE[0]) for box in boxes) == blue
    assert {"image", "class\nscores", "attention,\nheads"} <= set(words(ax))


def test_a_flow_has_a_way_forward_and_a_way_back():
    ax = show.draw_flow([("", "x", "dx"), ("first", "a", "da"), ("second", "y", "dy")])
    assert {*words(ax)} == {"x", "dx", "first", "a", "da", "second", "y", "dy"}
    heights = {text.get_text(): text.xy[1] for text in ax.texts if hasattr(text, "xy")}
    assert heights[""] < 0  # the last arrow that was drawn leads back
    forward, back = (next(t for t in ax.texts if t.get_text() == name) for name in ("a", "da"))
    assert forward.get_position()[1] > 0 > back.get_position()[1]


def test_a_question_is_as_wide_as_its_weight():
    ax = show.draw_question([0.7, 0.2, 0.1])
    widths = [line.get_linewidth() for line in ax.lines]
    np.testing.assert_allclose(np.diff(widths) / np.diff([0.7, 0.2, 0.1]), 20)
    assert {"A = 0.70", "A = 0.20", "A = 0.10"} <= set(words(ax))


def test_blocks_hold_the_same_parts_in_other_places():
    for norm in ("pre", "post", "no sums"):
        parts = sorted(word for word in words(show.draw_block(norm)) if word in ("norm", "attention", "MLP", "+"))
        assert parts == sorted(["norm", "norm", "attention", "MLP", *(["+", "+"] if norm != "no sums" else [])])


def test_paths_multiply_out():
    """(1 + a)(1 + b) has four terms."""
    assert sum(word.startswith("slope") for word in words(show.draw_paths())) == 4


def test_a_loop_and_a_square_say_their_words():
    assert {"forward", "backward", "update", "the next step"} == {
        *words(show.draw_loop(["forward", "backward", "update"]))
    }
    square = show.draw_square("f", "down", "down again", "f again", ["z", "f(z)", "Pz", "P f(z)"])
    assert {*words(square)} == {"f", "down", "down again", "f again", "z", "f(z)", "Pz", "P f(z)"}


def test_a_ring_is_closed():
    """Token 0 of eight has 7 on its left."""
    ax = show.draw_ring(8, wants=0)
    left = next(text for text in ax.texts if text.get_text() == "left").get_position()
    seven = next(text for text in ax.texts if text.get_text() == "7").get_position()
    np.testing.assert_allclose(np.divide(left, seven), 0.62)


def test_the_graph_of_attention_names_every_gradient():
    text = " ".join(words(show.draw_attention_graph()))
    assert all(name in text for name in ("dq", "dk", "dv", "dA", "dscores", "softmax_backward"))


def test_a_sequence_has_the_patches_row_by_row():
    """An image whose patch n is n everywhere: each tile of the strip, read in order, has one value, and they rise."""
    image = np.kron(np.arange(6).reshape(2, 3), np.ones((4, 4)))[None] / 10
    _, strip = show.draw_sequence(image, 4)
    pixels = np.asarray(strip.images[0].get_array())[
        :4, ::5
    ]  # the first column of every tile; tiles are one pixel apart
    np.testing.assert_allclose(pixels[0], (np.arange(6) / 10 + 1) / 2)
    assert words(strip) == list("012345")


def test_cells_have_a_line_where_two_groups_meet():
    """Two groups, left and right: a line of two rows between them, and nowhere else."""
    ax = show.draw_cells(np.arange(8).reshape(2, 4), np.array([[0, 0, 1, 1]] * 2))
    assert words(ax) == list("01234567")
    assert {tuple(line.get_xdata()) for line in ax.lines} == {(1.5, 1.5)}


def test_a_product_is_drawn_to_scale():
    ax = show.draw_product([[("y", 7, 5, 4), "=", ("x", 7, 3, 0), "@", ("Wᵀ", 3, 5, 2)]])
    assert [(p.get_height(), p.get_width()) for p in ax.patches] == [(7, 5), (7, 3), (3, 5)]


def test_softmax_bars_sum_to_one():
    axes = show.draw_softmax([2.0, 1.0, 0.0])
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes]
    np.testing.assert_allclose(heights[1], np.exp([2, 1, 0]))
    np.testing.assert_allclose(heights[2], np.exp([2, 1, 0]) / np.exp([2, 1, 0]).sum())


def test_every_head_gets_its_columns_of_every_token():
    ax = show.draw_split(T=4, D=6, heads=3)
    cells = [word for word in words(ax) if word in "012"]
    assert cells == list("001122") * 8  # four tokens, before and after


def test_a_token_is_shifted_then_scaled():
    ax = show.draw_normalised([1, 3, 5, 7])
    assert words(ax)[:12] == ["1", "3", "5", "7", "-3", "-1", "1", "3", "-1.342", "-0.4472", "0.4472", "1.342"]


def test_an_embedding_is_a_sum():
    rng = np.random.default_rng(0)
    tokens, E_pos = rng.normal(size=(2, 5, 3))
    axes = show.draw_embedding(rng.uniform(-1, 1, (1, 4, 4)), 2, tokens, E_pos)
    np.testing.assert_allclose(axes[3].images[0].get_array(), tokens + E_pos)
    assert words(axes[0]) == ["1", "2", "3", "4"]


def test_secants_have_the_slopes_that_they_name():
    """x^3 at 2 with h = 0.5: 12, and 15.25 from one side, 12.25 from both."""
    ax = show.draw_secants(lambda x: x**3, 12, 2.0, 0.5)
    tangent, forward, central = (line for line in ax.lines if "slope" in line.get_label())
    for line, slope in ((tangent, 12), (forward, 15.25), (central, 12.25)):
        assert f"slope {slope}" in line.get_label()
        np.testing.assert_allclose(np.diff(line.get_ydata()) / np.diff(line.get_xdata()), slope)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: show.draw_model(8), "here=8 is not allowed"),
        (lambda: show.draw_question([0.5, 0.2]), "sum to 1"),
        (lambda: show.draw_block("middle"), "norm='middle' is not allowed"),
        (lambda: show.draw_sequence(np.zeros((3, 10, 8)), 4), "multiples of patch_size=4"),
        (lambda: show.draw_cells(np.zeros((2, 3)), np.zeros((3, 2))), "expected two equal shapes"),
        (lambda: show.draw_ring(8, wants=8), "from 0 to 7"),
        (lambda: show.draw_split(4, 7, 3), "multiple of heads=3"),
        (lambda: show.draw_embedding(np.zeros((1, 4, 4)), 2, np.zeros((5, 3)), np.zeros((4, 3))), "two equal shapes"),
        (lambda: show.draw_secants(np.exp, 1, 0.0, 0), "h=0 is not allowed"),
        (lambda: show.style("gif"), "format='gif' is not allowed"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_an_svg_drawn_twice_is_the_same_file():
    def drawn():
        file = io.StringIO()
        show.draw_model(3).figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    with plt.rc_context():
        show.style("svg")
        first = drawn()
        assert first == drawn()
        assert "attention," in first  # words are words, not outlines
        assert len(first) < 40_000
