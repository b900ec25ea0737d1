"""How pytest runs here, `tests` and `notebooks` alike: which files first, on how many cores, and no port is needed.

It imports nothing heavy: `tests/plant_errors.py` starts pytest hundreds of times.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

import pytest

# Where several processes share the cores (pytest-xdist), each computes on one thread: matrices here are small.  Set
# before NumPy and PyTorch are loaded; kernels of notebooks and other processes inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["GOMP_SPINCOUNT"] = "0"

# The longest files, longest first: then no core is left alone with one of them at the end.  Others follow by name.
LONGEST = [
    "tests/engine/test_kill.py",
    "tests/engine/test_processes.py",
    "tests/engine/test_failures.py",
    "tests/engine/test_signals.py",
    "tests/engine/test_reliability.py",
    "tests/test_plant_errors.py",
    "tests/engine/test_bad_data.py",
    "tests/repo/test_readme.py",
    "tests/browser/test_jupyterlab.py",
    "tests/website/test_built.py",
    "tests/repo/test_without_torch.py",
    "tests/course/attacks/test_attacks.py",
    "tests/benchmarks/test_gpu_kit.py",
    "tests/benchmarks/test_gpu_engine.py",
    "tests/benchmarks/test_transfer.py",
    "tests/parity/accounting/test_compute.py",
    "tests/parity/models/test_stochastic_depth.py",
    "tests/parity/models/test_modes.py",
    "tests/data/test_loader.py",
    "tests/repo/test_notebooks.py",
    "notebooks/15_finetuning.ipynb",
    "notebooks/14_pretraining.ipynb",
    "notebooks/08_vit_torch.ipynb",
    "notebooks/07_vit_numpy.ipynb",
    "notebooks/10_hybrid.ipynb",
    "notebooks/06_encoder.ipynb",
    "notebooks/17_state_of_the_art.ipynb",
    "notebooks/16_fewshot.ipynb",
    "notebooks/11_seq2seq.ipynb",
    "notebooks/22_video.ipynb",
    "notebooks/09_bit.ipynb",
    "notebooks/05_block.ipynb",
]


def pytest_collection_modifyitems(config, items):
    if "PYTEST_XDIST_WORKER" in os.environ:
        rank = {file: number for number, file in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """All cores that this process may use.  (By itself pytest-xdist would count two threads of one core as one.)"""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pytest_configure(config):
    """Kernels of notebooks talk through files: a port found free may be taken before the kernel has it."""
    if not config.getoption("nbval", False) or os.name != "posix":
        return
    import nbval.kernel

    folder = tempfile.TemporaryDirectory(prefix="kernels-")
    config.add_cleanup(folder.cleanup)
    start, numbers = nbval.kernel.KernelManager, itertools.count()

    def kernel_manager(**keywords):
        return start(transport="ipc", ip=str(Path(folder.name) / f"{next(numbers)}"), **keywords)

    nbval.kernel.KernelManager = kernel_manager
