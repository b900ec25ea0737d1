"""One training step in vitedu, timm and transformers: equal weights, equal results, paired ratios, peak memory.

    pip install ".[benchmarks]"
    python benchmarks/torch_vs_peers.py [--cases vit_cifar vit_ti16 ...] [--rounds 11] [--threads 2]

All start from the same random weights and get the same batch; before anything is timed, the logits and the gradients
of every parameter are compared.  Then the candidates take turns in every round, so that a slow moment hits them all; a
ratio is the median over rounds of the time divided by timm's time in the same round.  A step is zero_grad, forward,
softmax cross-entropy, backward, AdamW.

Candidates
    timm               as its users run it: eager, torch.optim.AdamW
    timm fused         the same with AdamW's fused kernel
    transformers       eager, fused attention kernel, torch.optim.AdamW
    vitedu             vitedu.Adam (fused); BiT in channels-last memory
    vitedu bfloat16    the same under bf16 autocast
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
import warnings

# Threads that wait for work would otherwise spin and take the cores from whoever is measured next.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
import numpy as np
import torch
import torch.nn.functional as F
from memory import growth

import vitedu
from vitedu import weights

# case -> (our name, settings that timm computes with, batch size)
CASES = {
    "vit_cifar": ("vit_cifar", dict(gelu="erf"), 128),
    "vit_ti16": ("vit_ti16", dict(gelu="erf"), 8),
    "vit_b16": ("vit_b16", dict(gelu="erf"), 4),
    "bit_r50x1": ("bit_r50x1", dict(standardize_eps=1e-8), 4),
}
CANDIDATES = ("timm", "timm fused", "transformers", "vitedu", "vitedu bfloat16")


def our_model(case: str):
    """With every parameter random, the head too: zeros would hide differences."""
    name, settings, _ = CASES[case]
    model = vitedu.create_model(name, rng=0, **settings)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=rng))
    return model


def timm_model(case: str):
    import timm

    if case == "vit_cifar":
        return timm.models.vision_transformer.VisionTransformer(
            img_size=32, patch_size=4, embed_dim=192, depth=6, num_heads=3, num_classes=10
        )
    names = {"vit_ti16": "vit_tiny_patch16_224", "vit_b16": "vit_base_patch16_224", "bit_r50x1": "resnetv2_50x1_bit"}
    return timm.create_model(names[case])


def transformers_model(ours):
    """Through a folder, as its users load one: its modules have other names than its files."""
    from transformers import BitForImageClassification, ViTForImageClassification

    kind = BitForImageClassification if isinstance(ours, vitedu.BiT) else ViTForImageClassification
    with tempfile.TemporaryDirectory() as folder:
        weights.save_huggingface(ours, folder)
        return kind.from_pretrained(folder)


def build(case: str, candidate: str):
    """(model with our random weights, function from images to logits, {our name: gradient} after a backward)"""
    ours = our_model(case)
    if candidate.startswith("vitedu"):
        if isinstance(ours, vitedu.BiT):
            ours = ours.to(memory_format=torch.channels_last)
        return ours, ours, ours.gradients
    if candidate == "transformers":
        model = transformers_model(ours)
        return model, lambda images: model(images).logits, dict
    model = timm_model(case)
    state = weights.to_timm(ours.state_dict(), ours.config)
    model.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    return model, model, lambda: weights.from_timm({n: p.grad for n, p in model.named_parameters()}, ours.config)


def batch(case: str, size: int | None = None):
    config = vitedu.named_config(CASES[case][0])
    rng = np.random.default_rng(0)
    size = size or CASES[case][2]
    images = rng.uniform(-1, 1, (size, 3, *config.image_hw)).astype(np.float32)
    return torch.from_numpy(images), torch.from_numpy(rng.integers(0, config.num_classes, size))


def check_equal(case: str) -> None:
    """Logits, the gradient of the images and, by name, of timm's parameters, relative to the largest entry of each.

    In float64: in float32 a rectifier whose input is nearly 0 may be open in one and shut in the other.
    """
    images, labels = batch(case, 2)
    results = {}
    for candidate in ("vitedu", "timm", "transformers"):
        model, forward, gradients = build(case, candidate)
        model.double().train()
        x = images.double().requires_grad_()
        logits = forward(x)
        F.cross_entropy(logits, labels).backward()
        results[candidate] = {"logits": logits.detach().numpy(), "images": x.grad.numpy()}
        results[candidate] |= {name: np.asarray(g) for name, g in gradients().items()}
    for candidate in ("timm", "transformers"):
        errors = {}
        for name, theirs in results[candidate].items():
            ours = results["vitedu"][name]
            errors[name] = np.abs(theirs - ours).max() / np.abs(ours).max()
        worst = max(errors, key=errors.get)
        print(f"    {candidate}: logits differ by {errors['logits']:.0e}, the worst of {len(errors) - 1} gradients by "
              f"{errors[worst]:.0e} ({worst})")  # fmt: skip
        if not max(errors.values()) < 1e-6:
            raise SystemExit(f"{case}: {candidate} computes something else; its times mean nothing")


def make_step(case: str, candidate: str):
    """A function without arguments that does one training step of this candidate."""
    model, forward, _ = build(case, candidate)
    model.train()
    images, labels = batch(case)
    if candidate.startswith("vitedu"):
        optimizer = vitedu.Adam(model, 1e-4, weight_decay=0.1)
    else:
        fused = True if candidate.endswith("fused") else None
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=fused)
    bfloat16 = candidate.endswith("bfloat16")

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()

    return step


def compare(case: str, rounds: int, threads: int) -> None:
    print(f"\n{case}, batch {CASES[case][2]}")
    check_equal(case)
    memory = {}
    if sys.platform == "linux":
        for candidate in CANDIDATES:
            command = [sys.executable, __file__, "--threads", str(threads), "--memory-of", case, candidate]
            memory[candidate] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    steps = {candidate: make_step(case, candidate) for candidate in CANDIDATES}
    times = {candidate: [] for candidate in CANDIDATES}
    gc.collect()
    gc.freeze()
    for n in range(rounds + 2):  # the first two warm up
        for candidate, step in steps.items():
            start = time.perf_counter()
            step()
            if n >= 2:
                times[candidate].append(time.perf_counter() - start)
    t = {candidate: np.array(values) for candidate, values in times.items()}
    print(f"    {'':18s} {'median ms':>10s} {'/ timm':>8s} {'/ vitedu':>9s} {'MiB':>7s} {'/ timm':>8s}")
    for candidate in CANDIDATES:
        ratio, own = np.median(t[candidate] / t["timm"]), np.median(t[candidate] / t["vitedu"])
        row = f"    {candidate:18s} {1e3 * np.median(t[candidate]):10.0f} {ratio:8.2f} {own:9.2f}"
        if memory:
            row += f" {memory[candidate]:7.0f} {memory[candidate] / memory['timm']:8.2f}"
        print(row)


def memory_of(case: str, candidate: str) -> None:
    """Print the growth of the peak of 3 steps in MiB over the built model."""
    print(growth(make_step(case, candidate)))


def attention_in_bfloat16(rounds: int) -> None:
    """Why our attention does without the fused kernel in bfloat16 on a CPU: forward and backward of both."""
    from vitedu.layers.attention import attention

    print("\nattention in bfloat16, forward + backward, fused kernel / explicit lines:")
    for B, h, T in ((128, 3, 65), (8, 3, 197), (4, 12, 197)):
        q, k, v = (torch.randn(B, h, T, 64, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
        times = []
        for _ in range(rounds + 2):
            row = []
            for function in (F.scaled_dot_product_attention, attention):
                start = time.perf_counter()
                function(q, k, v).sum().backward()
                row.append(time.perf_counter() - start)
            times.append(row[0] / row[1])
        print(f"    {B} images, {h} heads, {T} tokens: {np.median(times[2:]):.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--memory-of", nargs=2, metavar=("CASE", "CANDIDATE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    warnings.filterwarnings("ignore")  # of the peers, about their own settings
    torch.set_num_threads(args.threads)
    if args.memory_of:
        memory_of(*args.memory_of)
        return
    import timm
    import transformers

    versions = f"PyTorch {torch.__version__}, timm {timm.__version__}, transformers {transformers.__version__}"
    print(f"{versions}; {args.threads} threads, {args.rounds} rounds, medians of paired ratios")
    for case in args.cases:
        compare(case, args.rounds, args.threads)
    attention_in_bfloat16(args.rounds)


if __name__ == "__main__":
    main()
