"""The two packages mirror each other: same files, names, order, arguments and first lines of docstrings.

What one side has alone stands in the tables below, with the reason.  An entry that is no longer needed fails too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# ---- modules -------------------------------------------------------------------------------------------------------

NUMPY_MODULES = {
    "gradcheck": "PyTorch has autograd, and torch.autograd.gradcheck",
    "parallel": "PyTorch has data parallelism of its own",
    "blas": "torch.set_num_threads",
}
TORCH_MODULES = {
    "check": "exercises, for both packages",
    "cli": "the command line",
    "compute": "PyTorch's own counters",
    "data": "arrays, for both packages",
    "engine": "training on GPUs and many machines",
    "figures": "draws records of both packages",
    "formulas": "settings of both packages",
    "paper_tables": "data, for both packages",
    "plan": "arithmetic on settings",
    "recipes": "settings",
    "show": "shows sources of both packages",
    "weights.huggingface": "a PyTorch library's layout",
    "weights.safe": "PyTorch libraries' files",
    "weights.timm": "a PyTorch library's layout",
}
SAME_TEXT = (
    *("config", "record", "schedule"),
    *(f"weights.{name}" for name in ("contents", "files", "layout", "loading", "official")),
)  # no arithmetic on arrays: the same file in both packages

# ---- names, "module.Class.method" ----------------------------------------------------------------------------------

BACKWARD = "autograd does it"  # every `..._backward` function and `backward` method: NumPy's alone
NUMPY_NAMES = {
    "module.Parameter": "torch.nn.Parameter",
    "module.Module.keep": "autograd keeps what backward needs",
    "module.Module.take": "autograd keeps what backward needs",
    "module.Module.named_modules": "torch.nn.Module has it",
    "module.Module.named_parameters": "torch.nn.Module has it",
    "module.Module.state_dict": "torch.nn.Module has it",
    "module.Module.zero_grad": "torch.nn.Module has it",
    "module.Module.train": "torch.nn.Module has it",
    "module.Module.eval": "torch.nn.Module has it",
    "module.Module.replica": "for `parallel`",
    "optim.SGD.step": "torch.optim.SGD has it",
    "optim.Adam.step": "torch.optim.AdamW has it",
    "conv.im2col": "PyTorch has convolutions",
    "resize.interpolation_matrix": "PyTorch has interpolation",
    "weights.from_npz": "`from_pretrained` there",
    "weights.pretrained.from_npz": "`from_pretrained` there",
    "__init__.from_npz": "`from_pretrained` there",
    "__init__.DataParallel": "see `parallel` above",
    "__init__.Parameter": "torch.nn.Parameter",
    "__init__.check_model": "see `gradcheck` above",
    "__init__.check_pair": "see `gradcheck` above",
    "__init__.numerical_gradient": "see `gradcheck` above",
    "__init__.relative_error": "see `gradcheck` above",
}
TORCH_NAMES = {
    "attention.attention_weights": "A for the record, which the fused kernel never writes down",
    **{f"__init__.{name}": reason for name, reason in TORCH_MODULES.items() if "." not in name and name != "cli"},
    **{f"__init__.{name}": "reads other libraries' files too" for name in ("from_pretrained", "weights")},
    **{
        f"weights.{name}": "reads other libraries' files too"
        for name in (
            "from_huggingface",
            "from_pretrained",
            "from_timm",
            "save_huggingface",
            "save_safetensors",
            "save_timm",
            "to_huggingface",
            "to_timm",
        )
    },
    "weights.pretrained.from_pretrained": "reads other libraries' files too",
    "weights.pretrained.released_url": "downloads",
    "__init__.losses": "loaded at first use; vitedu_numpy loads its own at once",
}

PACKAGES = ("__init__", "weights")

# Arguments: NumPy's `rng` and `dtype` say what PyTorch keeps in its own generator and in `.to(dtype)`.
NUMPY_ARGUMENTS = {"rng", "dtype"}
OTHER_ARGUMENTS = {
    "dropout.dropout_mask": "PyTorch's mask also needs a device: `like` instead of `dtype`",
    "dropout.Dropout.draw": "PyTorch's mask also needs a device: `like` instead of `dtype`",
    "init.xavier_uniform": "PyTorch fills a tensor, NumPy makes a new array",
    "init.lecun_normal": "PyTorch fills a tensor, NumPy makes a new array",
    "init.normal": "PyTorch fills a tensor, NumPy makes a new array",
    "module.Module.load_state_dict": "torch.nn.Module's arguments",
    "positions.make_positions": "`dtype`; PyTorch has `.to(dtype)`",
    "models.build": "`dtype`; PyTorch has `.to(dtype)`",
    "models.create_model": "`dtype`; PyTorch has `.to(dtype)`",
    "positions.sincos_2d": "`dtype`; PyTorch has `.to(dtype)`",
    "train.fit": "`threads` is for `parallel`",
}
OTHER_DOCSTRINGS = {
    "__init__": "what the package is",
    "module": "all of it here, torch.nn.Module there",
    "module.Module": "all of it here, torch.nn.Module there",
    "module.Module.load_state_dict": "tensors of any device there",
    "module.Module.gradients": "`model.backward` here, `loss.backward()` there",
    "dropout.dropout_mask": "`like`",
    "dropout.Dropout": "whose generator",
    "gelu.gelu": "PyTorch takes any dtype",
    "gelu.normal_cdf": "an accuracy of its own here",
    "losses.sigmoid": "how it is computed here",
    "positions.RelativePosition.forward": "returns its cache here: shared by all blocks, it keeps none",
    "weights": "more libraries there",
    "weights.pretrained": "more libraries there",
    "optim.Adam": "the full recipe here, which of PyTorch's two there",
    "train.fit": "CPU or GPU there",
    "train.evaluate": "CPU or GPU there",
}


# ---- reading -------------------------------------------------------------------------------------------------------


def file_of(package: str, module: str) -> Path:
    path = ROOT / package / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def tree(package: str, module: str) -> ast.Module:
    return ast.parse(file_of(package, module).read_text(encoding="utf-8"))


def modules(package: str) -> set[str]:
    """Files and folders, and the files of the one folder that has a twin: "vit", "check", "weights.official"."""
    files = {file.stem for file in (ROOT / package).glob("*.py")}
    folders = {file.parent.name for file in (ROOT / package).glob("*/__init__.py")}
    return files | folders | {f"weights.{file.stem}" for file in (ROOT / package / "weights").glob("[!_]*.py")}


TWINS = sorted(modules("vitedu_numpy") & modules("vitedu"))


def definitions(package: str, module: str) -> dict[str, ast.AST]:
    """Public functions, classes and methods by "module.Class.method", in order; `__init__` counts as public."""
    found = {}
    for node in tree(package, module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            found[f"{module}.{node.name}"] = node
            for method in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(method, ast.FunctionDef) and (method.name == "__init__" or method.name[0] != "_"):
                    found[f"{module}.{node.name}.{method.name}"] = method
    return found


def exported(package: str, module: str) -> list[str]:
    """`__all__`, with the lazy names of vitedu/__init__.py."""
    if module == "__init__":
        return list(__import__(package).__all__)
    for node in tree(package, module).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{package}/{module}.py has no __all__")


def arguments(function: ast.FunctionDef) -> list[str]:
    """`name` or `name=default`, in order."""
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [*[None] * (len(plain) - len(a.defaults)), *a.defaults, *a.kw_defaults]
    star = [f"*{a.vararg.arg}"] if a.vararg else ["*"] if a.kwonlyargs else []
    texts = [
        x.arg if default is None else f"{x.arg}={ast.unparse(default)}"
        for x, default in zip([*plain, *a.kwonlyargs], defaults, strict=True)
    ]
    return texts[: len(plain)] + star + texts[len(plain) :] + ([f"**{a.kwarg.arg}"] if a.kwarg else [])


def without(texts: list[str], names: set[str]) -> list[str]:
    return [text for text in texts if text.split("=")[0] not in names]


def first_line(node) -> str:
    text = (ast.get_docstring(node) or "").split("\n")[0]
    return text.split("  Taught in")[0]  # the twin may be taught in another notebook


def is_backward(name: str) -> bool:
    return name.endswith(("_backward", ".backward"))


def shared(module: str) -> list[tuple[str, ast.AST, ast.AST]]:
    numpy, torch = definitions("vitedu_numpy", module), definitions("vitedu", module)
    return [(name, numpy[name], torch[name]) for name in numpy if name in torch]


def module_docstrings(module: str) -> tuple[str, ast.AST, ast.AST]:
    return module, tree("vitedu_numpy", module), tree("vitedu", module)


# ---- tests ---------------------------------------------------------------------------------------------------------


def test_every_module_has_a_twin_or_a_reason():
    assert modules("vitedu_numpy") - modules("vitedu") == set(NUMPY_MODULES)
    assert modules("vitedu") - modules("vitedu_numpy") == set(TORCH_MODULES)


@pytest.mark.parametrize("module", SAME_TEXT)
def test_what_needs_no_twin_is_the_same_text(module):
    texts = [file_of(package, module).read_bytes() for package in ("vitedu_numpy", "vitedu")]
    assert texts[0] == texts[1]


def test_the_packages_have_the_same_version():
    import vitedu
    import vitedu_numpy

    assert vitedu.__version__ == vitedu_numpy.__version__


@pytest.mark.parametrize("module", TWINS)
def test_exports(module):
    numpy, torch = exported("vitedu_numpy", module), exported("vitedu", module)
    alone = [n for n in numpy if n not in torch and not is_backward(n)]
    assert [f"{module}.{n}" for n in alone if f"{module}.{n}" not in NUMPY_NAMES] == []
    assert [f"{module}.{n}" for n in torch if n not in numpy and f"{module}.{n}" not in TORCH_NAMES] == []
    if module not in PACKAGES:  # which hand on names of their files
        assert [n for n in numpy if n in torch] == [n for n in torch if n in numpy]
        assert numpy == [n for n in numpy if f"{module}.{n}" in definitions("vitedu_numpy", module) or n.isupper()]
        assert torch == [n for n in torch if f"{module}.{n}" in definitions("vitedu", module) or n.isupper()]


@pytest.mark.parametrize("module", TWINS)
def test_definitions_stand_in_the_same_order(module):
    numpy, torch = definitions("vitedu_numpy", module), definitions("vitedu", module)
    alone = [n for n in numpy if n not in torch and not is_backward(n)]
    of_a_class_alone = [n for n in alone if n.rpartition(".")[0] in NUMPY_NAMES]
    assert [n for n in alone if n not in NUMPY_NAMES and n not in of_a_class_alone] == []
    assert [n for n in torch if n not in numpy and n not in TORCH_NAMES] == []
    assert [n for n in numpy if n in torch] == [n for n in torch if n in numpy]
    assert not [n for n in torch if is_backward(n)], f"vitedu/{module}.py has a backward: {BACKWARD}"


@pytest.mark.parametrize("module", TWINS)
def test_arguments(module):
    for name, numpy, torch in shared(module):
        if isinstance(numpy, ast.FunctionDef) and name not in OTHER_ARGUMENTS:
            is_constructor = name.endswith(".__init__")
            drop = NUMPY_ARGUMENTS if is_constructor else set()
            ours, theirs = without(arguments(numpy), drop), without(arguments(torch), drop)
            theirs = [text.replace("torch.float32", "np.float32") for text in theirs]
            assert ours == theirs, name


@pytest.mark.parametrize("module", TWINS)
def test_first_lines_of_docstrings(module):
    for name, numpy, torch in [module_docstrings(module), *shared(module)]:
        if name not in OTHER_DOCSTRINGS:
            assert first_line(numpy) == first_line(torch), name


def test_the_tables_hold_nothing_that_is_not_needed():
    numpy = {n for m in TWINS for n in [m, *definitions("vitedu_numpy", m)]}
    torch = {n for m in TWINS for n in [m, *definitions("vitedu", m)]}
    numpy |= {f"{p}.{n}" for p in PACKAGES for n in exported("vitedu_numpy", p)}
    torch |= {f"{p}.{n}" for p in PACKAGES for n in exported("vitedu", p)}
    assert set(NUMPY_NAMES) <= numpy - torch
    assert set(TORCH_NAMES) <= torch - numpy
    both = {
        name: nodes for m in TWINS for name, *nodes in [(m, tree("vitedu_numpy", m), tree("vitedu", m)), *shared(m)]
    }
    assert [n for n in OTHER_ARGUMENTS if arguments(both[n][0]) == arguments(both[n][1])] == []
    assert [n for n in OTHER_DOCSTRINGS if first_line(both[n][0]) == first_line(both[n][1])] == []
