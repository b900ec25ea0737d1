"""Sketches say what they are asked to say, and shares add up."""

from __future__ import annotations

import matplotlib
import pytest

matplotlib.use("Agg")

from vitedu import show


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def said(ax) -> list[str]:
    """The words of the axes; arrows are texts without any."""
    return [text.get_text() for text in ax.texts if text.get_text()]


def arrows(ax) -> int:
    return sum(not text.get_text() for text in ax.texts)


def test_autograd_goes_both_ways_between_neighbours():
    ax = show.draw_autograd(("x", "linear", "loss"))
    assert said(ax)[:3] == ["x", "linear", "loss"]
    assert arrows(ax) == 2 * 2


def test_data_parallelism_gives_every_chunk_one_worker():
    ax = show.draw_data_parallelism(chunks=5, workers=3)
    assert [f"chunk {i}" in said(ax) for i in range(6)] == [True] * 5 + [False]
    assert arrows(ax) == 5 + 3  # chunk to worker, worker to sum


def test_an_update_numbers_its_positions():
    ax = show.draw_update(step=3, batch_size=12, processes=2, micro_batches=3)
    assert [text for text in said(ax) if text.isdigit()] == [str(k) for k in range(36, 48)]
    assert [text for text in said(ax) if text.startswith("micro-batch")] == [f"micro-batch {i}" for i in (0, 1, 2)] * 2
    hatched = [bool(patch.get_hatch()) for patch in ax.patches if type(patch).__name__ == "Rectangle"]
    assert hatched == [False, False, True, True, False, False] * 2  # every other micro-batch


def test_shares_of_a_bar_sum_to_100():
    ax = show.draw_shares({"first": {"a": 1, "b": 3}, "second": {"a": 2, "b": 0}})
    widths = [patch.get_width() for patch in ax.patches]
    assert widths == [25, 75, 100, 0]
    assert said(ax) == ["25", "75", "100"]  # nothing is written into an empty part


def test_wrong_shares_are_refused():
    with pytest.raises(ValueError, match="the same parts"):
        show.draw_shares({"first": {"a": 1}, "second": {"b": 1}})
    with pytest.raises(ValueError, match="must not be negative"):
        show.draw_shares({"first": {"a": 1, "b": -1}})
