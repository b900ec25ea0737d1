"""The GPU kit: its skeleton with parts that crash, hang and are killed; its parts "right" and "fast" in small."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT / "benchmarks" / "gpu.py"


@pytest.fixture
def parts(monkeypatch):
    """The modules of the parts, imported as the kit does."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from gpu_parts import fast, right

    yield right, fast
    torch.compiler.reset()


def python(*arguments, cwd=ROOT, **options):
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0", "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, env=os.environ | quiet, text=True,
                          capture_output=True, timeout=600, **options)  # fmt: skip


def results(folder: Path) -> dict:
    return {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}


# ---- the skeleton, with parts of the test's own and without PyTorch ------------------------------------------------

PART = """
NEEDS = {needs}
def run(*, device, seconds, small, data, write):
    import os, signal, subprocess, sys, time
    write({{"rows": [device, small, data, seconds]}})
    {then}
def table(result):
    return f"rows: {{len(result['rows'])}}"
"""
FAKE_TORCH = """
__version__ = "0"
class cuda:
    is_available = staticmethod(lambda: False)
class version:
    cuda = None
"""


@pytest.fixture
def kit(tmp_path):
    """kit(name=(needs, what a part does after its first row), ...) -> gpu.py with these parts; hangs end after 20 s."""

    def make(**fakes):
        folder = tmp_path / "benchmarks"
        (folder / "gpu_parts").mkdir(parents=True)
        shutil.copy(KIT, folder)
        shutil.copy(KIT.parent / "gpu_parts" / "__init__.py", folder / "gpu_parts")
        (tmp_path / "torch.py").write_text(FAKE_TORCH)
        for name, (needs, then) in fakes.items():
            (folder / "gpu_parts" / f"{name}.py").write_text(PART.format(needs=needs, then=then))
        (folder / "run.py").write_text("import gpu, sys\ngpu.hard_limit = lambda seconds: 20\nsys.exit(gpu.main())\n")
        return folder / "run.py"

    return make


def test_a_part_that_fails_costs_only_itself(kit, tmp_path):
    run = kit(
        right=((), "raise ValueError('two and two')"),
        fast=((), "time.sleep(600)"),
        engine=(("no_such_package",), "pass"),
        feed=((), "os.kill(os.getpid(), signal.SIGKILL)"),
        cifar10=((), "write({'rows': [data] * 5})"),
    )
    done = python(run, "--out", tmp_path / "out", "--data", "pictures", "--seconds-of", "cifar10=7")
    assert done.returncode == 1, done.stderr
    found = results(tmp_path / "out")
    assert "ValueError: two and two" in found["right"]["error"]
    assert "Traceback" in found["right"]["error"]
    assert found["right"]["rows"][:3] == ["cpu", True, "pictures"]  # what was measured before is there
    assert "stopped after 20 s" in found["fast"]["error"]
    assert len(found["fast"]["rows"]) == 4
    assert "needs no_such_package" in found["engine"]["error"]
    assert "exit status -9" in found["feed"]["error"]
    assert found["cifar10"]["rows"] == ["pictures"] * 5
    assert "error" not in found["cifar10"]
    assert "ModuleNotFoundError" in found["many"]["error"]  # there is no such file
    about = found["cifar10"]["about"]
    assert about["device"] == "cpu"
    assert about["torch"] == "0"
    assert {"driver", "cuda", "commit", "date", "argv", "seconds"} <= set(about)
    assert "No NVIDIA GPU" in done.stdout
    assert "failed: right, fast, engine, feed, many" in done.stdout
    text = (tmp_path / "out" / "summary.md").read_text()
    assert text.strip() in done.stdout
    assert "## cifar10\n\nrows: 5\n" in text
    assert "stopped after 20 s" in text


def test_unused_time_goes_on(kit, tmp_path):
    """right has 75, fast 190, engine 100 of 365 seconds; when right took none of its 58.6 of 285, fast has 190 / 290.

    The bounds are wide: on a busy machine a start takes seconds.  Were nothing passed on, fast had 148 and engine 78.
    """
    run = kit(right=((), "pass"), fast=((), "pass"), engine=((), "pass"))
    out = tmp_path / "out"
    assert python(run, "--out", out, "--part", "right", "fast", "engine", "--minutes", "4.75").returncode == 0
    seconds = {name: found["rows"][3] for name, found in results(out).items()}
    assert 45 < seconds["right"] <= 58.7  # 75 / 365 of 285
    assert 155 < seconds["fast"] < 187  # 190 / 290 of 285
    assert 200 < seconds["engine"] < 285
    assert (
        python(run, "--out", out, "--part", "right", "fast", "--minutes", "2", "--seconds-of", "fast=100").returncode
        == 0
    )
    seconds = {name: found["rows"][3] for name, found in results(out).items()}
    assert 5 < seconds["right"] <= 20
    assert seconds["fast"] == 100


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stopped_from_outside(how, kit, tmp_path):
    """What was measured stays, and nothing goes on running."""
    started = tmp_path / "child"
    run = kit(right=((), "pass"), fast=((), f"open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"))
    run.write_text(run.read_text().replace("lambda seconds: 20", "lambda seconds: 600"))
    command = [sys.executable, str(run), "--out", str(tmp_path / "out")]
    # A shell that starts something in the background has it ignore Ctrl-C, and so what that starts.  Not here.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    signal.signal(signal.SIGINT, before)
    try:
        while not (started.exists() and started.read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(how)
        assert process.wait(600) != 0
    finally:
        process.kill()
    found = results(tmp_path / "out")
    assert len(found["right"]["rows"]) == len(found["fast"]["rows"]) == 4
    assert "## right" in (tmp_path / "out" / "summary.md").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--part", "wrong"], "'right', 'fast', 'engine', 'feed', 'cifar10', 'many'"),
        (["--seconds-of", "right"], "expected NAME=NUMBER"),
        (["--seconds-of", "wrong=3"], "expected NAME=NUMBER"),
        (["--seconds-of", "right=-3"], "expected NAME=NUMBER"),
        (["--minutes", "0"], "must be positive"),
        (["--peak", "0"], "must be positive"),
    ],
)
def test_bad_arguments(arguments, said):
    done = python(KIT, *arguments)
    assert done.returncode == 2
    assert said in done.stderr.replace("right, fast", "'right', 'fast'").replace("(choose from right,", "(choose from")


