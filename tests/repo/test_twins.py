"""The two packages mirror each other: same files, names, order, arguments and first lines of docstrings.

What one side has alone stands in the tables below, with the reason.  An entry that is no longer needed fails too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import rooms
from house import STAND_ONCE

ROOT = Path(__file__).resolve().parents[2]

# ---- modules -------------------------------------------------------------------------------------------------------

NUMPY_MODULES = {
    "gradcheck": "PyTorch has autograd, and torch.autograd.gradcheck",
    "conv_chunked": "PyTorch's convolutions are quick already",
    "parallel": "PyTorch has data parallelism of its own",
    "blas": "torch.set_num_threads",
    "solvers": "a lesson on NumPy's solvers",
    **{module.rpartition(".")[2]: "stands once: docs/house.py" for module in STAND_ONCE},
}
TORCH_MODULES = {
    "cli": "the command line",
    "folding": "parts that only PyTorch libraries' files have",
    "estimators": "scikit-learn's way in, to both packages",
    "huggingface": "a PyTorch library's layout",
    "many": "vmap carries it out",
    "muon": "an optimiser beyond the paper's, for GPUs",
    "noisy": "a method beyond the paper's, for every model here",
    "safe": "PyTorch libraries' files",
    "tensors": "NumPy takes anything as an array",
    "timm": "a PyTorch library's layout",
}
DOORS = ("__init__", "inspect", "layers", "models", "training", "transfer", "weights")

# ---- names, "module.Class.method" ----------------------------------------------------------------------------------

BACKWARD = "autograd does it"  # every `..._backward` function and `backward` method: NumPy's alone
NUMPY_NAMES = {
    "module.Parameter": "torch.nn.Parameter",
    "module.Buffer": "torch.nn.Module.register_buffer",
    "module.Module.keep": "autograd keeps what backward needs",
    "module.Module.take": "autograd keeps what backward needs",
    "module.Module.named_modules": "torch.nn.Module has it",
    "module.Module.named_parameters": "torch.nn.Module has it",
    "module.Module.named_buffers": "torch.nn.Module has it",
    "module.Module.named_state": "torch.nn.Module has it, as state_dict(keep_vars=True)",
    "module.Module.state_dict": "torch.nn.Module has it",
    "module.Module.zero_grad": "torch.nn.Module has it",
    "module.Module.train": "torch.nn.Module has it",
    "module.Module.eval": "torch.nn.Module has it",
    "module.Module.replica": "for `parallel`",
    "attention.AttentionCache": "autograd keeps what backward needs",
    "attention_variants.GeneralCache": "autograd keeps what backward needs",
    "layernorm.LayerNormCache": "autograd keeps what backward needs",
    "gelu.normal_density": "for the slope: autograd does it",
    "gelu.gelu_blocked": "PyTorch's own GELU is quick",
    "optim.SGD.step": "torch.optim.SGD has it",
    "optim.Adam.step": "torch.optim.AdamW has it",
    "conv.Windows": "autograd keeps what backward needs",
    "conv.im2col": "PyTorch has convolutions",
    "conv.Product": "autograd keeps what backward needs",
    "pool.Winners": "autograd keeps what backward needs",
    "depthwise.Shifted": "autograd keeps what backward needs",
    "batchnorm.BatchStatistics": "autograd keeps what backward needs",
    "resize.interpolation_matrix": "PyTorch has interpolation",
    "pretrained.from_npz": "`from_pretrained` there",
    "__init__.from_npz": "`from_pretrained` there",
    "__init__.DataParallel": "see `parallel` above",
    "__init__.Parameter": "torch.nn.Parameter",
    "__init__.check_model": "see `gradcheck` above",
    "__init__.check_pair": "see `gradcheck` above",
    "__init__.numerical_gradient": "see `gradcheck` above",
    "__init__.relative_error": "see `gradcheck` above",
}
TORCH_NAMES = {
    "conv.standardize_as_stored": "memory orders are PyTorch's",
    "attention.attention_weights": "A for the record, which the fused kernel never writes down",
    "attention.fused_attention": "PyTorch's kernel",
    "attention.fused_is_slow": "PyTorch's kernel",
    "attention_variants.general_weights": "A for the record, which the fused kernel never writes down",
    **{
        f"{name}{method}": "keeps less for autograd"
        for name, methods in (
            ("conv.FrugalStdConv", ("", ".forward")),
            ("bit.FrugalStage", ("", ".forward")),
            ("mlp.FrugalMLP", ("", ".__init__", ".forward")),
            ("variants.FrugalEncoder", ("", ".__init__", ".forward", ".first_token")),
        )
        for method in methods
    },
    **{
        f"__init__.{name}": "a tool, for both packages"
        for name in (
            *(
                "check",
                "compute",
                "data",
                "engine",
                "evaluation",
                "experiments",
                "figures",
                "formulas",
                "paper",
                "paper_tables",
            ),
            *("plan", "recipes", "show"),
        )
    },
    **{f"__init__.{name}": "see `estimators` above" for name in ("FewShotRidge", "ViTClassifier")},
    **{f"__init__.{name}": "reads other libraries' files too" for name in ("from_pretrained", "load", "weights")},
    **{
        f"weights.{name}": "reads other libraries' files too"
        for name in (
            "from_huggingface",
            "from_timm",
            "save_huggingface",
            "save_safetensors",
            "save_timm",
            "to_huggingface",
            "to_timm",
        )
    },
    "pretrained.from_pretrained": "reads other libraries' files too",
    "pretrained.about_pretrained": "reads other libraries' files too",
    "pretrained.released_url": "downloads",
}


# NumPy's file hands on what stands once; PyTorch's makes tensors of it.
HANDED_ON = {
    "masked": ("choose_corruption",),
    "losses": ("sigmoid", "sigmoid_backward"),
    "module": ("checked", "checked_loop", "shaped"),
}

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
    "crossattention.make_cross_attention": "`dtype`; PyTorch has `.to(dtype)`, and a generator of its own",
    "attention_variants.make_attention": "`dtype`; PyTorch has `.to(dtype)`, and a generator of its own",
    "variants.make_block": "`dtype`; PyTorch has `.to(dtype)`, and a generator of its own",
    "variants.make_encoder": "`dtype`; PyTorch has `.to(dtype)`, and a generator of its own",
    "video.make_video_block": "`dtype`; PyTorch has `.to(dtype)`, and a generator of its own",
    "video.make_video_positions": "`dtype`; PyTorch has `.to(dtype)`, and a generator of its own",
    "create.build": "`dtype`; PyTorch has `.to(dtype)`",
    "create.create_model": "`dtype`; PyTorch has `.to(dtype)`",
    "positions.sincos_2d": "`dtype`; PyTorch has `.to(dtype)`",
    "loop.fit": "`threads` is for `parallel`",
}
OTHER_DOCSTRINGS = {
    "__init__": "what the package is",
    "layers": "function pairs here",
    "module": "all of it here, torch.nn.Module there",
    "module.Module": "all of it here, torch.nn.Module there",
    "module.Module.load_state_dict": "tensors of any device there",
    "module.Module.gradients": "`model.backward` here, `loss.backward()` there",
    "dropout.dropout_mask": "`like`",
    "dropout.Dropout": "whose generator",
    "gelu.gelu": "PyTorch takes any dtype",
    "gelu.normal_cdf": "an accuracy of its own here",
    "positions.RelativePosition.forward": "returns its cache here: shared by all blocks, it keeps none",
    "weights": "more libraries there",
    "pretrained": "more libraries there",
    "optim.Adam": "the full recipe here, which of PyTorch's two there",
    "loop.fit": "CPU or GPU there",
    "loop.evaluate": "CPU or GPU there",
}


# ---- reading -------------------------------------------------------------------------------------------------------


def file_of(package: str, module: str) -> Path:
    """ "attention" -> layers/attention.py, "layers" -> layers/__init__.py"""
    if module in DOORS:
        return ROOT / package / ("" if module == "__init__" else module) / "__init__.py"
    (file,) = (file for file in rooms.files(package) if file.stem == module)
    return ROOT / package / file


def tree(package: str, module: str) -> ast.Module:
    return ast.parse(file_of(package, module).read_text(encoding="utf-8"))


def modules(package: str) -> set[str]:
    """The files of the twin rooms by their names, which are all different, and the rooms' doors."""
    names = [file.stem for file in rooms.files(package)]
    assert len(names) == len(set(names))
    return {*names, *DOORS}


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
    if module in ("layers", "training", "transfer"):
        return []  # doors that hand nothing on
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


