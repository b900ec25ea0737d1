"""Memory of a training step, part by part.  Taught in notebooks/14_pretraining.ipynb.

Counted on the meta device, as vitedu runs it on a GPU: fused attention, GELU computed again, the last block for what
the head reads only, standardised filters kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial

from vitedu_numpy.extras import naming_extras

from ..accounting.compute import _kept_bytes, on_meta

__all__ = ["Counted", "count_step", "memory_parts", "network_bytes"]


@dataclass(frozen=True)
class Counted:
    kept: int  # bytes per image, from forward to backward
    largest_unit: int  # bytes per image that one block or residual unit keeps
    casts: int  # bytes of weights converted to bfloat16
    unit_parameters: int  # of the largest block or unit
    root_parameters: int  # of what stands outside of all of them
    filters: int = 0  # bytes of standardised filters, from forward to backward


def memory_parts(recipe, parameters, counted, how, world, accumulate=False) -> tuple[dict[str, int], dict[str, int]]:
    """(part -> bytes per GPU, part -> bytes per image).  Weights, gradients and optimiser are float32 in any case.

    DDP keeps all of it on every GPU (and gradients as views of the buffers that it sends).  FSDP2 keeps one part in
    `world`; besides, it holds in full what stands outside of the blocks, and two blocks, the one at work and the next
    one, with their gradients; and accumulate=True, over several micro-batches, needs all gradients in full as well,
    since only the last one sends.  Autocast's copies of the weights live until the backward pass in either,
    since autograd holds them; with recomputation they go when the forward pass ends, and are counted all the same.
    """
    shard = math.ceil(parameters / (world if how == "fsdp" else 1))
    fixed = {
        "weights": 4 * shard,
        "gradients": 4 * (shard + (parameters if how == "fsdp" and world > 1 and accumulate else 0)),
        "optimiser": {"adam": 8, "sgd": 4}[recipe.optimizer] * shard,  # two averages, or one momentum
        "averaged weights": 4 * shard if recipe.ema else 0,
        "gathered blocks": 0,
        "bfloat16 weights": counted.casts,
        "standardised filters": counted.filters,
    }
    if how == "fsdp" and world > 1:
        fixed["gathered blocks"] = 2 * 4 * (counted.root_parameters + 2 * counted.unit_parameters)
    H, W = recipe.model.image_hw
    channels = recipe.model.channels
    per_image = {
        "activations": counted.kept,
        # Backward: gradients of one unit's activations, and with recomputation the activations themselves.
        "one block's backward": counted.largest_unit * (2 if recipe.run.recompute else 1),
        "images": channels * H * W * (4 + 1),  # float32, and uint8 as they arrive
        "scores and loss": 4 * 4 * recipe.model.num_classes,  # scores, targets, and the gradients of both steps
    }
    return fixed, per_image


def network_bytes(parameters, how, world, micro_steps) -> int:
    """Bytes that each GPU sends per update, in float32, by rings: each moves (n - 1) / n of the vector once.

    DDP: the gradients' sum is two rounds (reduce-scatter, all-gather).  FSDP: two all-gathers of the weights for every
    micro-batch, forward and backward, and one reduce-scatter of the gradients.
    """
    rounds = 2 if how == "ddp" else 2 * micro_steps + 1
    return rounds * 4 * parameters * (world - 1) // world


@lru_cache(maxsize=32)
@naming_extras()
def count_step(config, half, recompute, **switches) -> Counted:
    """Count on the meta device.  half: with autocast to bfloat16, as on a GPU.  switches: as in `on_meta`."""
    import torch

    from ..layers.conv import StdConv
    from ..models.bit import PreActUnit
    from ..models.encoder import Block
    from ..models.hybrid import PostActUnit

    model = on_meta(config, shortcut=True, **switches)
    units = [m for m in model.modules() if isinstance(m, (Block, PreActUnit, PostActUnit))]
    casts = {}
    with _autocast(casts) if half else torch.enable_grad():
        largest = _largest_unit(model, units, config)
        if recompute:
            for module in model.modules():
                if hasattr(module, "recompute_blocks"):
                    module.recompute_blocks = True
        # Two batches: what both keep alike, such as the copies of weights, is not per image.
        two, three = (_kept_bytes(model, [_images(config, B)]) for B in (2, 3))
    sizes = [sum(p.numel() for p in unit.parameters()) for unit in units]
    total = sum(p.numel() for p in model.parameters())
    filters = sum(m.weight.numel() for m in model.modules() if isinstance(m, StdConv))
    filters *= 6 if half else 4  # in float32, and autocast's copy
    return Counted(three - two, largest, 2 * sum(casts.values()), max(sizes), total - sum(sizes), filters)


def _images(config, batch_size):
    import torch

    return torch.empty(batch_size, config.channels, *config.image_hw, device="meta")


def _largest_unit(model, units, config) -> int:
    """Bytes per image that the largest of `units` keeps."""
    import torch

    inputs = {}  # units that are alike keep alike

    def remember(unit, args):
        key = (type(unit), args[0].shape, sum(p.numel() for p in unit.parameters()))
        inputs.setdefault(key, (unit, args))

    hooks = [unit.register_forward_pre_hook(remember) for unit in units]
    found = []
    for B in (2, 3):
        inputs.clear()
        with torch.no_grad():
            model(_images(config, B))
        found.append([(unit, args) for unit, args in inputs.values()])
    for hook in hooks:
        hook.remove()
    kept = [[_kept_bytes(unit, args) for unit, args in units_of] for units_of in found]
    return max(three - two for two, three in zip(*kept, strict=True))


# PyTorch's lists of what autocast computes in which type on CUDA, as far as the models here use it.  On a CPU norms and
# softmax take what comes.
_IN_BFLOAT16 = ("linear", "conv2d", "scaled_dot_product_attention", "matmul", "__matmul__")
_IN_FLOAT32 = ("layer_norm", "group_norm", "softmax")


def _autocast(casts):
    """Autocast for the meta device, which PyTorch's own does not serve.

    casts receives the number of elements of every parameter that was converted, by its id.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Autocast(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            name, kwargs = getattr(function, "__name__", ""), kwargs or {}
            if name not in _IN_BFLOAT16 and name not in _IN_FLOAT32:
                return function(*args, **kwargs)
            convert = partial(self.convert, dtype=torch.bfloat16 if name in _IN_BFLOAT16 else torch.float32)
            return function(*map(convert, args), **{k: convert(v) for k, v in kwargs.items()})

        @staticmethod
        def convert(x, dtype):
            if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.dtype == dtype:
                return x
            if isinstance(x, torch.nn.Parameter):
                casts[id(x)] = x.numel()
            return x.to(dtype)

    return Autocast()
