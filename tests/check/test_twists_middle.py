"""Checks of notebooks 08 to 14 that go a step beyond the page: changed cases, and gradients that no page derives."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitedu.accounting import formulas
from vitedu.check import CHECKS


def tensors(*arrays):
    return [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]


# ---- right answers in other styles -----------------------------------------------------------------------------------


def clipped_by_torch(chunk_gradients, chunk_sizes, clip_norm):
    parameter = torch.zeros(chunk_gradients.shape[1:], dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.tensor((chunk_gradients * chunk_sizes[:, None, None]).sum(0) / sum(chunk_sizes))
    torch.nn.utils.clip_grad_norm_([parameter], clip_norm)
    return parameter.grad


def conv_by_torch(x, weight, stride, padding, dilation):
    x, weight = map(torch.from_numpy, (x, weight))
    return F.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation)


def conv_of_a_kernel_with_holes(x, weight, stride, padding, dilation):
    O, C, kh, kw = weight.shape
    holes = np.zeros((O, C, dilation * (kh - 1) + 1, dilation * (kw - 1) + 1))
    holes[:, :, ::dilation, ::dilation] = weight
    return conv_by_torch(x, holes, stride, padding, 1)


def standardised_autograd(dwhat, weight, eps):
    (w,) = tensors(weight)
    F.layer_norm(w, w.shape[1:], eps=eps).backward(torch.from_numpy(dwhat))
    return w.grad


def standardised_by_its_matrix(dwhat, weight, eps):
    out = []
    for dw, w in zip(dwhat.reshape(len(weight), -1), weight.reshape(len(weight), -1), strict=True):
        centre = np.eye(w.size) - 1 / w.size
        c = centre @ w
        s = np.sqrt(c @ c / w.size + eps)
        out.append((centre / s - np.outer(c, c) / (w.size * s**3)) @ dw)
    return np.reshape(out, weight.shape)


def groups_by_torch(x, weight, bias, groups, eps):
    x, weight, bias = map(torch.from_numpy, (x, weight, bias))
    return F.group_norm(x.permute(0, 3, 1, 2), groups, weight, bias, eps).permute(0, 2, 3, 1)


def groups_in_a_loop(x, weight, bias, groups, eps):
    parts = []
    for part in np.split(x, groups, axis=-1):
        mean, var = (f(part, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
        parts.append((part - mean) / np.sqrt(var + eps))
    return np.concatenate(parts, axis=-1) * weight + bias


def depthwise_autograd(dy, x, weight, stride, padding):
    x, weight = tensors(x, weight)
    F.conv2d(x, weight[:, None], stride=stride, padding=padding, groups=len(weight)).backward(torch.from_numpy(dy))
    return x.grad, weight.grad


def padding_of_a_wider_kernel(size, kernel, stride, dilation):
    wide = kernel + (kernel - 1) * (dilation - 1)
    left_over = size % stride or stride
    total = max(wide - left_over, 0)
    return total - -(-total // 2), -(-total // 2)


def tokens_autograd(dtokens, features, weight):
    features, weight, bias = tensors(features, weight, np.zeros(len(weight)))
    F.linear(features.flatten(2).mT, weight, bias).backward(torch.from_numpy(dtokens))
    return features.grad, weight.grad, bias.grad


def turned_in_the_complex_plane(PE, distance):
    n, D = PE.shape
    waves = PE.reshape(n, -1, 2) @ np.array([1j, 1])  # cos + i sin
    waves = waves * np.exp(1j * distance / 10000 ** (np.arange(D // 2) * 2 / D))
    return np.stack([waves.imag, waves.real], axis=2).reshape(n, D)


def tokens_of_a_loss_autograd(logits, targets, pad):
    (x,) = tensors(logits)
    F.cross_entropy(x.flatten(0, 1), torch.from_numpy(targets).flatten(), ignore_index=pad).backward()
    return x.grad


def grouped_by_its_layers(config, key_heads):
    T, D, narrow = config.num_tokens, config.width, key_heads * config.width // config.heads
    return T * (D * (D + 2 * narrow) + D * D) + 2 * config.heads * T * T * (D // config.heads)


def a_smaller_image(config, kept):
    """The same model for an image that has only so many patches."""
    P = config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0]
    return sum(formulas.macs_by_part(replace(config, image_size=(P, kept * P))).values())


def separable_by_two(height, width, inputs, outputs, kernel, stride):
    places = len(range(0, height, stride)) * len(range(0, width, stride))
    return places * kernel * kernel * inputs + places * inputs * outputs


def fused_and_what_it_saves(tokens, width, heads, mlp_dim):
    fused = CHECKS["block_activations"].reference(tokens, width, heads, mlp_dim)
    return fused + heads * tokens * (tokens - 1) + tokens * mlp_dim


def by_logarithms(rates, weight_decay, new_rates):
    return math.log(np.prod(np.exp(weight_decay * rates))) / np.sum(new_rates)


def out_by_loops(kernel, head):
    h, Dh, D = kernel.shape
    weight = np.zeros((D, D))
    for d, a, e in np.ndindex(D, h, Dh):
        weight[d, a * Dh + e] = 0 if a == head else kernel[a, e, d]
    return weight


RIGHT = [
    ("clipped_gradient", clipped_by_torch), ("dilated_conv2d", conv_by_torch),
    ("dilated_conv2d", conv_of_a_kernel_with_holes), ("standardize_backward", standardised_autograd),
    ("standardize_backward", standardised_by_its_matrix), ("groupnorm_last", groups_by_torch),
    ("groupnorm_last", groups_in_a_loop), ("depthwise_backward", depthwise_autograd),
    ("same_padding_dilated", padding_of_a_wider_kernel), ("feature_tokens_backward", tokens_autograd),
    ("moved_waves", turned_in_the_complex_plane), ("token_cross_entropy_backward", tokens_of_a_loss_autograd),
    ("grouped_attention_macs", grouped_by_its_layers), ("kept_patches_macs", a_smaller_image),
    ("separable_macs", separable_by_two), ("explicit_activations", fused_and_what_it_saves),
    ("carried_decay", by_logarithms), ("silenced_out", out_by_loops),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=[answer.__name__ for _, answer in RIGHT])
def test_right_in_another_style(name, answer):
    verdict = CHECKS[name].verdict(answer)
    assert verdict.ok, verdict.message


# ---- mistakes in other words -----------------------------------------------------------------------------------------


def clipped_chunk_by_chunk(chunk_gradients, chunk_sizes, clip_norm):
    total = 0
    for g, n in zip(chunk_gradients, chunk_sizes, strict=True):
        total = total + n * g / max(1, np.linalg.norm(g) / clip_norm)
    return total / sum(chunk_sizes)


def not_spread(x, weight, stride, padding, dilation):
    y = conv_by_torch(x, weight, stride, padding, dilation)
    return conv_by_torch(x, weight, stride, padding, 1)[:, :, : y.shape[2], : y.shape[3]]


def deviation_held_fixed(dwhat, weight, eps):
    flat = weight.reshape(len(weight), -1)
    root = np.sqrt(np.var(flat, axis=1) + eps)[:, None, None, None]
    return dwhat / root - (dwhat / root).mean((1, 2, 3), keepdims=True)


def rows_of_memory(x, weight, bias, groups, eps):
    rows = x.reshape(x.shape[0] * groups, -1)
    rows = (rows - rows.mean(1)[:, None]) / np.sqrt(rows.var(1)[:, None] + eps)
    return weight * rows.reshape(x.shape) + bias


def with_the_border(dy, x, weight, stride, padding):
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    return depthwise_autograd(dy, x, weight, stride, 0)


def span_too_long(size, kernel, stride, dilation):
    total = max(0, (-(-size // stride) - 1) * stride + kernel * dilation - size)
    return total // 2, total - total // 2


def reshaped_only(dtokens, features, weight):
    _, dweight, dbias = tokens_autograd(dtokens, features, weight)
    return (dtokens @ weight).reshape(features.shape), dweight, dbias


def turned_back(PE, distance):
    return turned_in_the_complex_plane(PE, -distance)


def padding_pulls_too(logits, targets, pad):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    d = e / e.sum(-1, keepdims=True)
    np.put_along_axis(d, targets[..., None], np.take_along_axis(d, targets[..., None], -1) - 1, -1)
    return d / np.count_nonzero(targets != pad)


def scores_for_key_heads(config, key_heads):
    T, D, Dh = config.num_tokens, config.width, config.width // config.heads
    return 2 * T * D * D + 2 * key_heads * Dh * T * (D + T)


def all_are_embedded(config, kept):
    return a_smaller_image(config, kept) + (config.num_patches - kept) * config.patch_size**2 * (
        config.channels * config.width
    )


def an_ordinary_one(height, width, inputs, outputs, kernel, stride):
    return -(-height // stride) * -(-width // stride) * inputs * outputs * kernel**2


def fused_still(tokens, width, heads, mlp_dim):
    return fused_and_what_it_saves(tokens, width, heads, mlp_dim) - tokens * mlp_dim


def by_the_highest_rate(rates, weight_decay, new_rates):
    return weight_decay / (max(new_rates) / max(rates))


def rows_are_silenced(kernel, head):
    weight = kernel.reshape(-1, kernel.shape[2]).T.copy()
    weight[head * kernel.shape[1] : (head + 1) * kernel.shape[1]] = 0
    return weight


AGAIN = [
    ("clipped_gradient", clipped_chunk_by_chunk, "each chunk is clipped before the mean"),
    ("dilated_conv2d", not_spread, "the dilation is not used"),
    ("standardize_backward", deviation_held_fixed, "the deviation is held fixed"),
    ("groupnorm_last", rows_of_memory, "as they lie in memory"),
    ("depthwise_backward", with_the_border, "still has the border"),
    ("same_padding_dilated", span_too_long, "the span is dilation times kernel"),
    ("feature_tokens_backward", reshaped_only, "without moving the channels back"),
    ("moved_waves", turned_back, "the wrong way"),
    ("token_cross_entropy_backward", padding_pulls_too, "padding gets a gradient too"),
    ("grouped_attention_macs", scores_for_key_heads, "for the heads of keys alone"),
    ("kept_patches_macs", all_are_embedded, "all patches are embedded"),
    ("separable_macs", an_ordinary_one, "an ordinary convolution is counted"),
    ("explicit_activations", fused_still, "what GELU gives is not kept"),
    ("carried_decay", by_the_highest_rate, "only the highest rates are compared"),
    ("silenced_out", rows_are_silenced, "rows of the weight are silenced"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=[answer.__name__ for _, answer, _ in AGAIN])
def test_named(name, answer, words):
    verdict = CHECKS[name].verdict(answer)
    assert not verdict.ok
    assert words in verdict.message
