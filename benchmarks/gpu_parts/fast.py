"""How fast is a training step, and what does it hold?  Beside timm on the same card, turn by turn.

A step is zero_grad, forward under bf16 autocast, softmax cross-entropy, backward, clipping to norm 1, fused AdamW; 224
pixels, random images and labels that lie on the card.  Before a pair is timed, logits and every gradient of both are
compared in float64.  In a round each candidate does a few steps between two CUDA events; a ratio is the median over
rounds of our time divided by timm's in the same round.

MFU: part of the card's peak at 6 FLOPs per multiplication of a forward, by the paper's count; that our last block
computes only what the head reads is not subtracted.  Memory: the most that tensors held, torch.cuda's own count.
"""

from __future__ import annotations

import gc
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F

import vitedu
from vitedu import compute, losses, weights
from vitedu.engine.distributed import allow_variants, blocks
from vitedu.plan import PlanRequest, plan
from vitedu.recipes import DataRecipe, Execution, Recipe

from .card import peak_flops

NEEDS = ()
GIB = 2**30
CLIP = 1.0


@dataclass(frozen=True)
class Entry:
    """A model in both libraries."""

    title: str
    name: str
    theirs: str  # timm's name
    batches: tuple[int, ...]  # the first that fits
    settings: dict = field(default_factory=dict)  # such that both compute the same

    @property
    def config(self):
        return vitedu.named_config(self.name, **self.settings)

    @property
    def is_bit(self) -> bool:
        return type(self.config).__name__ == "BiTConfig"


@dataclass(frozen=True)
class Setting:
    """One way of running a step."""

    compiled: str | None = None  # None: eager; "blocks": each block or unit by itself, as the engine does; "whole"
    recompute: bool = True  # GELU and standardised filters, as in `vitedu.MLP` and `StdConv`
    channels_last: bool = False

    def __str__(self):
        words = [{None: "eager", "blocks": "compiled by blocks", "whole": "compiled whole"}[self.compiled]]
        words += [] if self.recompute else ["all kept"]
        words += ["channels last"] if self.channels_last else []
        return ", ".join(words)


EAGER, BLOCKS, WHOLE = Setting(), Setting("blocks"), Setting("whole", recompute=False)
VIT, BIT = dict(gelu="erf"), dict(standardize_eps=1e-8)
S16 = Entry("ViT-S/16", "vit_s16", "vit_small_patch16_224", (512, 256, 128), VIT)
B16 = Entry("ViT-B/16", "vit_b16", "vit_base_patch16_224", (256, 128, 64), VIT)
L16 = Entry("ViT-L/16", "vit_l16", "vit_large_patch16_224", (128, 64, 32), VIT)
R50 = Entry("BiT-R50x1", "bit_r50x1", "resnetv2_50x1_bit", (128, 64, 32), BIT)


# ---- building ------------------------------------------------------------------------------------------------------


