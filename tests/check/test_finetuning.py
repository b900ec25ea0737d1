"""The checks of notebooks/15_finetuning.ipynb: a zero head's gradients, BiT's stair and rule, cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vitedu import recipes
from vitedu_numpy.config import ViTConfig
from vitedu_numpy.schedule import learning_rate

# ---- right answers in other styles -----------------------------------------------------------------------------------


def by_autograd(y, labels, num_classes):
    y = torch.tensor(y, requires_grad=True)
    head = torch.nn.Linear(y.shape[1], num_classes, dtype=torch.float64)
    torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    torch.nn.functional.cross_entropy(head(y), torch.tensor(labels)).backward()
    return head.weight.grad, head.bias.grad, y.grad


def image_by_image(y, labels, num_classes):
    dweight, dbias = np.zeros((num_classes, y.shape[1])), np.zeros(num_classes)
    for row, label in zip(y, labels, strict=True):
        for k in range(num_classes):
            d = (1 / num_classes - (k == label)) / len(y)
            dweight[k] += d * row
            dbias[k] += d
    return dweight, dbias, y * 0


def by_the_schedule(step, base, total_steps, warmup_steps, milestones):
    return learning_rate(
        step, base=base, total_steps=total_steps, warmup_steps=warmup_steps, decay="stair", milestones=milestones
    )


def down_the_stairs(step, base, total_steps, warmup_steps, milestones):
    rate = base
    for part in milestones:
        if step >= math.floor(part * total_steps + 0.5) + 1:
            rate /= 10
    return rate * step / warmup_steps if step < warmup_steps else rate


def by_the_recipe(num_images, height, width):
    rule = recipes.hyper_rule(num_images, (height, width))
    return rule.resize, rule.crop, rule.steps, rule.mixup


def by_trying_all(image_size, patch_size, width, mlp_dim, times):
    """The MACs of a block from its matrix products, at every size up to a very large one."""

    def macs(size):
        T = ViTConfig(size, patch_size, width, 1, 1, mlp_dim, 2).num_tokens
        return T * width * 3 * width + 2 * T * T * width + T * width * width + 2 * T * width * mlp_dim

    sizes = range(patch_size, 40 * image_size, patch_size)
    return max(size for size in sizes if macs(size) <= times * macs(image_size))


def by_the_formula(image_size, patch_size, width, mlp_dim, times):
    """2 D T^2 + (4 D^2 + 2 D M) T = cost, solved for T."""
    a, b = 2 * width, 4 * width**2 + 2 * width * mlp_dim
    T = (image_size // patch_size) ** 2 + 1
    cost = times * (a * T**2 + b * T)
    T = (-b + (b**2 + 4 * a * cost) ** 0.5) / (2 * a)
    return int((T - 1 + 1e-9) ** 0.5) * patch_size


RIGHT = [
    ("zero_head_gradients", by_autograd),
    ("zero_head_gradients", image_by_image),
    ("stair_rate", by_the_schedule),
    ("stair_rate", down_the_stairs),
    ("hyper_rule", by_the_recipe),
    ("affordable_size", by_trying_all),
    ("affordable_size", by_the_formula),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


def test_gradients_in_single_precision(assert_right, in_float32):
    assert_right("zero_head_gradients", in_float32(image_by_image))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def summed_loss(y, labels, num_classes):
    return [part * len(y) for part in image_by_image(y, labels, num_classes)]


def weight_like_y(y, labels, num_classes):
    dweight, dbias, dy = image_by_image(y, labels, num_classes)
    return dweight.T, dbias, dy


def after_a_step(y, labels, num_classes):
    dweight, dbias, _ = image_by_image(y, labels, num_classes)
    d = (1 / num_classes - np.eye(num_classes)[labels]) / len(y)
    return dweight, dbias, d @ (0 - dweight)


def sigmoid_of_zero(y, labels, num_classes):
    d = (0.5 - np.eye(num_classes)[labels]) / len(y)
    return d.T @ y, d.sum(0), 0 * y


def frozen(y, labels, num_classes):
    return [0 * part for part in image_by_image(y, labels, num_classes)]


def no_warmup(step, base, total_steps, warmup_steps, milestones):
    return learning_rate(step, base=base, total_steps=total_steps, decay="stair", milestones=milestones)


def at_once(step, base, total_steps, warmup_steps, milestones):
    rate = base * 0.1 ** np.searchsorted(np.round(np.multiply(milestones, total_steps)), step, side="right")
    return rate * min(1, step / warmup_steps)


def once(step, base, total_steps, warmup_steps, milestones):
    return by_the_schedule(step, base, total_steps, warmup_steps, milestones[:1])


def of_the_paper(num_images, height, width):
    rule, code = (recipes.hyper_rule(num_images, (height, width), version) for version in ("paper", "code"))
    return rule.resize, rule.crop, rule.steps, code.mixup


def by_the_longer_side(num_images, height, width):
    square = max(height, width)
    return by_the_recipe(num_images, square, square)


def never_long(num_images, height, width):
    resize, crop, steps, mixup = by_the_recipe(num_images, height, width)
    return resize, crop, min(steps, 10_000), mixup


def as_many_tokens(image_size, patch_size, width, mlp_dim, times):
    tokens = times * ((image_size // patch_size) ** 2 + 1)
    return int((tokens - 1) ** 0.5) * patch_size


def attention_only(image_size, patch_size, width, mlp_dim, times):
    return by_the_formula(image_size, patch_size, width, 0, times)


def in_patches(image_size, patch_size, width, mlp_dim, times):
    return by_the_formula(image_size, patch_size, width, mlp_dim, times) // patch_size


def first_that_is_too_large(image_size, patch_size, width, mlp_dim, times):
    return by_the_formula(image_size, patch_size, width, mlp_dim, times) + patch_size


AGAIN = [
    ("zero_head_gradients", summed_loss, "not their mean"),
    ("zero_head_gradients", weight_like_y, "transposed"),
    ("zero_head_gradients", after_a_step, "second step"),
    ("zero_head_gradients", sigmoid_of_zero, "1/2"),
    ("zero_head_gradients", frozen, "gets no gradient"),
    ("stair_rate", no_warmup, "no warm-up"),
    ("stair_rate", at_once, "at the milestone itself"),
    ("stair_rate", once, "one stair only"),
    ("hyper_rule", of_the_paper, "sizes of the paper"),
    ("hyper_rule", by_the_longer_side, "both sides below 96"),
    ("hyper_rule", never_long, "10 000 steps"),
    ("affordable_size", as_many_tokens, "grow as T:"),
    ("affordable_size", attention_only, "MLP"),
    ("affordable_size", in_patches, "in patches"),
    ("affordable_size", first_that_is_too_large, "too many"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
