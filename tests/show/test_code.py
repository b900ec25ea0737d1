"""Sources in notebooks: read by name they are the same text, and PyTorch need not be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vitedu
import vitedu_numpy
from vitedu.layers import attention as torch_attention
from vitedu.show.code import _text
from vitedu_numpy.layers.attention import attention


@pytest.mark.parametrize(
    ("name", "obj"),
    [
        ("vitedu.layers.attention.attention_weights", torch_attention.attention_weights),
        ("vitedu.layers.linear.Linear", vitedu.Linear),
        ("vitedu.models.vit.ViT.forward", vitedu.ViT.forward),
        ("vitedu.layers.attention", torch_attention),
        ("vitedu_numpy.layers.patches.patchify", vitedu_numpy.layers.patches.patchify),  # has a decorator
    ],
)
def test_a_source_by_name_is_the_source(name, obj):
    assert _text(name) == _text(obj)


@pytest.mark.parametrize("name", ["vitedu", "vitedu.layers", "vitedu.nowhere.f", "vitedu.layers.linear.nothing"])
def test_a_name_that_names_no_source_is_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' is not allowed"):
        _text(name)


def shown(monkeypatch, *arguments) -> str:
    pages = []
    monkeypatch.setattr("IPython.display.display", pages.append)
    vitedu.show.side_by_side(*arguments)
    return pages[0].data


def test_the_twin_is_found_by_name(monkeypatch):
    assert shown(monkeypatch, attention) == shown(monkeypatch, attention, torch_attention.attention)
    assert shown(monkeypatch, vitedu_numpy.ViT) == shown(monkeypatch, vitedu_numpy.ViT, vitedu.ViT)


def test_the_twin_is_shown_without_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import IPython.display, vitedu_numpy; from vitedu import show\n"
        "IPython.display.display = lambda page: print(page.data.count('<pre'), 'vitedu/layers' in page.data)\n"
        "show.side_by_side(vitedu_numpy.layers.attention.attention)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout == "2 True\n", done.stderr
