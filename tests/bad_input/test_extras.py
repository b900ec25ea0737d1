"""A part that was not installed is named together with the `pip install` that brings it, at every door.

Modules are taken away in a process of its own: an import of one fails there as if it had never been installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vitedu_numpy.extras import EXTRAS, advice

ROOT = Path(__file__).resolve().parents[2]

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def without(module: str, code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", f"{WITHOUT.format(module=module)}\n{code}"], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("torch", "import vitedu; vitedu.ViT"),
        ("torch", "import vitedu; vitedu.losses"),
        ("torch", "from vitedu.models import create_model"),
        ("torch", "from vitedu.layers.linear import linear"),
        ("torch", "from vitedu.training.optim import Adam"),
        ("torch", "from vitedu.evaluation import load"),
        ("torch", "from vitedu.inspect import attention_gradients"),
        ("torch", "from vitedu.weights import save_safetensors"),
        ("torch", "from vitedu.engine.train import train"),
        ("torch", "import vitedu; vitedu.plan.plan(vitedu.plan.PlanRequest())"),
        ("torch", "import vitedu; vitedu.compute.on_meta(vitedu.DIGITS_VIT)"),
        ("tqdm", "from vitedu.engine.train import train"),
        ("safetensors", "import vitedu as v; v.weights.save_safetensors(v.ViT(v.DIGITS_VIT), 'x.safetensors')"),
        ("sklearn", "import vitedu; vitedu.FewShotRidge"),
        ("datasets", "from vitedu.data import open_source; open_source('cifar10', 'train')"),
        ("PIL", "from vitedu.data.decode import decode; decode(b'\\x89PNG')"),
        ("matplotlib", "from vitedu import show; show.draw_figure_3()"),
        ("matplotlib", "from vitedu import show; show.draw_figure_5()"),
        ("matplotlib", "from vitedu import show; show.style()"),
        ("IPython", "from vitedu import show; show.source(show.style)"),
        ("pygments", "from vitedu import show; show.source(show.style)"),
        ("huggingface_hub", "import vitedu; vitedu.from_pretrained('google/vit-base-patch16-224')"),
    ],
)  # fmt: skip
def test_in_python(module, code, tmp_path):
    """The last line of the traceback says it."""
    done = without(module, f"import os; os.chdir({str(tmp_path)!r})\nsys.path.insert(0, {str(ROOT)!r})\n{code}")
    last = done.stderr.rstrip().splitlines()[-1]
    assert done.returncode == 1
    assert f'pip install "vitedu[{EXTRAS[module]}]"' in last, done.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("torch", ["train", "vit_digits", "--out", "x"]),
        ("torch", ["predict", "vit_cifar10", "x.jpg"]),
        ("torch", ["plan"]),
        ("tyro", ["train", "vit_digits", "--out", "x"]),
        ("tyro", ["plan"]),
        ("tyro", ["evaluate", "vit_cifar10", "--data", "digits"]),
        ("sklearn", ["train", "vit_digits", "--out", "x"]),
        ("datasets", ["train", "vit_cifar10", "--out", "x"]),
    ],
)
def test_on_the_command_line(module, words, tmp_path):
    """One line, exit code 1, no traceback."""
    code = f"import os; os.chdir({str(tmp_path)!r})\nsys.path.insert(0, {str(ROOT)!r})\n"
    done = without(module, f"{code}from vitedu.cli import main\nsys.exit(main({words!r}))")
    assert done.returncode == 1
    assert done.stderr == f'vitedu: {module} is not installed; `pip install "vitedu[{EXTRAS[module]}]"` brings it\n'


def test_version_needs_nothing():
    done = without("torch", "from vitedu.cli import main\nsys.exit(main(['--version']))")
    assert (done.returncode, done.stderr) == (0, "")


def test_other_modules_are_left_alone():
    assert advice(ModuleNotFoundError("No module named 'x'", name="x")) is None
    assert advice(ModuleNotFoundError("No module named 'sklearn.base'", name="sklearn.base")).startswith("sklearn is")


def test_extras_are_those_of_the_package():
    """Each module's extra has its distribution, itself or through an extra that it asks for."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text[text.index("[project.optional-dependencies]") : text.index("[tool.hatch]")]
    lists = {name: body for name, body in re.findall(r"^(\w+) = \[(.*?)\]$", section, re.M | re.S)}
    own = {name: set(re.findall(r'"([\w-]+)', body)) - {"vitedu"} for name, body in lists.items()}
    asked = {name: re.findall(r"vitedu\[([\w,]+)\]", body) for name, body in lists.items()}

    def brought(extra):
        return own[extra].union(*(brought(part) for parts in asked[extra] for part in parts.split(",")))

    distributions = {"PIL": "pillow", "sklearn": "scikit-learn", "cv2": "opencv-python-headless"}
    by_others = {"scipy": "scikit-learn", "huggingface_hub": "datasets", "fsspec": "datasets"}  # these ask for them
    by_others |= {"IPython": "ipykernel", "pygments": "jupyterlab"}
    for module, extra in EXTRAS.items():
        assert distributions.get(module, by_others.get(module, module)) in brought(extra), module
