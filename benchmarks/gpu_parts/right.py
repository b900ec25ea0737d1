"""Does the GPU compute what NumPy computes?  Every kind of model, logits and gradients by name, in three precisions.

The reference is `vitedu_numpy` in float64 on the CPU, with the same weights (float32 numbers, so that every precision
holds them exactly) and the same images.  The error of a tensor is |ours - reference| / |reference|, Euclidean norms
over the whole tensor; a gradient whose norm is less than a thousandth of the largest one's counts against that
thousandth.
"""

from __future__ import annotations

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts: else its products may vary

import gc
import time
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

import vitedu
import vitedu_numpy as vn
from vitedu.models import masked as torch_masked
from vitedu.training import losses as torch_losses
from vitedu.training import sequence_loss as torch_sequence_loss
from vitedu_numpy.models import masked as numpy_masked
from vitedu_numpy.training import losses as numpy_losses
from vitedu_numpy.training import sequence_loss as numpy_sequence_loss

NEEDS = ()

# The largest error allowed.  float64: sums in another order, 1e-16 each, through up to thirty layers.  float32: 6e-8 a
# rounding.  bfloat16: 2e-3 to 4e-3 a rounding of each factor.  A rectifier has no slope at 0: where rounding moves
# an input from one side to the other, a gradient is wrong by its whole size; a part p of such inputs makes an error of
# about sqrt(p) of the norm.  Hence a second bound for the models that have them; and for BiT-R50x1 with its 49
# rectifiers one after the other bfloat16 leaves nothing of the first layers' gradients to be compared (the CPU's are
# off by their whole size, too): there only the logits are.
BOUNDS = {"float64": (1e-10, 1e-10), "float32": (1e-4, 5e-2), "bfloat16": (5e-2, 0.4)}
FLOOR = 1e-3
KINDS = ("float64", "float64, explicit attention", "float32", "bfloat16")
LOGITS = "bfloat16, logits alone"


