"""Wrong answers to notebooks/15_finetuning.ipynb: a zero head, BiT's rule and stair, the size to afford."""

from __future__ import annotations

import numpy as np

from . import FirstGeneration

__all__ = ["affordable_size", "hyper_rule", "stair_rate", "zero_head_gradients"]


def _head(y, labels, num_classes, *, p=None, target=1.0, parts=None, sign=1.0):
    """dlogits, dweight, dbias of a head of zeros, with room for a slip in every part."""
    dlogits = np.full((len(y), num_classes), 1 / num_classes if p is None else p)
    dlogits[np.arange(len(y)), labels] -= target
    dlogits *= sign / (len(y) if parts is None else parts)
    return dlogits, dlogits.T @ y, dlogits.sum(axis=0)


def _head_gradients(y, labels, num_classes, **slips):
    _, dweight, dbias = _head(y, labels, num_classes, **slips)
    return dweight, dbias, np.zeros_like(y)


def _transposed(y, labels, num_classes):
    dweight, dbias, dy = _head_gradients(y, labels, num_classes)
    return dweight.T, dbias, dy


def _bias_mean(y, labels, num_classes):
    dweight, dbias, dy = _head_gradients(y, labels, num_classes)
    return dweight, dbias / len(y), dy


def _no_bias(y, labels, num_classes):
    dweight, dbias, dy = _head_gradients(y, labels, num_classes)
    return dweight, 0 * dbias, dy


def _through_gradient(sign):
    def answer(y, labels, num_classes):
        dlogits, dweight, dbias = _head(y, labels, num_classes)
        return dweight, dbias, sign * dlogits @ dweight

    return answer


def _nothing_learns(y, labels, num_classes):
    return np.zeros((num_classes, y.shape[1])), np.zeros(num_classes), np.zeros_like(y)


zero_head_gradients = FirstGeneration(
    _head_gradients,
    [
        ("the head itself gets no gradient", _nothing_learns),
        ("dy goes through the gradient of the weight, not through the weight", _through_gradient(1)),
        ("dy is that of the second step: it goes through the weight after an update", _through_gradient(-1)),
        ("the sum over the images, not their mean", lambda y, t, K: _head_gradients(y, t, K, parts=1)),
        ("divided by the number of classes, not of images", lambda y, t, K: _head_gradients(y, t, K, parts=K)),
        (
            "the probabilities are 0: only the right class gets a gradient",
            lambda y, t, K: _head_gradients(y, t, K, p=0.0),
        ),
        ("every probability is 1/2", lambda y, t, K: _head_gradients(y, t, K, p=0.5)),
        ("the labels are not used", lambda y, t, K: _head_gradients(y, t, K, target=0.0)),
        ("target minus probability", lambda y, t, K: _head_gradients(y, t, K, sign=-1.0)),
        ("dweight is transposed", _transposed),
        ("dbias is divided by the number of images twice", _bias_mean),
        ("the bias gets no gradient", _no_bias),
    ],
)


def _stair(step, base, total, warmup, parts, *, factor=10, at=False, warm=0, behind=None, most=99):
    """BiT's schedule; factor: of one stair, at: down at a milestone itself, most: stairs at the most."""
    if behind is None:
        places = [round(part * total) for part in parts]
        behind = sum(step >= place if at else step > place for place in places)
    rate = base / factor ** min(behind, most)
    return rate * min(1.0, (step + warm) / warmup) if warmup else rate


def _after_warmup(step, base, total, warmup, parts):
    behind = sum(step - warmup > round(part * (total - warmup)) for part in parts)
    return _stair(step, base, total, warmup, parts, behind=behind)


def _linear_down(step, base, total, warmup, parts):
    return base * min(1.0, step / warmup) / (1 + 9 * sum(step > round(part * total) for part in parts))


stair_rate = FirstGeneration(
    _stair,
    [
        ("there is no warm-up", lambda *a: _stair(*a[:3], 0, a[4])),
        ("the warm-up counts from 1", lambda *a: _stair(*a, warm=1)),
        ("the rate falls at the milestone itself, not after it", lambda *a: _stair(*a, at=True)),
        ("one stair only", lambda *a: _stair(*a, most=1)),
        ("each stair halves the rate", lambda *a: _stair(*a, factor=2)),
        ("the rate never falls", lambda *a: _stair(*a, most=0)),
        ("the rate rises at each milestone", lambda *a: _stair(*a, factor=0.1)),
        ("milestones are parts of the time after the warm-up", _after_warmup),
        ("the second stair divides by 19, the third by 28", _linear_down),
    ],
)


