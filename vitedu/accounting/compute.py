"""What a model costs: parameters, arithmetic, memory.

Taught in notebooks/12_compute.ipynb and 17_state_of_the_art.ipynb.

Two ways to the same numbers, which the tests compare: the formulas of `formulas.py`, which need the settings alone, and
PyTorch's own counters around the real model (`measure`), which may stand on the meta device, where tensors have shapes
and no memory (`on_meta`).

Backward costs twice forward: for each product of the forward, one for the gradient of the input and one for that of the
weight.  So training costs 3 forwards, that is 3 MACs or 6 FLOPs per MAC of the forward.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace

from vitedu_numpy.contract import checked_for
from vitedu_numpy.extras import naming_extras
from vitedu_numpy.models.names import named_config
from vitedu_numpy.validate import check_not_negative

from ..paper import JFT_IMAGES, TABLE_1, TABLE_6
from .formulas import macs_by_part, parameters_by_part

__all__ = ["Compute", "Row", "count", "exaflops", "measure", "on_meta", "table_1", "table_6"]


@dataclass(frozen=True)
class Compute:
    """What `count` says of a model."""

    parameters_by_part: dict[str, int]
    macs_by_part: dict[str, int]  # of one forward of one image (for a Transformer, of one pair of sequences)
    activation_bytes: int  # kept from forward to backward for one image

    @property
    def parameters(self) -> int:
        return sum(self.parameters_by_part.values())

    @property
    def macs(self) -> int:
        return sum(self.macs_by_part.values())


def count(config, image_size=None, *, lengths=None, **switches) -> Compute:
    """What the model of `config` (settings, or a name that `named_config` knows) costs.  No weights are made.

    image_size: in place of the model's own.  lengths (S, T): of a Transformer's two sequences.  switches: as in
    `on_meta`.
    Raises ValueError for an unknown name or a size that is not allowed, TypeError for other settings.
    """
    if isinstance(config, str):
        config = named_config(config)
    if image_size is not None:
        config = replace(config, image_size=image_size)
    parameters = parameters_by_part(config)
    macs = macs_by_part(config, shortcut=switches.get("shortcut", False), lengths=lengths)
    model = on_meta(config, **switches)
    # Two batches: what both keep alike, such as standardised filters, is not per image.
    kept = [_kept_bytes(model, _inputs(config, B, lengths)) for B in (2, 3)]
    return Compute(parameters, macs, kept[1] - kept[0])


# ---- PyTorch's own counters ----------------------------------------------------------------------------------------


def on_meta(config, *, shortcut=False, fused=True, recompute=True, dtype="float32"):
    """The PyTorch model of `config` on the meta device: all shapes, no memory.

    shortcut: the last block computes only what the head reads; the paper counts without.  fused: attention by a fused
    kernel, which does not keep A.  recompute: GELU's result is computed again in the backward pass and not kept.
    dtype: of parameters and activations; "bfloat16" as on a GPU, which keeps the statistics of norms in float32.
    Raises ValueError for another dtype, TypeError for settings of an unknown kind.
    """
    import torch

    dtypes = ("float64", "float32", "float16", "bfloat16")
    if dtype not in dtypes:
        raise ValueError(f"dtype={dtype!r} is not allowed; dtype must be one of {dtypes}")
    if type(config).__name__ == "TransformerConfig":
        from ..models.seq2seq import Transformer as build
    else:
        from ..models import build
    with torch.device("meta"):
        model = build(config)
    for module in model.modules():
        for switch, value in (("shortcut", shortcut), ("fused", fused), ("recompute", recompute)):
            if hasattr(module, switch):
                setattr(module, switch, value)
    return model.to(getattr(torch, dtype))


def _inputs(config, batch_size, lengths):
    import torch

    if lengths is not None:
        return [torch.zeros(batch_size, length, dtype=torch.int64, device="meta") for length in lengths]
    return [torch.empty(batch_size, config.channels, *config.image_hw, device="meta")]


def measure(model, *inputs) -> dict[str, int]:
    """One forward of a PyTorch model on any device, by PyTorch's own counters: {"macs": ..., "kept_bytes": ...}.

    MACs: half of the FLOPs that `FlopCounterMode` finds.  kept_bytes: the memory behind all tensors that autograd saves
    for the backward pass, each piece once, parameters not counted.
    """
    return {"macs": _macs(model, inputs), "kept_bytes": _kept_bytes(model, inputs)}


def _macs(model, inputs) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    # On the CPU `scaled_dot_product_attention` ends in this kernel, which the counter does not know by itself.
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def kernel_flops(q, k, v, *args, **options):  # shapes (B, h, T, Dh) and (B, h, S, Dh)
        return 2 * q[0] * q[1] * q[2] * k[2] * (q[3] + v[3])

    counter = FlopCounterMode(display=False, custom_mapping={kernel: kernel_flops})
    with torch.no_grad(), counter:
        model(*inputs)
    return counter.get_total_flops() // 2


def _kept_bytes(model, inputs) -> int:
    import torch

    held = weakref.WeakSet()  # what the graph holds on to; what it saved for a moment only is gone again

    class Held:
        def __init__(self, tensor):
            self.tensor = tensor
            held.add(self)

    with torch.enable_grad(), _fused_on_meta(), torch.autograd.graph.saved_tensors_hooks(Held, lambda h: h.tensor):
        output = model(*inputs)
    # By storage: a tensor and its views are one piece of memory.
    kept = {id(h.tensor.untyped_storage()): h.tensor.untyped_storage().nbytes() for h in held}
    for parameter in model.parameters():
        kept.pop(id(parameter.untyped_storage()), None)
    del output
    return sum(kept.values())


def _fused_on_meta():
    """While this holds, fused attention on the meta device keeps what it keeps on the CPU and the GPU, and not A."""
    import torch
    import torch.nn.functional as F
    from torch.overrides import TorchFunctionMode

    class FusedOnMeta(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            mask = kwargs.get("attn_mask")
            learned = mask is not None and mask.requires_grad  # the kernel has no gradient for it
            if function is not F.scaled_dot_product_attention or args[0].device.type != "meta" or learned:
                return function(*args, **kwargs)
            if mask is not None and mask.dtype == torch.bool:
                mask = torch.zeros_like(mask, dtype=args[0].dtype).masked_fill(~mask, float("-inf"))
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*args, attn_mask=mask)[0]

    return FusedOnMeta()


# ---- the paper's tables, and ours ----------------------------------------------------------------------------------


def exaflops(macs, epochs, images=JFT_IMAGES) -> float:
    """1e18 FLOPs of a training: 2 FLOPs per MAC, 3 forwards' worth per image, every image once per epoch."""
    check_not_negative(macs=macs, epochs=epochs, images=images)
    return 2 * 3 * macs * images * epochs / 1e18