# ---- the cases -----------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """One model in both packages, with weights, inputs and a loss."""

    name: str
    config: object
    batch: int = 3
    target: str | None = None  # masked patch prediction: what is to be guessed
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    noise: float = 0.1  # added to all first values, so that none is 0 or 1, which would hide mistakes
    found: list = field(default_factory=list, repr=False)  # the reference, once it was computed

    @property
    def is_sequences(self) -> bool:
        return isinstance(self.config, vn.TransformerConfig)

    @property
    def has_rectifiers(self) -> bool:
        return type(self.config) is not vn.ViTConfig

    def build(self, package, *options):
        """The model of either package, with first values of its own.     options: rng, and NumPy's dtype"""
        if self.is_sequences:
            return package.Transformer(self.config, *options)
        if self.target is not None:
            return package.MaskedPatchViT(self.config, options[0], self.target, *options[1:])
        return package.build(self.config, *options)

    @cached_property
    def state(self) -> dict[str, np.ndarray]:
        """float32 weights, each moved a little from its first value."""
        rng, model = np.random.default_rng(self.seed), self.build(vitedu, self.seed)
        state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
        return {
            name: value + np.float32(self.noise * _size(value)) * rng.standard_normal(value.shape, np.float32)
            for name, value in state.items()
        }

    def numpy_model(self):
        """In float64."""
        model = self.build(vn, 0, np.float64)
        model.load_state_dict({name: value.astype(np.float64) for name, value in self.state.items()})
        return model

    @cached_property
    def inputs(self) -> tuple:
        """What the model reads: images in float64 that are float32 numbers, or two lots of symbols."""
        rng, c, B = np.random.default_rng(self.seed + 1), self.config, self.batch
        if self.is_sequences:
            source, target = (
                rng.integers(1, c.source_vocabulary, (B, 14)),
                rng.integers(1, c.target_vocabulary, (B, 11)),
            )
            source[-1, 9:] = target[-1, 7:] = c.pad
            return source, target
        images = rng.uniform(-1, 1, (B, c.channels, *c.image_hw)).astype(np.float32).astype(np.float64)
        if self.target is None:
            return (images,)
        rngs = [np.random.default_rng([self.seed, i]) for i in range(B)]
        return images, numpy_masked.choose_corruption(rngs, c.num_patches)

    @cached_property
    def labels(self) -> np.ndarray:
        rng, c = np.random.default_rng(self.seed + 2), self.config
        if self.is_sequences:
            following = rng.integers(1, c.target_vocabulary, (self.batch, 11))
            following[-1, 6:] = c.pad
            return following
        return rng.integers(0, c.num_classes, self.batch)

    def reference(self) -> dict[str, np.ndarray]:
        """{"logits", "images" (the gradient there), parameter: gradient} by NumPy, in float64; once."""
        if not self.found:
            model = self.numpy_model()
            logits = model(*self.inputs)
            dlogits = self._numpy_dlogits(logits)
            dinputs = model.backward(dlogits)
            found = {"logits": logits} | model.gradients()
            self.found.append(found if self.is_sequences else found | {"images": dinputs})
        return self.found[0]

    def _numpy_dlogits(self, logits):
        if self.is_sequences:
            _, cache = numpy_sequence_loss.token_cross_entropy(logits, self.labels, self.config.pad, 0.1)
            return numpy_sequence_loss.token_cross_entropy_backward(1.0, cache)
        if self.target is not None:
            images, corruption = self.inputs
            targets = numpy_masked.masked_target(images, corruption, self.config.patch_size, self.target)
            _, cache = numpy_masked.masked_patch_loss(logits, targets)
            return numpy_masked.masked_patch_loss_backward(np.float64(1), cache)
        targets = numpy_losses.one_hot(self.labels, self.config.num_classes, 0.1, np.float64)
        _, cache = numpy_losses.softmax_cross_entropy(logits, targets)
        return numpy_losses.softmax_cross_entropy_backward(1.0, cache)

    def torch_model(self, device, dtype):
        with torch.device(device):  # first values are drawn there: it is quick
            model = self.build(vitedu, None)
        model.load_state_dict(self.state)
        return model.to(dtype)

    def torch_inputs(self, device, dtype) -> list:
        if self.is_sequences:
            return [torch.from_numpy(ids).to(device) for ids in self.inputs]
        images = torch.from_numpy(self.inputs[0]).to(device, dtype).requires_grad_()
        if self.target is None:
            return [images]
        patches, sources = (torch.from_numpy(numbers).to(device) for numbers in self.inputs[1])
        return [images, torch_masked.Corruption(patches, sources)]

    def torch_loss(self, logits, inputs, dtype):
        """From logits in the precision of the loss, as the engine takes it."""
        device = logits.device
        if self.is_sequences:
            return torch_sequence_loss.token_cross_entropy(
                logits, torch.from_numpy(self.labels).to(device), self.config.pad, 0.1
            )
        if self.target is not None:
            # The levels of a pixel are exact from float64 or float32 images alike.
            images = inputs[0].detach()
            targets = torch_masked.masked_target(images, inputs[1], self.config.patch_size, self.target)
            return torch_masked.masked_patch_loss(logits, targets)
        labels = torch.from_numpy(self.labels).to(device)
        targets = torch_losses.one_hot(labels, self.config.num_classes, 0.1, dtype)
        return torch_losses.softmax_cross_entropy(logits, targets)

    def outputs(self, model, device, dtype, half=False, forward=None) -> dict[str, torch.Tensor]:
        """As `reference`, by PyTorch; tensors on the CPU."""
        model.zero_grad()
        inputs = self.torch_inputs(device, dtype)
        with torch.autocast(device, torch.bfloat16, enabled=half):
            logits = (model if forward is None else forward)(*inputs)
        self.torch_loss(logits.to(dtype), inputs, dtype).backward()
        found = {"logits": logits.detach()} | model.gradients()
        if not self.is_sequences:
            found["images"] = inputs[0].grad
        return {name: value.detach().to("cpu", copy=True) for name, value in found.items()}

    def records(self, model, device, dtype, half) -> tuple[dict, dict]:
        """Every intermediate of both, in the order of computation."""
        ours, theirs = {}, {}
        self.numpy_model()(*self.inputs, ours)
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=half):
            model(*self.torch_inputs(device, dtype), theirs)
        return ours, theirs


