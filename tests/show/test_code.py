"""Sources in notebooks: read by name they are the same text, and PyTorch need not be loaded."""

from __future__ import annotations

import html
import re
import subprocess
import sys

import pytest

import vitedu
import vitedu_numpy
from vitedu.layers import attention as torch_attention
from vitedu.show.code import ONCE, _text, rendered
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


# ---- as HTML ---------------------------------------------------------------------------------------------------------

NUMPY = '''# vitedu_numpy/layers/scale.py
class Scale:
    """y = a x.

    x < 0 is allowed.
    """

    def forward(self, x):
        """One line."""
        return self.a * np.asarray(x)

    def backward(self, dy):
        return self.a * dy
'''
TORCH = NUMPY.replace("vitedu_numpy", "vitedu").replace("np.as", "torch.as").partition("\n    def backward")[0]


def plain(page: str) -> list[str]:
    """The texts of a page's blocks, as a reader without colours sees them."""
    return [
        html.unescape(re.sub("<[^>]+>", "", block)) for block in re.findall("<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    ]


@pytest.mark.parametrize("text", [NUMPY, TORCH, _text("vitedu.models.vit"), _text(vitedu.ViT.forward)])
def test_one_source_is_shown_letter_for_letter(text):
    assert plain(rendered(text)) == [text.rstrip("\n")]


def test_of_twins_a_docstring_is_shown_once_and_what_differs_is_marked():
    page = rendered(NUMPY, TORCH)
    left, right = plain(page)
    assert left == NUMPY
    assert right == TORCH.replace(
        NUMPY[NUMPY.index('"""y') : NUMPY.index("\n\n    def forward")], f'"""{ONCE}"""'
    ).replace('"""One line."""', f'"""{ONCE}"""')
    marked = re.findall('<span class="vrow other">(.*?\n)</span>', page, re.DOTALL)
    marked = [html.unescape(re.sub("<[^>]+>", "", lines)) for lines in marked]
    assert marked == [
        "        return self.a * np.asarray(x)\n\n    def backward(self, dy):\n        return self.a * dy\n",
        "        return self.a * torch.asarray(x)\n",
    ]


def test_shown_twins_can_be_shown_again():
    """As the site does, which reads the texts out of a stored output."""
    page = rendered(NUMPY, TORCH)
    assert rendered(*plain(page)) == page


def test_where_everything_differs_nothing_is_marked():
    page = rendered("# vitedu/a.py\ndef f(x):\n    return x\n", "# vitedu/b.py\ndef g(y):\n    return -y\n")
    assert "row other" not in page
    assert "A bar marks" not in page


def test_an_output_stays_small():
    """The style sheet comes with each output, so that it can be copied out of its notebook: 1 KB, 2 for twins."""
    assert len(rendered("# vitedu/a.py\n")) < 1200
    assert len(rendered(NUMPY, TORCH)) < 2200 + 2 * (len(NUMPY) + len(TORCH))
