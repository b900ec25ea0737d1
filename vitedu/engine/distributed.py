"""Processes and how a model is spread over them: DDP and FSDP2.  Taught in notebooks/14_pretraining.ipynb.

`torchrun` starts the processes and tells each its number; without it there is one.  The same code runs on GPUs (NCCL)
and on CPUs (gloo).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist

from vitedu_numpy.validate import environment_number

from ..models.bit import PreActUnit
from ..models.encoder import Block
from ..models.hybrid import PostActUnit

__all__ = ["World", "allow_variants", "blocks", "parallelise", "processes", "sync_gradients"]


@dataclass(frozen=True)
class World:
    """Who this process is among all."""

    rank: int
    size: int
    device: torch.device
    between: Callable[[], object] = bool  # called between the batches of an evaluation, which may be left there

    @property
    def is_first(self) -> bool:
        """True for the one process that prints and writes files."""
        return self.rank == 0

    @property
    def exact(self) -> torch.dtype:
        """In which sums over images are kept: float64, but where the device has none (a Mac's GPU)."""
        return torch.float32 if self.device.type == "mps" else torch.float64

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, on all of them."""
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def count(self, number: int) -> int:
        """The sum of whole numbers over all processes; by way of the CPU, so that no GPU has to wait."""
        return int(self.sum(torch.tensor(number))) if self.size > 1 else number

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            self.sum(torch.zeros(1, device=self.device)).item()


@contextmanager
def processes(run):
    """Join the other processes that `torchrun` started, and leave them at the end.     run: an `Execution`

    Raises ValueError where a GPU is asked for and there is none, and for variables of the environment (RANK, ...) that
    cannot be meant.
    """
    has_gpu = torch.cuda.is_available()
    if run.device == "cuda" and not has_gpu:
        raise ValueError("device='cuda' is not allowed here: PyTorch finds no GPU; device must be 'auto' or 'cpu'")
    if run.device == "mps":
        if not torch.backends.mps.is_available():
            raise ValueError("device='mps' is not allowed here: PyTorch finds no GPU of Apple's; take 'auto' or 'cpu'")
        if environment_number("WORLD_SIZE", 1, 1) > 1:
            raise ValueError("device='mps' is not allowed for several processes: a Mac has one GPU; start one process")
    use_gpu = has_gpu and run.device in ("auto", "cuda")
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    device = torch.device("mps" if run.device == "mps" else "cpu")
    if use_gpu:
        device = torch.device("cuda", environment_number("LOCAL_RANK", 0, most=torch.cuda.device_count() - 1))
        torch.cuda.set_device(device)
    # A checkpoint is written in the background, on a way to talk that does not pass through the GPU: hence gloo, too.
    backend = "cpu:gloo,cuda:nccl" if use_gpu else "gloo"
    with deterministic() if run.deterministic else nullcontext():
        if dist.is_initialized():  # somebody's own processes: use them, and leave them as they are
            yield World(dist.get_rank(), dist.get_world_size(), device)
            return
        if launched():
            dist.init_process_group(backend)
        else:
            dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        try:
            yield World(dist.get_rank(), dist.get_world_size(), device)
        finally:
            dist.destroy_process_group()


def launched() -> bool:
    """Did `torchrun`, or something in its place, start this process?

    Raises ValueError that names the variable of the environment which is no such number, or is missing: PyTorch would
    wait for processes that never come, and several processes that know nothing of each other would write one run.
    """
    size = environment_number("WORLD_SIZE", 1, 1)
    environment_number("LOCAL_RANK", 0)
    environment_number("MASTER_PORT", 1, most=65535)
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    if "RANK" not in os.environ and size == 1:
        return False
    if missing := [name for name in names if not os.environ.get(name)]:
        given = ", ".join(f"{name}={os.environ[name]!r}" for name in names if name in os.environ)
        raise ValueError(
            f"{missing[0]} is not set, but {given}; the environment must have all of {', '.join(names)}, as `torchrun` "
            f"sets them, or neither RANK nor WORLD_SIZE for one process"
        )
    environment_number("RANK", 0, most=size - 1)
    return True


@contextmanager
def deterministic():
    """While this holds, every operation gives the same bits each time, or PyTorch raises a RuntimeError naming it.

    Many kernels of a GPU add up in the order in which their threads happen to end; cuBLAS takes its workspace from
    whichever stream is free; a compiler tries several kernels and takes the fastest of that day.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first product is computed
    from torch._inductor import config as compiler

    was = torch.are_deterministic_algorithms_enabled(), getattr(compiler, "deterministic", None)
    torch.use_deterministic_algorithms(True)
    if was[1] is not None:  # older versions of PyTorch do not have it
        compiler.deterministic = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was[0])
        if was[1] is not None:
            compiler.deterministic = was[1]


def blocks(model) -> list:
    """The parts that repeat: a ViT's blocks, a ResNet's units.  They are compiled, sharded, recomputed one by one."""
    return [module for module in model.modules() if isinstance(module, (Block, PreActUnit, PostActUnit))]


def parallelise(model, run, world: World):
    """The network to call in training: `model` itself, or a wrapper that sums gradients over processes.

    DDP: every process holds all parameters, and gradients are averaged in backward.  FSDP2: each parameter, its
    gradient and its optimiser state are cut into `world.size` parts; a block's parameters are gathered just before it
    is computed, and let go after.  The parameters' names stay in either case.

    Under `torchrun` one process is wrapped, too: what a trial on one GPU carries out is then what eight will.
    """
    if run.recompute:
        for module in model.modules():
            if hasattr(module, "recompute_blocks"):
                module.recompute_blocks = True
    if run.compile:
        from torch._dynamo import config as compiler

        # DDP would have the compiler cut what is compiled where a bucket of gradients ends.  Blocks are cuts enough,
        # and to cut through what is computed again in backward (GELU) is not allowed.
        compiler.optimize_ddp = False
        allow_variants()
        for block in blocks(model):
            block.compile()
    if run.parallel == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(world.device.type, (world.size,))
        for block in blocks(model):
            fully_shard(block, mesh=mesh)
        return fully_shard(model, mesh=mesh)
    if world.size == 1 and "RANK" not in os.environ:
        return model
    from torch.nn.parallel import DistributedDataParallel

    ids = [world.device.index] if world.device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=ids, gradient_as_bucket_view=True)


def allow_variants(count: int = 64) -> None:
    """Let PyTorch compile up to `count` variants of a block, not only 8: beyond that it falls back to eager, silently.

    Equal blocks share one.  A ResNet has two for each stage, a ViT two, training and evaluation each their own.
    """
    import torch._dynamo

    config = torch._dynamo.config
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"  # its name before 2.7
    setattr(config, name, max(count, getattr(config, name)))


def sync_gradients(net, wanted: bool):
    """While this holds, backward sums gradients over processes, or only adds them up locally (`wanted=False`).

    With gradient accumulation only the last micro-batch has to talk.
    """
    if hasattr(net, "set_requires_gradient_sync"):  # FSDP2
        net.set_requires_gradient_sync(wanted)
        return nullcontext()
    return net.no_sync() if hasattr(net, "no_sync") and not wanted else nullcontext()
