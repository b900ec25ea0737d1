"""The gradient tests are tested: errors planted in the backward code do not survive them.

Here a sample, the first error of every kind in every file.  All of them (a few minutes on two cores):

    python tests/plant_errors.py
"""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

SCRIPT = Path(__file__).with_name("plant_errors.py")
spec = importlib.util.spec_from_file_location("plant_errors", SCRIPT)
plant_errors = sys.modules["plant_errors"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plant_errors)

# Every file of the package in which a gradient is computed.
FILES = {
    "layers/attention.py", "layers/attention_variants.py", "layers/batchnorm.py", "layers/conv.py",
    "layers/conv_chunked.py", "layers/crossattention.py", "layers/depthwise.py", "layers/dropout.py",
    "layers/gelu.py", "layers/groupnorm.py", "layers/layernorm.py", "layers/linear.py", "layers/mlp.py",
    "layers/patches.py", "layers/pool.py", "layers/positions.py", "layers/relu.py", "layers/softmax.py",
    "layers/spacetime.py", "layers/squeeze.py", "layers/sublayers.py", "layers/swish.py", "layers/symbols.py",
    "layers/tubelets.py", "models/bit.py", "models/efficientnet.py", "models/encoder.py", "models/hybrid.py",
    "models/masked.py", "models/seq2seq.py", "models/variants.py", "models/video.py", "models/vit.py", "module.py",
    "training/losses.py", "training/parallel.py", "training/sequence_loss.py", "transfer/probe.py",
}  # fmt: skip


def test_errors_are_found_in_every_file_and_of_every_kind():
    errors = plant_errors.find_errors()
    assert len(errors) >= 600
    per_file = Counter(error.file for error in errors)
    assert set(per_file) == FILES
    assert min(per_file.values()) >= 3
    assert set(Counter(error.kind for error in errors)) == {
        "axis", "branch", "constant", "earlier name", "factor", "index", "operands", "order", "overwrite", "returns",
        "sign", "statement", "sum", "term", "transpose",
    }  # fmt: skip


def test_every_error_changes_one_place_and_is_valid_python():
    seen = set()
    for error in plant_errors.find_errors():
        right = (plant_errors.PACKAGE / error.file).read_bytes()
        wrong = error.plant(right)
        assert right[error.start : error.end].decode() == error.before
        assert ast.dump(ast.parse(wrong)) != ast.dump(ast.parse(right)), error
        seen.add((error.file, ast.dump(ast.parse(wrong))))
    assert len(seen) >= 600  # a few are the same in other words (a statement dropped, its only factor dropped)


def test_every_backward_is_a_target():
    """Whoever adds a backward has errors planted in it without asking."""
    targets = {(error.file, error.function.split(".")[-1]) for error in plant_errors.find_errors()}
    for path in plant_errors.PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef) and (node.name == "backward" or node.name.endswith("_backward")):
                assert (path.relative_to(plant_errors.PACKAGE).as_posix(), node.name) in targets


def test_a_sample_does_not_survive():
    """In a process of its own: it imports changed copies of the package again and again."""
    jobs = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"  # other tests are on the other cores
    command = [sys.executable, str(SCRIPT), "--sample", "--jobs", jobs]
    result = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 survived" in result.stdout