def _size(value) -> float:
    """How large the numbers of a parameter are, for a change of them that is felt: 1 where all start at 0."""
    return float(np.sqrt(np.mean(value**2, dtype=np.float64))) or 1.0


# Heads of 16 numbers: what every fused kernel takes.  Image sides differ, so that mixed up axes would show.
SIZES = dict(image_size=(16, 24), patch_size=4, width=48, depth=2, heads=3, mlp_dim=80, num_classes=7)
VITS = {
    "ViT, token": {},
    "ViT, tanh GELU, pre-logits": dict(gelu="tanh", representation_size=20),
    "ViT, gap": dict(classifier="gap"),
    "ViT, gap, pre-logits, tanh GELU": dict(classifier="gap", representation_size=20, gelu="tanh"),
    "ViT, no positions": dict(position_embedding="none"),
    "ViT, 2-D positions": dict(position_embedding="2d"),
    "ViT, 2-D positions, every block, gap": dict(position_embedding="2d", position_at="every", classifier="gap"),
    "ViT, sines and cosines": dict(position_embedding="sincos2d"),
    "ViT, 1-D positions, shared": dict(position_at="shared"),
    "ViT, relative positions": dict(position_embedding="relative"),
    "ViT, relative positions, shared, gap": dict(position_embedding="relative", position_at="shared", classifier="gap"),
    "ViT, 12 blocks": dict(depth=12),
}
HYBRID = vn.HybridConfig(64, 1, blocks=(1, 2), backbone_width=16, groups=8, **{
    name: SIZES[name] for name in ("width", "depth", "heads", "mlp_dim", "num_classes")
})  # fmt: skip
BIT = vn.BiTConfig((1, 2), 7, image_size=(64, 48), base_width=16, groups=8)
SEQUENCES = dict(source_vocabulary=13, target_vocabulary=11, width=48, depth=2, heads=3, mlp_dim=80, max_length=16)


def tiny_cases() -> list[Case]:
    cases = [Case(name, vn.ViTConfig(**SIZES | changes)) for name, changes in VITS.items()]
    cases += [
        Case("Hybrid", HYBRID),
        Case("Hybrid, root alone", replace(HYBRID, image_size=32, blocks=(), patch_size=2)),
        Case("BiT, ImageNet stem", BIT),
        Case("BiT, ImageNet stem, pool with -inf", replace(BIT, pool_padding="-inf")),
        Case("BiT, small stem", replace(BIT, stem="small", image_size=(16, 24))),
    ]
    for norm in ("post", "pre"):
        for tied in (True, False):
            name = f"Transformer, {norm}-norm, {'tied' if tied else 'untied'}"
            cases.append(Case(name, vn.TransformerConfig(**SEQUENCES, norm=norm, tied=tied)))
    for target in ("mean_color", "downsized", "l2"):
        cases.append(Case(f"MaskedPatchViT, {target}", vn.ViTConfig(**SIZES), target=target))
    return cases


def large_cases(small: bool) -> list[Case]:
    """The paper's models at 224 pixels; in small, their short forms."""
    kinds, noise = ("float64", "float32", "bfloat16"), 0.02
    if small:
        return [Case("vit_cifar", vn.named_config("vit_cifar"), 2, kinds=kinds, noise=noise)]
    names = {"vit_b16": "ViT-B/16", "bit_r50x1": "BiT-R50x1", "r50_b16": "R50+B/16"}
    cases = [Case(title, vn.named_config(name), 2, kinds=kinds, noise=noise) for name, title in names.items()]
    return [replace(case, kinds=(*kinds[:2], LOGITS)) if case.name == "BiT-R50x1" else case for case in cases]