# ---- right and fast ------------------------------------------------------------------------------------------------


def test_right_and_fast_in_small(tmp_path):
    done = python(KIT, "--part", "right", "fast", "--small", "--out", tmp_path, "--seconds-of", "right=300", "fast=300")
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path)
    rows = found["right"]["rows"]
    assert [row for row in rows if not row["ok"]] == []
    assert {"float64", "float64, explicit attention", "float32", "bfloat16"} < {row["what"] for row in rows}
    assert sum(row["what"].startswith("compiled as one graph") for row in rows) == 2
    assert len({row["model"] for row in rows}) > 24
    assert found["right"]["left_out"] == []
    models = {row["model"] for row in found["fast"]["rows"]}
    assert models == {"vit_cifar", "BiT-R50x1, 64 px"}
    assert all(row["ms"] > 0 and row["predicted_gib"] > 0 for row in found["fast"]["rows"])
    assert found["fast"]["left_out"] == []
    text = (tmp_path / "summary.md").read_text()
    assert f"{len(rows)} comparisons, {len(rows)} within their bounds" in text
    assert "| vit_cifar, 8 | eager" in text


def test_a_wrong_model_is_found_and_where(parts, monkeypatch):
    """The tanh form in place of the definition: 1e-3 off, from the first block's GELU on."""
    right, _ = parts
    from vitedu.layers import mlp
    from vitedu.layers.gelu import gelu_tanh

    case = next(case for case in right.tiny_cases() if case.name == "ViT, token")
    assert right.compare(case, "float64", "cpu")["ok"]
    monkeypatch.setattr(mlp, "gelu", gelu_tanh)
    row = right.compare(case, "float64", "cpu")
    assert not row["ok"]
    assert row["first"].startswith("block00/mlp/gelu: ")
    assert "block00/mlp/gelu" in right.table({"rows": [row]})


def test_errors_are_of_whole_tensors(parts):
    """A gradient a million times smaller than the others is not held to its own size; NaN is never fine."""
    right, _ = parts
    import numpy as np

    reference = {"logits": np.ones(4), "a": np.full(4, 2.0), "b": np.full(4, 2e-6)}
    found = {"logits": np.ones(4), "a": np.full(4, 2.2), "b": np.full(4, 4e-6)}
    errors = right.errors(found, reference)
    assert errors["a"] == pytest.approx(0.1)
    assert errors["b"] == pytest.approx(1e-3)  # 2e-6 by a thousandth of 2
    assert right.errors(found | {"a": np.full(4, np.nan)}, reference)["a"] == float("inf")
    with pytest.raises(ValueError, match="names differ"):
        right.errors({"logits": np.ones(4)}, reference)


# PyTorch's own compiler asks tensors inside of a graph for their gradient; it hides what is said of it by other means.
inside_the_compiler = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")


@inside_the_compiler
def test_compiled_settings_and_out_of_memory(parts, monkeypatch):
    """The way of a GPU, with a compiler that only captures: each setting runs, a batch that does not fit is halved."""
    _, fast = parts
    compiler = torch.compile  # `Module.compile` goes through it, too
    monkeypatch.setattr(torch, "compile", lambda what, **options: compiler(what, backend="aot_eager", **options))
    monkeypatch.setenv("VITEDU_GPU_PEAK", "2")
    candidate = fast.Candidate

    def limited(entry, whose, setting, size, *others):
        if size > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return candidate(entry, whose, setting, size, *others)

    monkeypatch.setattr(fast, "Candidate", limited)
    written = []
    kit = fast.Part("cpu", 600, True, lambda result: written.append(json.dumps(result)))
    entry = fast.Entry("tiny", "vit_cifar", "VisionTransformer", (16, 8, 4), dict(gelu="erf", depth=2))
    kit.row(entry, [fast.EAGER, fast.BLOCKS])
    kit.row(entry, [fast.WHOLE])
    result = json.loads(written[-1])
    assert [row["batch"] for row in result["rows"]] == [4, 4]
    assert result["rows"][1]["setting"] == "compiled whole, all kept"
    assert [row["setting"] for row in result["settings"]] == ["eager", "compiled by blocks"]
    assert "tiny, eager, batch 16: out of memory" in result["left_out"]
    row = result["rows"][0]
    # vit_cifar of two blocks: 6 FLOPs per MAC, as a part of 2e12
    assert row["mfu"] == pytest.approx(6 * row["macs"] * row["images_per_s"] / 2e12)
    assert len(fast.parts(fast.our_model(entry, fast.random_state(entry, "cpu"), "cpu"))) == 2