def random_state(entry: Entry, device: str) -> dict[str, torch.Tensor]:
    """Every parameter random, the head too: zeros would hide differences.  On the CPU."""
    torch.manual_seed(0)
    with torch.device(device):  # drawn there: it is quick
        model = vitedu.build(entry.config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
    return {name: value.detach().cpu() for name, value in model.state_dict().items()}


def our_model(entry: Entry, state: dict, device: str):
    with torch.device(device):
        model = vitedu.build(entry.config)
    model.load_state_dict(state)
    return model


def timm_model(entry: Entry, state: dict, device: str):
    """timm's model with our weights."""
    import timm

    c = entry.config
    with torch.device(device):
        if entry.theirs == "VisionTransformer":
            model = timm.models.vision_transformer.VisionTransformer(
                img_size=c.image_size, patch_size=c.patch_size, embed_dim=c.width, depth=c.depth, num_heads=c.heads,
                num_classes=c.num_classes,
            )  # fmt: skip
        else:
            model = timm.create_model(entry.theirs, pretrained=False, num_classes=c.num_classes)
    model.load_state_dict({name: torch.tensor(value) for name, value in weights.to_timm(state, c).items()})
    return model


def parts(model) -> list:
    """What repeats: blocks and units, ours or timm's."""
    theirs = [module for module in model.modules() if type(module).__name__ in ("Block", "PreActBottleneck")]
    return blocks(model) or theirs


def check_equal(entry: Entry, state: dict, device: str) -> dict:
    """Largest differences of logits and gradients in float64, relative to the largest entry of each tensor."""
    images, labels = batch(entry, 2, device)
    images = images.double()
    ours, theirs = our_model(entry, state, device), timm_model(entry, state, device)
    found = []
    for model in (ours, theirs):
        model.to(device, torch.float64).train()
        logits = model(images)
        F.cross_entropy(logits, labels).backward()
        gradients = {name: p.grad.cpu() for name, p in model.named_parameters()}
        if model is theirs:
            gradients = {n: torch.as_tensor(g) for n, g in weights.from_timm(gradients, entry.config).items()}
        found.append({"logits": logits.detach().cpu()} | gradients)
        model.to("meta")  # room for the other
    mine, other = found
    errors = {n: float((g - other[n]).abs().max() / g.abs().max()) for n, g in mine.items()}
    worst = max(errors, key=errors.get)
    return {"logits": errors["logits"], "gradients": errors[worst], "worst": worst, "ok": max(errors.values()) < 1e-6}


def batch(entry: Entry, size: int, device: str):
    rng = torch.Generator(device).manual_seed(0)
    c = entry.config
    images = torch.rand(size, c.channels, *c.image_hw, generator=rng, device=device) * 2 - 1
    return images, torch.randint(0, c.num_classes, (size,), generator=rng, device=device)


def make_step(entry: Entry, whose: str, setting: Setting, size: int, state: dict, device: str):
    """A function without arguments that does one training step."""
    model = our_model(entry, state, device) if whose == "vitedu" else timm_model(entry, state, device)
    model.to(device).train()
    images, labels = batch(entry, size, device)
    if setting.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    for module in model.modules():
        if hasattr(module, "recompute"):  # ours alone
            module.recompute = setting.recompute
    net = model
    if setting.compiled == "blocks":
        for module in parts(model):
            module.compile(dynamic=False)
    elif setting.compiled == "whole":
        net = torch.compile(model, dynamic=False)
    if whose == "vitedu":
        optimizer = vitedu.Adam(model, 1e-4, weight_decay=0.1)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)
    classes = entry.config.num_classes

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16):
            logits = net(images)
        if whose == "vitedu":
            loss = losses.softmax_cross_entropy(logits.float(), losses.one_hot(labels, classes))
        else:
            loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        return loss.detach()

    return step


# ---- the clock -----------------------------------------------------------------------------------------------------


class Timer:
    """Seconds between two moments on the device's own clock."""

    def __init__(self, device: str):
        self.device = device

    def measure(self, step, times: int) -> float:
        """Seconds per call."""
        if self.device != "cuda":
            start = time.perf_counter()
            for _ in range(times):
                step()
            return (time.perf_counter() - start) / times
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(times):
            step()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000 / times


def clear(device: str) -> None:
    """Give everything back, compiled code too: what one candidate leaves must not meet the next."""
    torch.compiler.reset()
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def peak_memory(device: str):
    """peak["gib"]: the most that was held while this held, beyond what was there before.  None on a CPU."""
    peak = {"gib": None}
    if device != "cuda":
        yield peak
        return
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    yield peak
    torch.cuda.synchronize()
    peak["gib"] = (torch.cuda.max_memory_allocated() - before) / GIB


class Candidate:
    """One library under one setting, ready to be timed: built and warmed up, which compiles it."""

    def __init__(self, entry, whose, setting, size, state, device, steps=3):
        self.whose, self.setting, self.size = whose, setting, size
        start = time.monotonic()
        with peak_memory(device) as peak:
            self.step = make_step(entry, whose, setting, size, state, device)
            for _ in range(steps):  # the first compiles, makes the optimiser's state, and picks kernels
                loss = self.step()
            self.loss = float(loss)  # waits for the device
        self.gib = peak["gib"]
        self.seconds = time.monotonic() - start
        if not self.loss == self.loss:
            raise ValueError(f"the loss of {whose}, {setting} is {self.loss}")


# ---- what a plan says ------------------------------------------------------------------------------------------------


def predicted_gib(entry: Entry, size: int) -> float:
    """What `vitedu plan` says of a step on one card."""
    recipe = Recipe(
        "mine", entry.config, data=DataRecipe("mine"), run=Execution(precision="bf16"), epochs=1, batch_size=size
    )
    answer = plan(PlanRequest(gpus=1, gpu="h100", num_images=10**6, micro_batch=size), recipe)
    return sum(answer.memory["ddp"].values()) / GIB