# ---- measuring -----------------------------------------------------------------------------------------------------


def errors(found: dict, reference: dict) -> dict[str, float]:
    """Name -> |found - reference| / |reference|, as the head of this file says; inf where a number is not finite."""
    if list(found) != list(reference):
        raise ValueError(f"names differ: {sorted(set(found) ^ set(reference))[:5]}")
    norms = {name: float(np.linalg.norm(np.ravel(value))) for name, value in reference.items()}
    largest = max(norm for name, norm in norms.items() if name != "logits")
    result = {}
    for name, value in reference.items():
        ours = _array(found[name])
        if ours.shape != value.shape:
            raise ValueError(f"{name} has shape {ours.shape}, the reference {value.shape}")
        scale = norms[name] if name == "logits" else max(norms[name], FLOOR * largest)
        error = float(np.linalg.norm(np.ravel(ours - value))) / scale
        result[name] = error if np.isfinite(error) else float("inf")
    return result


def _array(value) -> np.ndarray:
    return value.detach().to("cpu", torch.float64).numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def row_of(case, what, found, reference, bound) -> dict:
    """One line of the table."""
    every = errors(found, reference)
    logits = every.pop("logits")
    worst = max(every, key=every.get)
    counted = logits if what == LOGITS else max(logits, every[worst])
    return {
        "model": case.name, "what": what, "logits": logits, "gradients": every[worst], "worst": worst, "bound": bound,
        "ok": bool(counted <= bound),
    }  # fmt: skip


def compare(case: Case, kind: str, device: str) -> dict:
    """One model in one precision against NumPy; where it fails, the first intermediate that differs."""
    precision = kind.split(",")[0]
    half = precision == "bfloat16"
    dtype = torch.float64 if precision == "float64" else torch.float32
    model = case.torch_model(device, dtype)
    if "explicit" in kind:
        for module in model.modules():
            if hasattr(module, "fused"):
                module.fused = False
    bound = BOUNDS[precision][case.has_rectifiers]
    row = row_of(case, kind, case.outputs(model, device, dtype, half), case.reference(), bound)
    if not row["ok"]:
        ours, theirs = case.records(model, device, dtype, half)
        row["first"] = first_difference(ours, theirs, bound)
    return row


def first_difference(ours: dict, theirs: dict, bound: float) -> str:
    """The first intermediate whose error is above the bound, with it; forward may be right and backward wrong."""
    for name, value in ours.items():
        if name not in theirs:
            return f"{name}: not recorded"
        scale = float(np.linalg.norm(np.ravel(value))) or 1.0
        error = float(np.linalg.norm(np.ravel(_array(theirs[name]) - value))) / scale
        if not error <= bound:
            return f"{name}: {error:.1e}"
    return "every intermediate agrees: only backward differs"


def compare_compiled(case: Case, device: str) -> dict:
    """The whole model through `torch.compile`, against eager, both in float32 on the device."""
    torch.compiler.reset()
    model = case.torch_model(device, torch.float32)
    eager = {name: _array(value) for name, value in case.outputs(model, device, torch.float32).items()}
    whole, what = True, "compiled as one graph / eager, float32"
    try:
        found = case.outputs(model, device, torch.float32, forward=_compiled(model, True, device))
    except torch._dynamo.exc.Unsupported as error:
        whole, what, reason = False, "compiled with breaks / eager, float32", str(error).strip().partition("\n")[0]
        torch.compiler.reset()
        found = case.outputs(model, device, torch.float32, forward=_compiled(model, False, device))
    row = row_of(case, what, found, eager, BOUNDS["float32"][case.has_rectifiers])
    return row if whole else row | {"first": reason}


def _compiled(model, fullgraph, device):
    """On a CPU only captured and run as it is: a compiler for C++ need not be there, and would take minutes."""
    backend = "inductor" if device == "cuda" else "aot_eager"
    return torch.compile(model, fullgraph=fullgraph, dynamic=False, backend=backend)