def test_twins_stand_in_the_same_room():
    for module in TWINS:
        places = [file_of(package, module).relative_to(ROOT / package) for package in ("vitedu_numpy", "vitedu")]
        assert places[0] == places[1]


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
    if module not in DOORS:  # which hand on names of their files
        assert [n for n in numpy if n in torch] == [n for n in torch if n in numpy]
        here = {*definitions("vitedu_numpy", module), *(f"{module}.{n}" for n in HANDED_ON.get(module, ()))}
        assert numpy == [n for n in numpy if f"{module}.{n}" in here or n.isupper()]
        there = {*definitions("vitedu", module), *(f"{module}.{n}" for n in HANDED_ON.get(module, ()))}
        assert torch == [n for n in torch if f"{module}.{n}" in there or n.isupper()]


@pytest.mark.parametrize("module", TWINS)
def test_definitions_stand_in_the_same_order(module):
    numpy, torch = definitions("vitedu_numpy", module), definitions("vitedu", module)
    alone = [n for n in numpy if n not in torch and not is_backward(n)]
    of_a_class_alone = [n for n in alone if n.rpartition(".")[0] in NUMPY_NAMES]
    assert [n for n in alone if n not in NUMPY_NAMES and n not in of_a_class_alone] == []
    handed_on = {f"{module}.{n}" for n in HANDED_ON.get(module, ())}
    assert [n for n in torch if n not in numpy and n not in TORCH_NAMES and n not in handed_on] == []
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
    numpy |= {f"{p}.{n}" for p in DOORS for n in exported("vitedu_numpy", p)}
    torch |= {f"{p}.{n}" for p in DOORS for n in exported("vitedu", p)}
    assert set(NUMPY_NAMES) <= numpy - torch
    assert set(TORCH_NAMES) <= torch - numpy
    both = {
        name: nodes for m in TWINS for name, *nodes in [(m, tree("vitedu_numpy", m), tree("vitedu", m)), *shared(m)]
    }
    assert [n for n in OTHER_ARGUMENTS if arguments(both[n][0]) == arguments(both[n][1])] == []
    assert [n for n in OTHER_DOCSTRINGS if first_line(both[n][0]) == first_line(both[n][1])] == []