def test_no_time_is_said(parts):
    _, fast = parts
    written = []
    kit = fast.Part("cpu", -1, False, written.append)
    kit.row(fast.S16, [fast.EAGER, fast.BLOCKS])
    assert written[-1]["rows"] == []
    assert written[-1]["left_out"] == ["ViT-S/16, compiled by blocks: no time (-1 s left, 15 wanted)"]


def test_peaks_by_the_cards_name(parts, monkeypatch):
    _, fast = parts
    monkeypatch.delenv("VITEDU_GPU_PEAK", raising=False)
    peaks = {
        "NVIDIA H100 80GB HBM3": 989e12, "NVIDIA A100-SXM4-80GB": 312e12, "NVIDIA A100-PCIE-40GB": 312e12,
        "NVIDIA GeForce RTX 4090": 165e12, "Tesla V100-SXM2-32GB": 125e12, "NVIDIA B200": None,
    }  # fmt: skip
    for name, peak in peaks.items():
        assert fast.peak_flops(name)[0] == peak, name


# What a run on a card leaves, cut down: tables are made from files alone.
ROW = {
    "model": "ViT-S/16", "batch": 512, "setting": "eager", "rounds": 9, "macs": 4.6e9, "start_s": 2.0, "ms": 80.0,
    "images_per_s": 6400.0, "mfu": 0.179, "gib": 20.5, "predicted_gib": 21.0, "predicted_by_measured": 1.02,
    "loss": 7.0, "ratio": 0.93, "ratio_from": 0.92, "ratio_to": 0.94,
    "timm": {"setting": "eager", "start_s": 2.0, "ms": 86.0, "images_per_s": 5953.0, "mfu": 0.166, "gib": 24.0,
             "loss": 7.0},
}  # fmt: skip


def test_tables_from_json(parts):
    right, fast = parts
    result = {
        "peak": 989e12, "peak_from": "h100 in vitedu plan", "timm": "1.0.20", "rows": [ROW], "settings": [],
        "attention": [{"kernel": "flash", "ms": 1.234}, {"kernel": "cuDNN", "ms": None}],
        "equal": {"ViT-S/16": {"ok": True, "gradients": 1e-13}, "BiT-R50x1": {"ok": False, "why": "KeyError: x"}},
        "left_out": ["ViT-L/16: no time"],
    }  # fmt: skip
    text = fast.table(result)
    assert (
        "| ViT-S/16, 512 | eager | 80.0 | 6400 | 17.9% | 86.0 | 16.6% | 0.930 (0.920-0.940) | 20.5 | 24.0 | 21.0 |"
        in text
    )
    for said in ("989e12", "timm 1.0.20", "flash 1.23, cuDNN not there", "KeyError: x", "Left out: ViT-L/16: no time"):
        assert said in text.replace("9.89e+14", "989e12")
    assert fast.table({}) == right.table({}) == "no rows"


@inside_the_compiler
def test_what_is_compiled_computes_no_convolution_again(parts):
    """In eager mode a convolution inside of `checkpoint` is not repeated; in a compiled graph it would be."""
    from collections import Counter

    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.aot_autograd import make_boxed_func
    from torch._functorch.partitioners import min_cut_rematerialization_partition

    import vitedu
    from vitedu.engine.distributed import blocks

    graphs = []

    def compiler(graph, inputs):
        graphs.append(Counter(str(node.target) for node in graph.graph.nodes if node.op == "call_function"))
        return make_boxed_func(graph.forward)

    backend = aot_autograd(fw_compiler=compiler, partition_fn=min_cut_rematerialization_partition)
    model = vitedu.build(vitedu.BiTConfig((2,), 5, image_size=32, base_width=8, groups=4), 0)
    for block in blocks(model):
        block.compile(backend=backend)
    model(torch.zeros(2, 3, 32, 32)).sum().backward()
    forward = [graph for graph in graphs if not graph["aten.convolution_backward.default"]]
    backward = [graph for graph in graphs if graph["aten.convolution_backward.default"]]
    assert [graph["aten.convolution.default"] for graph in forward] == [4, 3]
    assert sorted(graph["aten.convolution_backward.default"] for graph in backward) == [3, 4]
    assert [graph["aten.convolution.default"] for graph in backward] == [0, 0]
