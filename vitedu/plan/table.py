"""A plan as plain text.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

from vitedu_numpy.validate import check_kind

from .planner import Plan

__all__ = ["format_plan"]

_GIB = 2**30


def format_plan(p: Plan) -> str:
    """The plan as plain text."""
    check_kind("p", p, Plan)
    r, recipe, run = p.request, p.recipe, p.recipe.run
    columns = [run.parallel] if p.world_size == 1 else ["ddp", "fsdp"]
    parts = [part for part in p.memory["ddp"] if any(p.memory[how][part] for how in columns)]
    rows = [("memory per GPU, GiB", *(how.upper() if p.world_size > 1 else "" for how in columns))]
    rows += [(f"  {part}", *(f"{p.memory[how][part] / _GIB:.2f}" for how in columns)) for part in parts]
    rows += [
        ("  all", *(f"{sum(p.memory[how].values()) / _GIB:.2f}" for how in columns)),
        ("images at once, at most", *(f"{p.largest_micro_batch[how]}" for how in columns)),
        ("images at once, here", *(f"{p.micro_batch[how]} x {p.micro_steps[how]}" for how in columns)),
        ("sent by each GPU, GiB/update", *(f"{p.network_bytes[how] / _GIB:.2f}" for how in columns)),
    ]
    where = f"{p.world_size} x {r.gpu}" + (f" ({r.nodes} nodes of {r.gpus})" if r.nodes > 1 else "")
    lines = [f"{recipe.name} on {where}, {run.precision}", ""]
    lines += [f"{name:<32}" + "".join(f"{value:>14}" for value in values) for name, *values in rows]
    length = f"{p.steps:,} updates of {recipe.batch_size:,} images"
    if p.num_images:
        length += f" ({p.steps * recipe.batch_size / p.num_images:.4g} epochs of {p.num_images:,})"
    facts = [
        ("parameters", f"{p.parameters / 1e6:,.1f} million"),
        ("length", length),
        ("arithmetic", f"{p.exaflops:,.4g} exaFLOPs"),
        *_network(p),
        ("speed", f"{p.images_per_second:,.0f} images/s, an update in {recipe.batch_size / p.images_per_second:.3g} s"),
        ("the loader needs", f"{p.loader_cores:,} CPU cores per node"),
        ("time", f"{p.days:,.3g} days = {p.gpu_hours:,.0f} GPU hours"),
        ("energy", "not known" if p.kilowatt_hours is None else f"{p.kilowatt_hours:,.0f} kWh"),
    ]
    if p.cost is not None:
        facts.append(("cost", f"{p.cost:,.0f}"))
    lines += ["", *(f"{name:<20}{value}" for name, value in facts), "", *_warnings(p), "assumed"]
    return "\n".join([*lines, *(f"  {line}" for line in _assumptions(p))])


def _network(p) -> list[tuple[str, str]]:
    if p.world_size == 1:
        return []
    if p.network_seconds is None:
        return [("network", f"{p.request.gpu}'s link is not known; give --link in 1e9 bytes/s")]
    sent = p.network_bytes[p.recipe.run.parallel] / _GIB
    return [("network", f"{p.network_seconds:.2g} s per update: {sent:.2f} GiB at {p.link / 1e9:g} GB/s")]


def _warnings(p) -> list[str]:
    lines = []
    if p.network_seconds is not None and p.network_seconds > p.hidden_seconds:
        beside = "the last backward" if p.recipe.run.parallel == "ddp" else "computing"
        lines += [
            f"THE NETWORK IS TOO SLOW: its {p.network_seconds:.2g} s do not fit beside {beside}, "
            f"{p.hidden_seconds:.2g} s of an update of {p.update_seconds:.2g} s; the time above is too short.  "
            "What may help: fewer GPUs, a larger --batch-size, a faster --link",
            "",
        ]
    return lines + _too_large(p)


def _too_large(p) -> list[str]:
    if p.fits:
        return []
    how = p.recipe.run.parallel
    remedies = [
        text
        for text, helps in (
            ("--recompute", not p.recipe.run.recompute),
            ("--parallel fsdp", how == "ddp" and p.largest_micro_batch["fsdp"] > p.largest_micro_batch["ddp"]),
            ("a smaller --micro-batch", p.largest_micro_batch[how] > 0),
            ("a larger --gpu", True),
        )
        if helps
    ]
    return [f"DOES NOT FIT with {how.upper()}; what may help: {', '.join(remedies)}", ""]


def _assumptions(p) -> list[str]:
    r, gpu = p.request, p.gpu
    half = p.recipe.run.precision == "bf16"
    forwards = 4 if p.recipe.run.recompute else 3
    return [
        f"{p.utilisation:.0%} of {p.flops / 1e12:g} TFLOP/s; the paper's runs reached 32 to 43 %, {_less(p)}",
        f"arithmetic of {forwards} forwards per image; no time lost in loading, in the network or in checkpoints",
        f"{r.usable_memory:.0%} of {gpu.gib:g} GiB for tensors; all parts at their largest at once",
        "weights, gradients and optimiser in float32" + (", autocast to bfloat16" if half else ""),
        f"{r.images_per_core:g} images/s decoded by a CPU core",
        f"{gpu.watts or 'unknown'} W per GPU, the rest of the computer not counted",
        *([f"{p.link / 1e9:g} GB/s from GPU to GPU{', between nodes' * (r.nodes > 1)}"] if p.link else []),
    ]


def _less(p) -> str:
    is_resnet = type(p.recipe.model).__name__ in ("BiTConfig", "HybridConfig")
    return "its ResNets about 25 %" if is_resnet else "small models less"