def _rule(n, H, W, *, is_small=None, large=(512, 480), steps=None, mixup=None):
    small_image = H * W < 96 * 96 if is_small is None else is_small
    resize, crop = (160, 128) if small_image else large
    by_size = 500 if n < 20_000 else 10_000 if n < 500_000 else 20_000
    return resize, crop, by_size if steps is None else steps, (0.0 if n < 20_000 else 0.1) if mixup is None else mixup


hyper_rule = FirstGeneration(
    _rule,
    [
        ("a small image is one with both sides below 96", lambda n, H, W: _rule(n, H, W, is_small=H < 96 and W < 96)),
        ("a small image is one with a side below 96", lambda n, H, W: _rule(n, H, W, is_small=H < 96 or W < 96)),
        ("an image of exactly 96 x 96 is taken for small", lambda n, H, W: _rule(n, H, W, is_small=H * W <= 96 * 96)),
        ("all images are taken for large ones", lambda n, H, W: _rule(n, H, W, is_small=False)),
        (
            "the sizes of the paper, 448 and 384, not those of the code",
            lambda n, H, W: _rule(n, H, W, large=(448, 384)),
        ),
        ("resize and crop are exchanged", lambda n, H, W: (lambda r: (r[1], r[0], *r[2:]))(_rule(n, H, W))),
        (
            "two lengths only: all data sets of 20 000 images or more get 10 000 steps",
            lambda n, H, W: _rule(n, H, W, steps=500 if n < 20_000 else 10_000),
        ),
        (
            "two lengths only: all data sets of 20 000 images or more get 20 000 steps",
            lambda n, H, W: _rule(n, H, W, steps=500 if n < 20_000 else 20_000),
        ),
        (
            "the borders belong to the smaller class: 20 000 and 500 000 are taken as below",
            lambda n, H, W: _rule(n - 1, H, W),
        ),
        ("small data sets get mixup", lambda n, H, W: _rule(n, H, W, mixup=0.1)),
        ("no data set gets mixup", lambda n, H, W: _rule(n, H, W, mixup=0.0)),
        ("only the largest data sets get mixup", lambda n, H, W: _rule(n, H, W, mixup=0.0 if n < 500_000 else 0.1)),
    ],
)


def _block(T, D, M, linear=1, products=1, mlp=1):
    return linear * 4 * T * D * D + products * 2 * T * T * D + mlp * 2 * T * D * M


def _affordable(size, P, D, M, times, *, cost=_block, token=1, unit=None, more=0):
    """The largest side, patch by patch."""

    def at(side):
        return cost(side * side + token, D, M)

    side = size // P
    while at(side + 1) <= times * at(size // P):
        side += 1
    return (side + more) * (P if unit is None else unit)


affordable_size = FirstGeneration(
    _affordable,
    [
        (
            "the cost is taken to grow as T: the products of attention are forgotten",
            lambda *a: _affordable(*a, cost=lambda T, D, M: T),
        ),
        ("the cost is taken to grow as T^2", lambda *a: _affordable(*a, cost=lambda T, D, M: T * T)),
        ("the cost is taken to grow as the side", lambda *a: _affordable(*a, cost=lambda T, D, M: (T - 1) ** 0.5)),
        ("the MLP is not counted", lambda *a: _affordable(*a, cost=lambda T, D, M: _block(T, D, M, mlp=0))),
        (
            "the linear layers of attention are not counted",
            lambda *a: _affordable(*a, cost=lambda T, D, M: _block(T, D, M, linear=0)),
        ),
        ("the class token is forgotten: N tokens, not T", lambda *a: _affordable(*a, token=0)),
        ("one patch too many on each side: it costs more than allowed", lambda *a: _affordable(*a, more=1)),
        ("one patch too few on each side", lambda *a: _affordable(*a, more=-1)),
        ("the side is given in patches", lambda *a: _affordable(*a, unit=1)),
    ],
)
