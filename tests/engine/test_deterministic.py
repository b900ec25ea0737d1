"""`run.deterministic`, and one process under torchrun: what a GPU needs, as far as a CPU can show it."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import SMALL, losses, run, with_run

from vitedu import ViT
from vitedu.engine.distributed import deterministic, parallelise, processes
from vitedu.recipes import Execution


def test_the_switches_are_on_inside_and_as_before_behind(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with processes(Execution(device="cpu", deterministic=True)):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    with processes(Execution(device="cpu")):
        assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_that_is_not_deterministic_is_named():
    """PyTorch refuses it in words; `put_` with repeated places is one that has no fixed result on a CPU either."""
    numbers, places = torch.zeros(2), torch.tensor([0, 0])
    with deterministic(), pytest.raises(RuntimeError, match="put_ does not have a deterministic implementation"):
        numbers.put_(places, torch.ones(2))
    numbers.put_(places, torch.ones(2))


def test_a_cpu_computes_the_same_with_and_without(reference, tmp_path):
    """Exactly: all kernels of a CPU add up in a fixed order."""
    np.testing.assert_array_equal(run(with_run(SMALL, deterministic=True), tmp_path / "run"), losses(reference))


@pytest.fixture
def torchrun(monkeypatch):
    """The environment that `torchrun --nproc-per-node 1` gives its process."""
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)


def test_one_process_under_torchrun_is_wrapped_too(torchrun):
    model = ViT(SMALL.model, rng=0).double()
    with processes(SMALL.run) as world:
        net = parallelise(model, SMALL.run, world)
        assert type(net).__name__ == "DistributedDataParallel"
        assert net.module is model


def test_alone_it_is_not():
    model = ViT(SMALL.model, rng=0).double()
    with processes(SMALL.run) as world:
        assert parallelise(model, SMALL.run, world) is model


def test_the_compiler_does_not_cut_blocks_at_buckets(torchrun, monkeypatch):
    """Several versions of PyTorch refuse to compile a DDP model with activation checkpointing inside otherwise."""
    from torch._dynamo import config

    monkeypatch.setattr(torch.nn.Module, "compile", lambda block: None)  # nothing is compiled here: that takes seconds
    with config.patch(optimize_ddp=True), processes(SMALL.run) as world:
        parallelise(ViT(SMALL.model, rng=0).double(), replace(SMALL.run, compile=True), world)
        assert config.optimize_ddp is False
