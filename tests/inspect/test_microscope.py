"""The microscope shows the right arrays, whatever is chosen; without a browser."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

import vitedu_numpy as vn
from vitedu import show

NAMES = ("ant", "bee", "cat", "dog", "eel")


@pytest.fixture
def model(twins, small):
    return twins(small())


@pytest.fixture
def slide(model):
    return show.Slide(model[0].model, model[0].images[0], NAMES)


@pytest.mark.parametrize(("query", "token"), [("class", 0), ((0, 0), 1), ((2, 1), 10), ((1, 3), 8)])
@pytest.mark.parametrize(("block", "head"), [(0, 2), (2, 1)])
def test_a_view_is_a_row_of_the_record(model, slide, query, token, block, head):
    """3 x 4 patches: row 2, column 1 is token 1 + 2 * 4 + 1."""
    it = model[0]
    view = slide.view(block, head, query, target=4)
    A = it.record[f"block{block:02d}/attention/A"][0, head, token]
    dA = vn.inspect.attention_gradients(it.model, it.images, 4)[block][0, head, token]
    # One image or two in the batch: sums in another order, float64.
    np.testing.assert_allclose(view.attention, A[1:].reshape(3, 4), rtol=0, atol=1e-12)
    np.testing.assert_allclose(view.gradient, dA[1:].reshape(3, 4), rtol=0, atol=1e-12)
    np.testing.assert_allclose(view.class_token, (A[0], dA[0]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(view.logits, it.logits[0], rtol=0, atol=1e-12)
    without = vn.inspect.without_heads(it.model, (block, head))(it.images)[0]
    np.testing.assert_allclose(view.without, without, rtol=0, atol=1e-12)
    assert (view.block, view.head, view.query, view.target, view.names) == (block, head, query, 4, NAMES)


def test_the_highest_class_unless_another_is_asked_for(slide):
    assert slide.view().target == slide.logits.argmax()


def test_a_model_of_pytorch_shows_the_same(model, slide):
    theirs = model[1]
    other = show.Slide(theirs.model, theirs.images[:1])
    for query in ("class", (1, 2)):
        a, b = slide.view(1, 0, query, 2), other.view(1, 0, query, 2)
        for name in ("image", "attention", "gradient", "class_token", "logits", "without"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))  # the same NumPy model, bit for bit
    assert other.names == tuple(f"class {k}" for k in range(5))
    theirs.model.classes = list(NAMES)
    assert show.Slide(theirs.model, theirs.images[:1]).names == NAMES


def test_mean_pooling_and_hybrids(twins, small, hybrid_config):
    it, _ = twins(small(classifier="gap"))
    view = show.Slide(it.model, it.images[0]).view(0, 1, (2, 3))
    np.testing.assert_allclose(view.attention.sum(), 1, rtol=0, atol=1e-12)  # no class token
    assert view.class_token is None
    it, _ = twins(hybrid_config)
    view = show.Slide(it.model, it.images[0]).view(1, 2, (1, 0))
    assert view.gradient.shape == (2, 3)
    show.draw_microscope(view)
    plt.close("all")


def test_the_picture(slide):
    view = slide.view(1, 2, (2, 1), target=3)
    over, weights, slopes, answers = show.draw_microscope(view)
    assert over.get_title() == "block 1, head 2\npatch (2, 1) asks"
    np.testing.assert_array_equal(weights.images[0].get_array(), view.attention)
    np.testing.assert_array_equal(slopes.images[0].get_array(), view.gradient)
    assert slopes.get_title().startswith("d(dog)/dA")
    assert weights.get_title() == f"A\n(class token: {view.class_token[0]:+.2g})"
    (outline,) = [patch for patch in weights.patches if patch.get_linewidth() == 2]
    assert outline.get_xy() == (0.5, 1.5)  # column 1, row 2: centre (1, 2)
    order = np.argsort(-view.logits)
    np.testing.assert_array_equal([bar.get_width() for bar in answers.patches], view.logits[order])
    np.testing.assert_array_equal(answers.lines[0].get_xdata(), view.without[order])
    assert [label.get_text() for label in answers.get_yticklabels()] == [NAMES[k] for k in order]
    # The most asked patch is as bright as in the image.
    row, column = np.unravel_index(view.attention.argmax(), (3, 4))
    y, x = 2 * row, 2 * column
    shown = over.images[0].get_array()[y, x]
    np.testing.assert_allclose(shown, (view.image[:, y, x] + 1) / 2, rtol=0, atol=1e-12)
    plt.close("all")


def test_the_chosen_class_is_among_those_shown(slide):
    last = int(slide.logits.argmin())
    answers = show.draw_microscope(slide.view(target=last), show=2)[-1]
    assert answers.get_yticklabels()[-1].get_text() == NAMES[last]
    plt.close("all")


def test_controls_change_what_is_shown(model):
    """As a browser would: a control gets a value, and the picture is another one."""
    pytest.importorskip("ipywidgets")
    scope = show.microscope(model[0].model, model[0].images[0], NAMES)
    figures = plt.get_fignums()
    assert scope.controls["row"].disabled  # the class token asks first
    assert [c.max for n, c in scope.controls.items() if hasattr(c, "max")] == [2, 2, 2, 3]
    seen = {bytes(scope.picture.value)}
    for n, (name, value) in enumerate(
        {"block": 2, "head": 1, "asks": "patch", "row": 2, "column": 1, "target": 0}.items()
    ):
        if scope.controls[name].value == value:
            value = 1
        scope.controls[name].value = value
        seen.add(bytes(scope.picture.value))
        assert len(seen) == n + 2, f"{name} did not redraw"
    expected = scope.slide.view(2, 1, (2, 1), scope.controls["target"].value)
    for a, b in zip(scope.view, expected, strict=True):
        assert np.array_equal(a, b)
    assert bytes(scope.picture.value).startswith(b"\x89PNG")
    assert not scope.controls["row"].disabled
    assert plt.get_fignums() == figures, "a figure stays open at every change"
    assert "application/vnd.jupyter.widget-view+json" in scope._repr_mimebundle_()


def test_without_ipywidgets_the_error_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "vitedu\[notebooks\]"'):
        show.microscope(model[0].model, model[0].images[0])


def test_bad_input_is_refused(model, slide):
    it = model[0]
    for query in ("token", (3, 0), (0, 4), (1,), (0.5, 1)):
        with pytest.raises(ValueError, match=r"query must be 'class' or \(row, column\) in a grid of 3 x 4"):
            slide.view(query=query)
    with pytest.raises(ValueError, match="heads must be"):
        slide.view(block=3)
    with pytest.raises(ValueError, match="target must be a class"):
        slide.view(target=5)
    with pytest.raises(ValueError, match="names has 2 entries; expected 5"):
        show.Slide(it.model, it.images[0], ["a", "b"])
    with pytest.raises(ValueError, match="one image"):
        show.Slide(it.model, it.images)
    with pytest.raises(TypeError, match="expected a ViTConfig or a HybridConfig"):
        show.Slide(vn.build(vn.BiTConfig(blocks=(1,), num_classes=3, base_width=8, groups=4)), torch.zeros(3, 16, 16))


def test_no_pytorch_is_needed():
    code = """
import sys
sys.modules["torch"] = None  # an import of it fails
import matplotlib
import numpy as np
import vitedu_numpy as vn
from vitedu import show
matplotlib.use("Agg")
view = show.Slide(vn.ViT(vn.DIGITS_VIT, rng=0), np.zeros((1, 8, 8), "float32")).view(1, 2, (3, 0))
show.draw_microscope(view)
print(view.attention.shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(4, 4)\n"