def determinism(device: str, small: bool) -> list[dict]:
    """Twice the same step in bfloat16 with dropout and the same seed: equal to the last bit?

    As users run it, and with PyTorch's deterministic kernels, which is the row that must be equal.
    """
    sizes = dict(image_size=32, patch_size=4) if small else dict(image_size=224, patch_size=16)
    vit = vn.ViTConfig(**sizes, width=192, depth=2, heads=3, mlp_dim=768, num_classes=10, dropout=0.1)
    bit = replace(BIT, image_size=32 if small else 224)
    rows = []
    for name, config in (("ViT, width 192, dropout 0.1", vit), ("BiT", bit)):
        case = Case(name, config, 4 if small else 32)
        model = case.torch_model(device, torch.float32).train()
        for exact in (False, True):
            results = []
            torch.use_deterministic_algorithms(exact, warn_only=True)
            try:
                for _ in range(2):
                    torch.manual_seed(0)
                    results.append(case.outputs(model, device, torch.float32, half=True))
            finally:
                torch.use_deterministic_algorithms(False)
            one, other = results
            unequal = [key for key in one if not torch.equal(one[key], other[key])]
            what = "twice the same step, bfloat16, " + ("deterministic kernels" if exact else "as it is")
            rows.append({
                "model": name, "what": what, "logits": None, "gradients": None, "worst": ", ".join(unequal[:2]),
                "bound": "equal" if exact else None, "equal": not unequal, "ok": not unequal or not exact,
            })  # fmt: skip
    return rows