# ---- the part ------------------------------------------------------------------------------------------------------


def find_timm() -> tuple[bool, str]:
    """Whether timm can be had; its version, or why not."""
    try:
        import timm
    except Exception as error:  # not there, or broken: it fails in many ways beside another torchvision
        return False, f"not measured, {type(error).__name__}: {str(error)[:200]}"
    return True, timm.__version__


class Part:
    """Rows as they come; the clock; what was left out."""

    def __init__(self, device, seconds, small, write):
        self.device, self.small, self.write = device, small, write
        self.end = time.monotonic() + seconds
        self.timer = Timer(device)
        name = torch.cuda.get_device_name(0) if device == "cuda" else "cpu"
        self.peak, source = peak_flops(name)
        self.has_timm, why = find_timm()
        self.result = {"peak": self.peak, "peak_from": source, "timm": why, "rows": [], "settings": [],
                       "attention": [], "equal": {}, "left_out": []}  # fmt: skip
        self.states, self.checked = {}, {}
        self.compile_seconds = {}  # (whole or blocks, is it a ResNet?) -> of the last time
        self.write(self.result)

    def left(self) -> float:
        return self.end - time.monotonic()

    def out(self, what: str) -> None:
        self.result["left_out"].append(what)
        self.write(self.result)

    def state(self, entry):
        """One set of random weights, and whether timm computes the same with it."""
        if entry.title not in self.states:
            self.states = {entry.title: random_state(entry, self.device)}  # one model's at a time
            if self.has_timm and entry.title not in self.checked:
                try:
                    self.checked[entry.title] = check_equal(entry, self.states[entry.title], self.device)
                except Exception as error:  # another version of timm: no ratio then, but our own speed
                    self.checked[entry.title] = {"ok": False, "why": f"{type(error).__name__}: {str(error)[:300]}"}
                self.result["equal"][entry.title] = self.checked[entry.title]
                self.write(self.result)
                clear(self.device)
        return self.states[entry.title]

    def needs(self, setting, entry) -> float:
        """Seconds that a candidate takes to be ready, by what the last one took, or a guess."""
        guess = {None: 4.0, "blocks": 40.0 if entry.is_bit else 15.0, "whole": 90.0 if entry.is_bit else 45.0}
        if self.small:
            return 1.0
        return self.compile_seconds.get((setting.compiled, entry.is_bit), guess[setting.compiled])

    def candidate(self, entry, whose, setting, size):
        """Ready to be timed, or None: no time, or (said) an error; raises OutOfMemoryError."""
        if self.left() < self.needs(setting, entry):
            self.out(f"{entry.title}, {whose}, {setting}: no time")
            return None
        try:
            found = Candidate(entry, whose, setting, size, self.state(entry), self.device)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a compiler's failure is a row less, not the end
            self.out(f"{entry.title}, {whose}, {setting}: {type(error).__name__}: {str(error)[:300]}")
            return None
        self.compile_seconds[setting.compiled, entry.is_bit] = found.seconds
        return found

    def best_of(self, entry, settings, size):
        """(quickest of our settings, its candidate); each alone for a few steps, and all go into the result."""
        times, candidate = {}, None
        for setting in settings:
            candidate = None  # the one before goes first
            clear(self.device)
            candidate = self.candidate(entry, "vitedu", setting, size)
            if candidate is None or len(settings) == 1:
                continue
            times[setting] = statistics.median(self.timer.measure(candidate.step, self.calls(2)) for _ in range(3))
            self.result["settings"].append(
                {"model": entry.title, "batch": size, "setting": str(setting), "ms": 1000 * times[setting],
                 "images_per_s": size / times[setting], "gib": candidate.gib,
                 "predicted_gib": predicted_gib(entry, size), "start_s": candidate.seconds}
            )  # fmt: skip
            self.write(self.result)
        best = min(times, key=times.get) if times else settings[-1]
        if best != settings[-1]:  # made anew; compiled code comes from PyTorch's cache on disk
            candidate = None
            clear(self.device)
            candidate = self.candidate(entry, "vitedu", best, size)
        return best, candidate

    def calls(self, wanted: int) -> int:
        return 1 if self.small else wanted

    def row(self, entry, settings) -> None:
        """Our best of `settings` beside timm likewise; at the largest batch that fits both."""
        both = self.needs(settings[-1], entry) * (2 if self.has_timm and len(settings) == 1 else 1)
        if self.left() < both:  # compiled for nobody to be compared with, it would only take the others' time
            self.out(f"{entry.title}, {settings[-1]}: no time ({self.left():.0f} s left, {both:.0f} wanted)")
            return None
        for size in entry.batches:
            clear(self.device)
            try:
                return self._row(entry, settings, size)
            except torch.OutOfMemoryError:
                self.out(f"{entry.title}, {settings[0]}, batch {size}: out of memory")
            except Exception as error:  # the other models are wanted
                self.out(f"{entry.title}, {settings[-1]}: {type(error).__name__}: {str(error)[:300]}")
                return None
        return None

    def _row(self, entry, settings, size) -> None:
        setting, ours = self.best_of(entry, settings, size)
        if ours is None:
            return
        likewise = replace(setting, recompute=True)  # timm has no such switch
        same = self.checked.get(entry.title, {}).get("ok", False)
        theirs = self.candidate(entry, "timm", likewise, size) if self.has_timm and same else None
        once = self.timer.measure(ours.step, 1)
        calls = self.calls(max(1, round(0.15 / once)))
        times = []
        rounds = 3 if self.small else 9
        for _ in range(rounds):
            times.append([self.timer.measure(c.step, calls) for c in (ours, theirs) if c is not None])
            if self.left() < 0 and len(times) >= 3:
                break
        seconds = [statistics.median(column) for column in zip(*times, strict=True)]
        macs = compute.count(entry.config).macs
        predicted = predicted_gib(entry, size)
        row = {
            "model": entry.title, "batch": size, "setting": str(setting), "rounds": len(times), "macs": macs,
            "start_s": ours.seconds, "ms": 1000 * seconds[0], "images_per_s": size / seconds[0],
            "mfu": self.mfu(macs, size / seconds[0]), "gib": ours.gib, "predicted_gib": predicted,
            "predicted_by_measured": predicted / ours.gib if ours.gib else None, "loss": ours.loss,
        }  # fmt: skip
        if theirs is not None:
            ratios = sorted(one / other for one, other in times)
            row["timm"] = {
                "setting": str(likewise), "start_s": theirs.seconds, "ms": 1000 * seconds[1],
                "images_per_s": size / seconds[1], "mfu": self.mfu(macs, size / seconds[1]), "gib": theirs.gib,
                "loss": theirs.loss,
            }  # fmt: skip
            row |= {"ratio": statistics.median(ratios), "ratio_from": ratios[0], "ratio_to": ratios[-1]}
        self.result["rows"].append(row)
        self.write(self.result)

    def mfu(self, macs, images_per_s):
        return 6 * macs * images_per_s / self.peak if self.peak else None

    def attention(self) -> None:
        """Forward and backward of PyTorch's fused kernels at ViT-S/16's shapes, read as our layer hands them over."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        B, h, T, Dh = (4, 3, 17, 16) if self.small else (256, 6, 197, 64)
        kernels = {"as chosen": None} | {
            title: getattr(SDPBackend, name)
            for title, name in (("flash", "FLASH_ATTENTION"), ("cuDNN", "CUDNN_ATTENTION"),
                                ("efficient", "EFFICIENT_ATTENTION"))
            if hasattr(SDPBackend, name) and self.device == "cuda"
        }  # fmt: skip
        qkv = torch.randn(B, T, 3 * h * Dh, device=self.device, dtype=torch.bfloat16, requires_grad=True)
        dy = torch.randn(B, h, T, Dh, device=self.device, dtype=torch.bfloat16)

        def step():
            q, k, v = (x.reshape(B, T, h, Dh).transpose(1, 2) for x in qkv.chunk(3, dim=-1))
            F.scaled_dot_product_attention(q, k, v).backward(dy)

        for title, kernel in kernels.items():
            try:
                if kernel is None:
                    ms = self._milliseconds(step)
                else:
                    with sdpa_kernel(kernel):
                        ms = self._milliseconds(step)
            except RuntimeError as error:  # a kernel that this card or build does not have
                self.result["attention"].append({"kernel": title, "ms": None, "why": str(error)[:200]})
                continue
            self.result["attention"].append({"kernel": title, "ms": ms, "shape": [B, h, T, Dh]})
        self.write(self.result)

    def _milliseconds(self, step) -> float:
        for _ in range(2):
            step()
        return 1000 * statistics.median(self.timer.measure(step, 3) for _ in range(5))


def small_entries() -> tuple[Entry, Entry]:
    vit = Entry("vit_cifar", "vit_cifar", "VisionTransformer", (8,), dict(gelu="erf", depth=2))
    return vit, Entry("BiT-R50x1, 64 px", "bit_r50x1", "resnetv2_50x1_bit", (2,), BIT | dict(image_size=64))


def run(*, device, seconds, small, data, write) -> None:
    """In order of worth, as long as there is time; what had to be left out is named."""
    allow_variants()
    part = Part(device, seconds, small, write)
    part.attention()
    if small:
        vit, bit = small_entries()
        part.row(vit, [EAGER, replace(EAGER, recompute=False)])
        if device == "cuda":
            part.row(vit, [BLOCKS, replace(BLOCKS, recompute=False)])
        part.row(bit, [EAGER])
        return
    kept = replace(BLOCKS, recompute=False)
    part.row(S16, [EAGER, replace(EAGER, recompute=False)])
    part.row(S16, [BLOCKS, kept])
    part.row(B16, [EAGER, kept])
    part.row(S16, [WHOLE])
    part.row(R50, [EAGER, replace(EAGER, channels_last=True)])
    part.row(L16, [EAGER, kept])
    part.row(R50, [replace(kept, channels_last=True)])
    part.row(B16, [WHOLE])


def table(result: dict) -> str:
    """Rows beside timm, our other settings, attention kernels."""
    lines = []
    if result.get("rows"):
        peak = result["peak"]
        said = f"{peak / 1e12:g}e12 FLOP/s ({result['peak_from']})" if peak else result["peak_from"]
        lines += [
            f"Training steps in bf16 autocast; timm {result['timm']}; peak {said}. Ratio: our time by timm's, median "
            "of paired rounds (least to most).",
            "",
            "| model, batch | setting | ms | images/s | MFU | timm ms | timm MFU | ratio | GiB | timm GiB | "
            "plan says GiB |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
    for row in result.get("rows", []):
        other = row.get("timm") or {}
        ratio = f"{row['ratio']:.3f} ({row['ratio_from']:.3f}-{row['ratio_to']:.3f})" if "ratio" in row else ""
        cells = [
            f"{row['model']}, {row['batch']}", row["setting"], _n(row["ms"], ".1f"), _n(row["images_per_s"], ".0f"),
            _n(row["mfu"], ".1%"), _n(other.get("ms"), ".1f"), _n(other.get("mfu"), ".1%"), ratio,
            _n(row["gib"], ".1f"), _n(other.get("gib"), ".1f"), _n(row["predicted_gib"], ".1f"),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    if result.get("settings"):
        lines += ["", "| our settings alone | ms | images/s | GiB | plan says GiB | ready after s |",
                  "|---|---|---|---|---|---|"]  # fmt: skip
        for row in result["settings"]:
            cells = [f"{row['model']}, {row['batch']}: {row['setting']}", _n(row["ms"], ".1f"),
                     _n(row["images_per_s"], ".0f"), _n(row["gib"], ".1f"), _n(row["predicted_gib"], ".1f"),
                     _n(row["start_s"], ".0f")]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    if result.get("attention"):
        told = [f"{row['kernel']} {_n(row['ms'], '.2f') or 'not there'}" for row in result["attention"]]
        lines += ["", f"Attention kernels, forward and backward, ms: {', '.join(told)}."]
    for title, found in result.get("equal", {}).items():
        if not found["ok"]:
            why = found.get("why") or f"{found['worst']} differs by {found['gradients']:.0e}"
            lines += ["", f"{title}: timm does not compute the same ({why}): no ratio."]
    equal = [found for found in result.get("equal", {}).values() if found["ok"]]
    if equal:
        lines += ["", f"Same logits and gradients as timm in float64, to {max(f['gradients'] for f in equal):.0e}."]
    if result.get("left_out"):
        lines += ["", f"Left out: {'; '.join(result['left_out'])}."]
    return "\n".join(lines) or "no rows"


def _n(value, form) -> str:
    return "" if value is None else format(value, form)