@dataclass(frozen=True)
class Row:
    """One number of the paper and ours for the same thing."""

    source: str  # "Table 1", "Table 6"
    name: str
    what: str  # what of it is counted, or for how many epochs
    paper: float
    ours: float
    without_border: float | None = None  # ours, if products with the zeros around an image do not count
    reason: str = ""  # why they differ, where they do by more than 2 %

    @property
    def difference(self) -> float:
        """Of ours from the paper's, in %."""
        return 100 * (self.ours / self.paper - 1)


def table_1() -> list[Row]:
    """Parameters, in millions.  The paper does not say what it counted, so each model stands here three times."""
    rows = []
    for variant in TABLE_1:
        for P in (14,) if variant.name == "ViT-Huge" else (16, 32):
            name = f"{variant.name[:5]}/{P}"
            plain = named_config(name)
            hidden = replace(plain, representation_size=plain.width)
            for what, config, head in (
                ("without head", plain, False), ("tanh layer, no head", hidden, False), ("1000 classes", plain, True),
            ):  # fmt: skip
                parts = parameters_by_part(config)
                ours = sum(parts.values()) - (0 if head else parts["head"])
                reason = "the paper names no patch size; 86 fits /16" if name == "ViT-B/32" else ""
                rows.append(Row("Table 1", name, what, variant.millions, ours / 1e6, reason=reason))
    return rows


def table_6(num_classes=1000) -> list[Row]:
    """Compute of the pre-training on JFT-300M, in exaFLOPs, at 224 x 224 pixels.

    JFT's 18000 classes in place of 1000 would add at most 1 % (R50x1, the model with the widest head for its compute).
    """
    rows = []
    for row in TABLE_6:
        config = named_config(row.name, num_classes=num_classes)
        ours, inside = (
            exaflops(sum(macs_by_part(config, border=border).values()), row.epochs) for border in (True, False)
        )
        reason = ""
        if row.kind == "ResNet":
            reason = "products with the zeros around an image; without them the difference is below 1 %"
        elif (row.name, row.epochs) == ("R50x1+ViT-L/16", 7):
            reason = "the paper's own row for 14 epochs is 2 x 834, not 2 x 859"
        elif row.name == "ViT-B/32":
            reason = "not found: whatever counts less here also takes the other ViT rows away from the paper's"
        rows.append(Row("Table 6", row.name, f"{row.epochs} epochs", row.exaflops, ours, inside, reason))
    return rows


_FLAG = (lambda value: isinstance(value, bool), "True or False")
_SWITCHES = dict.fromkeys(("shortcut", "fused", "recompute"), _FLAG) | {"dtype": (lambda dtype: True, "")}  # told above
on_meta = checked_for(_SWITCHES)(on_meta)
on_meta, measure = map(naming_extras(), (on_meta, measure))  # they need PyTorch