def few_shot(device: str) -> dict:
    """Few-shot least squares with features on the device: the same images, the same accuracies as NumPy."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((6, 40))
    labels, truth = np.arange(240) % 6, np.arange(600) % 6
    x, x_test = (centres[numbers] + 1.5 * rng.standard_normal((len(numbers), 40)) for numbers in (labels, truth))
    expected = vn.few_shot_accuracy(x, labels, x_test, truth)
    tensors = [torch.from_numpy(array).to(device) for array in (x, labels, x_test, truth)]
    found = vitedu.few_shot_accuracy(*tensors)
    error = max(abs(a - b) for shots in expected for a, b in zip(expected[shots], found[shots], strict=True))
    return {
        "model": "few-shot least squares", "what": "accuracies, float64", "logits": error, "gradients": None,
        "worst": "", "bound": 2 / len(truth), "ok": bool(list(found) == list(expected) and error <= 2 / len(truth)),
    }  # fmt: skip


# ---- the part ------------------------------------------------------------------------------------------------------


def run(*, device, seconds, small, data, write) -> None:
    """Small models in all precisions, then the rest as long as time is left; `left_out` names what was not."""
    end = time.monotonic() + seconds
    torch.backends.cudnn.allow_tf32 = False  # true float32, as for matrix products anyway
    result = {"rows": [], "left_out": [], "tf32": False}
    rows = result["rows"]

    def attempt(name, measure, needs=0.0):
        """Add the rows that measure() gives; a failure is a row, too.  needs: seconds that must be left."""
        if time.monotonic() + needs > end:
            result["left_out"].append(name)
            return
        start = time.monotonic()
        try:
            found = measure()
        except Exception as error:  # one model's failure must not hide what the others do
            found = {
                "model": name, "what": "did not run", "logits": None, "gradients": None, "worst": "", "bound": None,
                "ok": False, "first": f"{type(error).__name__}: {str(error)[:300]}",
            }  # fmt: skip
        found = found if isinstance(found, list) else [found]
        for row in found:
            row["seconds"] = round((time.monotonic() - start) / len(found), 2)
        rows.extend(found)
        write(result)

    cases = tiny_cases()
    for case in cases:
        for kind in case.kinds:
            if "explicit" not in kind or not isinstance(case.config, vn.BiTConfig):
                attempt(f"{case.name}, {kind}", lambda case=case, kind=kind: compare(case, kind, device))
    attempt("few-shot", lambda: few_shot(device))
    attempt("twice the same step", lambda: determinism(device, small), needs=3)
    by_name = {case.name: case for case in cases}
    # Compiling takes seconds, or tens of them: the most different ones first.
    to_compile = [
        "ViT, token", "BiT, ImageNet stem", "Transformer, pre-norm, tied", "Hybrid",
        "ViT, relative positions, shared, gap", "MaskedPatchViT, mean_color",
    ]  # fmt: skip
    first, *others = to_compile
    compiled = lambda name: attempt(  # noqa: E731
        f"{name}, compiled", lambda: compare_compiled(by_name[name], device), needs=0.2 * seconds
    )
    compiled(first)
    for case in large_cases(small):
        for kind in case.kinds:
            attempt(f"{case.name}, {kind}", lambda case=case, kind=kind: compare(case, kind, device), needs=2)
        case.found.clear()
        gc.collect()
    for name in others[: 1 if small else None]:
        compiled(name)
    write(result)


def table(result: dict) -> str:
    """Counts, then the worst of each precision, then whatever failed."""
    rows = result.get("rows", [])
    if not rows:
        return "no rows"
    bad = [row for row in rows if not row["ok"]]
    lines = [
        f"{len(rows)} comparisons, {len(rows) - len(bad)} within their bounds. Error of a tensor: |ours - reference| / "
        "|reference|, norms of the whole tensor, against `vitedu_numpy` in float64 on the CPU where nothing else is "
        "said.",
        "",
        "| what | models | logits, worst | gradients, worst | where | bound | ok |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = {}
    for row in rows:
        if row["bound"] is not None and row["bound"] != "equal":
            groups.setdefault((row["what"], row["bound"]), []).append(row)
    for (what, bound), some in groups.items():
        worst = max(some, key=lambda row: max(row["logits"] or 0, row["gradients"] or 0))
        where = ": ".join(filter(None, [worst["model"], worst["worst"]]))
        logits, gradients = (_number(max((r[k] or 0 for r in some), default=0)) for k in ("logits", "gradients"))
        good = sum(row["ok"] for row in some)
        lines.append(
            f"| {what} | {len(some)} | {logits} | {gradients} | {where} | {_number(bound)} | {good} of {len(some)} |"
        )
    large = [row for row in rows if row["model"] in ("ViT-B/16", "BiT-R50x1", "R50+B/16", "vit_cifar")]
    if large:
        lines += ["", "| model, batch 2 | precision | logits | gradients, worst | where | bound | ok |",
                  "|---|---|---|---|---|---|---|"]  # fmt: skip
        for row in large:
            numbers = " | ".join(_number(row[key]) for key in ("logits", "gradients"))
            lines.append(f"| {row['model']} | {row['what']} | {numbers} | {row['worst']} | {_number(row['bound'])} | "
                         f"{'yes' if row['ok'] else 'NO'} |")  # fmt: skip
    twice = [row for row in rows if "equal" in row]
    if twice:
        lines.append("")
    for row in twice:
        differ = f"differs in {row['worst']}" if row["worst"] else "differs"
        lines.append(f"- {row['model']}: {row['what']}: {'equal to the last bit' if row['equal'] else differ}")
    if bad:
        lines += ["", "Not within bounds:", ""]
        for row in bad:
            first = f"; first: {row['first']}" if row.get("first") else ""
            numbers = f"logits {_number(row['logits'])}, {row['worst']} {_number(row['gradients'])}"
            lines.append(f"- {row['model']}, {row['what']}: {numbers}, bound {row['bound']}{first}")
    if result.get("left_out"):
        lines += ["", f"No time for: {'; '.join(result['left_out'])}."]
    return "\n".join(lines)


def _number(value) -> str:
    return "" if value is None else f"{value:.0e}" if isinstance(value, float) else str(value)
