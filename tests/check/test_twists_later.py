"""Checks of notebooks 15 to 22 that go a step beyond the page: changed cases, and gradients that no page derives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitedu import ViT, compute, inspect, recipes
from vitedu.check import CHECKS
from vitedu_numpy.config import ViTConfig
from vitedu_numpy.transfer import fewshot, shots

# ---- right answers in other styles -----------------------------------------------------------------------------------


def tensors(*arrays):
    return [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]


def by_the_recipe(num_images, height, width, batch_size):
    rule = recipes.hyper_rule(num_images, (height, width))
    seen = rule.steps * 512
    return rule.crop, (seen - 1) // batch_size + 1, -(-rule.warmup_steps * 512 // batch_size), batch_size * 0.003 / 512


def more_shots_less_the_shots(labels, k, held_out, seed):
    """Nested shots: of k + held_out per class the first k are the shots."""
    both = shots.choose_shots(labels, k + held_out, seed).reshape(-1, k + held_out)
    return both[:, :k].ravel(), both[:, k:].ravel()


def rows_scaled_by_the_root(X, Y, importance, l2):
    root = np.sqrt(importance)[:, None]
    return fewshot.ridge(root * X, root * Y, l2)


def in_the_dual(X, Y, importance, l2):
    return X.T @ np.linalg.solve(X @ X.T + np.diag(l2 / importance), Y)


def both_errors(accuracy, num_images):
    p = accuracy.mean(1)
    return np.hypot(accuracy.std(1, ddof=1) / math.sqrt(accuracy.shape[1]), np.sqrt((p - p * p) / num_images))


def counted_by_the_package(config, images, core_days, peak, utilisation):
    one = 6 * compute.count(config).macs * images
    return core_days * 24 * 3600 * utilisation * peak * 1e12 / one


def batchnorm_autograd(dy, x, weight, eps):
    x, weight, bias = tensors(x, weight, np.zeros(len(weight)))
    F.batch_norm(x, None, None, weight, bias, training=True, eps=eps).backward(torch.from_numpy(dy))
    return x.grad, weight.grad, bias.grad


def student_autograd(logits, labels, unlabelled, teacher, ratio, smoothing):
    z, u = tensors(logits, unlabelled)
    loss = F.cross_entropy(z, torch.from_numpy(labels), label_smoothing=smoothing)
    (loss + ratio * F.cross_entropy(u, torch.from_numpy(teacher))).backward()
    return z.grad, u.grad


def kappa_from_a_table(logits, moved):
    """Cohen 1960: the table of answers before and after, its diagonal, and the products of its margins."""
    K = logits.shape[1]
    table = np.zeros((K, K))
    np.add.at(table, (logits.argmax(1), moved.argmax(1)), 1 / len(logits))
    chance = table.sum(0) @ table.sum(1)
    return 0.0 if math.isclose(chance, 1) else (table.trace() - chance) / (1 - chance)


def put_back(E_pos, order):
    straight = np.array(E_pos)
    for s, patch in enumerate(order):
        straight[1 + patch] = E_pos[1 + s]
    return straight


def pair_by_pair(first, second):
    rows = [[a - b for a, b in zip(*two, strict=True) if a == a and b == b] for two in zip(first, second, strict=True)]
    means = [sum(d) / len(d) for d in rows]
    squares = [sum((x - m) ** 2 for x in d) for d, m in zip(rows, means, strict=True)]
    return np.array(means), np.array([math.sqrt(q / (len(d) - 1) / len(d)) for q, d in zip(squares, rows, strict=True)])


def affine_vmap(W, bias, x, y, lr):
    def loss(W, bias, x, y):
        return 0.5 * (x @ W.T + bias - y).square().sum(dim=1).mean()

    arrays = [torch.from_numpy(a) for a in (W, bias, x, y)]
    dW, dbias = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(*arrays)
    return W - lr[:, None, None] * dW.numpy(), bias - lr[:, None] * dbias.numpy()


def affine_in_place(W, bias, x, y, lr):
    error = np.einsum("koi,kbi->kbo", W, x) + bias[:, None] - y
    W -= np.einsum("k,kbo,kbi->koi", lr, error, x) / x.shape[1]
    bias -= np.einsum("k,kbo->ko", lr, error) / x.shape[1]
    return W, bias


def cubic_autograd(dY, X):
    (X,) = tensors(X)
    (1.5 * X - 0.5 * X @ X.T @ X).backward(torch.from_numpy(dY))
    return X.grad


def offset_by_loops(A, gh, gw, P):
    total = np.zeros((len(A), 2))
    for t, s in np.ndindex(gh * gw, gh * gw):
        way = P * (s // gw - t // gw), P * (s % gw - t % gw)
        total += A[:, 1 + t, 1 + s, None] * way
    return total / (gh * gw)


def relevance_in_its_paper(A, dA):
    """Chefer et al. 2021, Eqs. 5 and 6."""
    R = np.eye(A.shape[-1])
    for weights, gradients in zip(A, dA, strict=True):
        R = R + np.clip(weights * gradients, 0, None).mean(0) @ R
    return R


def parts_by_linear_maps(streams, g, weight):
    D = streams.shape[1]
    centre = np.eye(D) - 1 / D  # takes the mean off
    to_logits = centre * (g / np.sqrt(streams[-1].var() + 1e-6)) @ weight.T  # (D, K)
    return np.vstack([streams[0], np.diff(streams, axis=0)]) @ to_logits


def tubelets_unfold(videos, Pf, stride, P):
    x = torch.from_numpy(videos).unfold(1, Pf, stride).unfold(3, P, P).unfold(4, P, P)  # (B, gf, C, gh, gw, Pf, P, P)
    return x.permute(0, 1, 3, 4, 5, 2, 6, 7).flatten(4).flatten(1, 3)


def filters_autograd(dfilters, Pf):
    (E,) = tensors(np.zeros((len(dfilters), dfilters.shape[1] // Pf)))
    (torch.cat([E] * Pf, dim=1) / Pf).backward(torch.from_numpy(dfilters))
    return E.grad


def pairs_counted(frames, Pf, height, width, P):
    gf, gh, gw = frames // Pf, height // P, width // P
    if gf * gh * gw > 2000:
        return gf**2 * gh**2 * gw**2, gf * gh * gw * (gh * gw + gf), gf * gh * gw * (gf + gh + gw)
    f, r, c = (x.ravel() for x in np.indices((gf, gh, gw)))
    same = {name: x[:, None] == x for name, x in (("f", f), ("r", r), ("c", c))}
    space, time = same["f"], same["r"] & same["c"]
    axial = (same["f"] & same["r"]).sum() + (same["f"] & same["c"]).sum() + time.sum()
    return len(f) ** 2, int(space.sum() + time.sum()), int(axial)


RIGHT = [
    ("small_machine_rule", by_the_recipe),
    ("shots_and_held_out", more_shots_less_the_shots),
    ("weighted_ridge", rows_scaled_by_the_root),
    ("weighted_ridge", in_the_dual),
    ("total_error", both_errors),
    ("epochs_behind", counted_by_the_package),
    ("batchnorm_backward", batchnorm_autograd),
    ("noisy_student_gradients", student_autograd),
    ("agreement_beyond_chance", kappa_from_a_table),
    ("straight_positions", put_back),
    ("paired_with_gaps", pair_by_pair),
    ("many_affine_step", affine_vmap),
    ("many_affine_step", affine_in_place),
    ("cubic_step_backward", cubic_autograd),
    ("attention_offset", offset_by_loops),
    ("relevance", relevance_in_its_paper),
    ("logit_parts", parts_by_linear_maps),
    ("overlapping_tubelets", tubelets_unfold),
    ("inflated_filters_backward", filters_autograd),
    ("axial_pairs", pairs_counted),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- what they say of a model ----------------------------------------------------------------------------------------


@pytest.fixture
def model_and_record(rng):
    """Weights that hide nothing, and what a forward of two images wrote down."""
    config = ViTConfig(12, 4, 16, 3, 2, 24, 5)
    model = ViT(config, rng=0).double().eval()
    for p in model.parameters():
        p.data = torch.from_numpy(rng.normal(0, 0.4, tuple(p.shape)))
    images, record = torch.from_numpy(rng.uniform(-1, 1, (2, 3, 12, 12))), {}
    with torch.no_grad():
        logits = model(images, record).numpy()
    return model, images, record, logits


def test_the_parts_sum_to_the_models_logits(model_and_record):
    model, _, record, logits = model_and_record
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    streams = np.stack([record[key][0, 0].numpy() for key in ("tokens", *(f"block{l:02d}/z" for l in range(3)))])
    parts = CHECKS["logit_parts"].reference(streams, state["encoder.norm.weight"], state["head.weight"])
    constant = state["encoder.norm.bias"] @ state["head.weight"].T + state["head.bias"]
    # The same sums in float64, in another order.
    np.testing.assert_allclose(parts.sum(axis=0) + constant, logits[0], rtol=0, atol=1e-10)


def test_positions_that_read_straight_images(model_and_record, rng):
    model, images, _, _ = model_and_record
    order = rng.permutation(9)
    patches = images.unfold(2, 4, 4).unfold(3, 4, 4).reshape(2, 3, 9, 4, 4)
    permuted = patches[:, :, order].reshape(2, 3, 3, 3, 4, 4).permute(0, 1, 2, 4, 3, 5).reshape(2, 3, 12, 12)
    with torch.no_grad():
        wanted = model(permuted)  # as it was trained
        E_pos = model.position_embedding.E_pos
        E_pos.data = torch.from_numpy(CHECKS["straight_positions"].reference(E_pos.numpy(), order))
        # The same sums in float64, in another order.
        torch.testing.assert_close(model(images), wanted, rtol=0, atol=1e-10)


def test_a_head_of_one_direction(model_and_record):
    """All weight on the right neighbour, or on itself in the last column: two of three columns move by a patch."""
    A = np.zeros((1, 10, 10))
    for t in range(9):
        A[0, 1 + t, 1 + (t + 1 if t % 3 < 2 else t)] = 1
    np.testing.assert_allclose(CHECKS["attention_offset"].reference(A, 3, 3, 4), [[0, 4 * 2 / 3]], atol=1e-12)
    assert inspect.attention_distance({"block00/attention/A": A[None]}, ViTConfig(12, 4, 16, 3, 2, 24, 5)).shape == (
        1, 1, 1,
    )  # fmt: skip


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def inference_mode(dy, x, weight, eps):
    """With mean and variance as constants."""
    _, dweight, dbias = batchnorm_autograd(dy, x, weight, eps)
    scale = weight / np.sqrt(x.var(axis=(0, 2, 3)) + eps)
    return dy * scale[:, None, None], dweight, dbias


def rolled_out(A, dA):
    total = np.eye(A.shape[-1])
    for weights, gradients in zip(A, dA, strict=True):
        total = (np.maximum(weights * gradients, 0).mean(0) + np.eye(len(total))) / 2 @ total
    return total


def lens_like(streams, g, weight):
    z = (streams - streams.mean(1, keepdims=True)) / np.sqrt(streams.var(1, keepdims=True) + 1e-6)
    return z * g @ weight.T


def scaled_rows(X, Y, importance, l2):
    return fewshot.ridge(importance[:, None] * X, importance[:, None] * Y, l2)


def not_stretched(num_images, height, width, batch_size):
    crop, steps, _, rate = by_the_recipe(num_images, height, width, batch_size)
    return crop, steps, 100 if num_images < 20_000 else 500, rate


def unpaired(first, second):
    _, error = pair_by_pair(first, second)
    return np.nanmean(first, axis=1) - np.nanmean(second, axis=1), error


def thrice(dY, X):
    return 1.5 * dY - 1.5 * X @ X.T @ dY


def rows_and_columns(frames, Pf, height, width, P):
    joint, factorised, _ = pairs_counted(frames, Pf, height, width, P)
    gf, gh, gw = frames // Pf, height // P, width // P
    return joint, factorised, gf * gh * gw * gh + gf * gh * gw * gw


def summed_over_the_batch(W, bias, x, y, lr):
    return affine_in_place(W, bias, x, y, lr * x.shape[1])


def the_way_back(A, gh, gw, P):
    return -1 * offset_by_loops(A, gh, gw, P)


AGAIN = [
    ("axial_pairs", rows_and_columns, "only rows and columns"),
    (
        "shots_and_held_out",
        lambda y, k, m, seed: (shots.choose_shots(y, k, seed), shots.choose_shots(y, m, seed)),
        "among",
    ),
    ("epochs_behind", lambda c, n, days, peak, u: counted_by_the_package(c, n, days, peak, 1.0), "without a pause"),
    ("noisy_student_gradients", lambda z, y, u, t, r, s: student_autograd(z, y, u, t, r, 0.0), "not smoothed"),
    ("attention_offset", the_way_back, "from who is asked"),
    ("many_affine_step", summed_over_the_batch, "summed, not averaged"),
    ("batchnorm_backward", inference_mode, "constants"),
    ("relevance", rolled_out, "halved"),
    ("logit_parts", lens_like, "its own deviation"),
    ("weighted_ridge", scaled_rows, "squared"),
    ("small_machine_rule", not_stretched, "warm-up is not stretched"),
    ("paired_with_gaps", unpaired, "over all of its own runs"),
    ("cubic_step_backward", thrice, "that of a number"),
    ("straight_positions", lambda E, order: np.concatenate([E[:1], E[1:][order]]), "turned round"),
    ("overlapping_tubelets", lambda v, Pf, stride, P: tubelets_unfold(v, Pf, Pf, P), "do not overlap"),
    ("inflated_filters_backward", lambda d, Pf: filters_autograd(d, Pf) * Pf, "not divided"),
    ("total_error", lambda a, n: a.std(1, ddof=1) / math.sqrt(a.shape[1]), "seeds alone"),
    ("agreement_beyond_chance", lambda a, b: (a.argmax(1) == b.argmax(1)).mean(), "plain agreement"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
