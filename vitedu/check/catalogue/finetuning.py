"""Checks for notebooks/15_finetuning.ipynb: a zero head's gradients, BiT's rule and stair, the size one can afford."""

from __future__ import annotations

import numpy as np

from ..engine import Check, Mistake

__all__ = ["affordable_size", "hyper_rule", "stair_rate", "zero_head_gradients"]

_EXACT = 1e-9  # whole numbers, and rates that are ten times as large as the next


# ---- zero_head_gradients(y, labels, num_classes) ---------------------------------------------------------------------


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


def _head_cases(rng):
    sizes = [(4, 5, 3), (7, 3, 5), (6, 8, 4)]
    return [(rng.standard_normal((B, D)), rng.integers(0, K, B), K) for B, D, K in sizes]


zero_head_gradients = Check(
    "zero_head_gradients",
    reference=_head_gradients,
    cases=_head_cases,
    outputs={"dweight": "(K, D)", "dbias": "(K,)", "dy": "(B, D)"},
    mistakes=[
        Mistake(
            "the head itself gets no gradient",
            "The weight's gradient is made from the scores' gradient and from y. Is either of them zero?",
            _nothing_learns,
        ),
        Mistake(
            "dy goes through the gradient of the weight, not through the weight",
            "What is multiplied with y in the forward?",
            _through_gradient(1),
        ),
        Mistake(
            "dy is that of the second step: it goes through the weight after an update",
            "At the first step the weight has not moved yet.",
            _through_gradient(-1),
        ),
        Mistake(
            "the sum over the images, not their mean",
            "The loss is a mean over the batch.",
            lambda y, t, K: _head_gradients(y, t, K, parts=1),
        ),
        Mistake(
            "divided by the number of classes, not of images",
            "Over what is the loss averaged?",
            lambda y, t, K: _head_gradients(y, t, K, parts=K),
        ),
        Mistake(
            "the probabilities are 0: only the right class gets a gradient",
            "Softmax of equal scores: how likely is each class?",
            lambda y, t, K: _head_gradients(y, t, K, p=0.0),
        ),
        Mistake(
            "every probability is 1/2",
            "That is the sigmoid of 0. Here the probabilities of an image add up to 1.",
            lambda y, t, K: _head_gradients(y, t, K, p=0.5),
        ),
        Mistake(
            "the labels are not used",
            "The scores' gradient is probability minus target.",
            lambda y, t, K: _head_gradients(y, t, K, target=0.0),
        ),
        Mistake(
            "target minus probability",
            "With this sign the update would make the right class less likely.",
            lambda y, t, K: _head_gradients(y, t, K, sign=-1.0),
        ),
        Mistake(
            "dweight is transposed",
            "A weight is (outputs, inputs), and its gradient too.",
            _transposed,
        ),
        Mistake(
            "dbias is divided by the number of images twice",
            "The gradient of the scores is divided already; the bias sums it over the images.",
            _bias_mean,
        ),
        Mistake(
            "the bias gets no gradient",
            "The bias is added to every image's scores.",
            _no_bias,
        ),
    ],
)


# ---- stair_rate(step, base, total_steps, warmup_steps, milestones) ---------------------------------------------------


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


def _stair_cases(rng):
    """(step, base, total steps, warm-up, milestones): before, in and after the warm-up, on and beside milestones."""
    runs = [(0.003, 500, 100, (0.4, 0.6, 0.8)), (0.02, 1000, 50, (0.3, 0.6, 0.9))]
    steps = [(0, 37, 100, 200, 201, 260, 300, 301, 350, 401, 499), (10, 50, 299, 300, 301, 590, 640, 905, 999)]
    return [(step, *run) for run, some in zip(runs, steps, strict=True) for step in some]


stair_rate = Check(
    "stair_rate",
    reference=_stair,
    cases=_stair_cases,
    outputs={"rate": "(a number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "there is no warm-up",
            "What is the rate of step 0?",
            lambda *a: _stair(*a[:3], 0, a[4]),
        ),
        Mistake(
            "the warm-up counts from 1",
            "The first update has rate 0.",
            lambda *a: _stair(*a, warm=1),
        ),
        Mistake(
            "the rate falls at the milestone itself, not after it",
            "With a milestone at 200, step 200 still has the old rate.",
            lambda *a: _stair(*a, at=True),
        ),
        Mistake(
            "one stair only",
            "Each milestone that is behind divides once more.",
            lambda *a: _stair(*a, most=1),
        ),
        Mistake(
            "each stair halves the rate",
            "How many times smaller is the rate after a milestone?",
            lambda *a: _stair(*a, factor=2),
        ),
        Mistake(
            "the rate never falls",
            "What happens at the milestones?",
            lambda *a: _stair(*a, most=0),
        ),
        Mistake(
            "the rate rises at each milestone",
            "After a milestone steps should be shorter.",
            lambda *a: _stair(*a, factor=0.1),
        ),
        Mistake(
            "milestones are parts of the time after the warm-up",
            "They are parts of the whole run.",
            _after_warmup,
        ),
        Mistake(
            "the second stair divides by 19, the third by 28",
            "A tenth of a tenth: how much is that?",
            _linear_down,
        ),
    ],
)


# ---- hyper_rule(num_images, height, width) ---------------------------------------------------------------------------


def _rule(n, H, W, *, is_small=None, large=(512, 480), steps=None, mixup=None):
    small_image = H * W < 96 * 96 if is_small is None else is_small
    resize, crop = (160, 128) if small_image else large
    by_size = 500 if n < 20_000 else 10_000 if n < 500_000 else 20_000
    return resize, crop, by_size if steps is None else steps, (0.0 if n < 20_000 else 0.1) if mixup is None else mixup


def _rule_cases(rng):
    """(images, height, width): one just below and one at every border; long images of few pixels, and of many."""
    return [
        (3_680, 375, 500), (50_000, 32, 32), (1_281_167, 375, 500), (19_999, 64, 100), (20_000, 96, 96),
        (499_999, 95, 96), (500_000, 200, 40), (1_000, 90, 120), (2_000, 300, 60),
    ]  # fmt: skip


hyper_rule = Check(
    "hyper_rule",
    reference=_rule,
    cases=_rule_cases,
    outputs={"resize": "(pixels)", "crop": "(pixels)", "steps": "(a number)", "mixup": "(a number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "a small image is one with both sides below 96",
            "The area counts: what of 64 x 100?",
            lambda n, H, W: _rule(n, H, W, is_small=H < 96 and W < 96),
        ),
        Mistake(
            "a small image is one with a side below 96",
            "The area counts: what of 90 x 120?",
            lambda n, H, W: _rule(n, H, W, is_small=H < 96 or W < 96),
        ),
        Mistake(
            "an image of exactly 96 x 96 is taken for small",
            "Below 96 x 96, not at it.",
            lambda n, H, W: _rule(n, H, W, is_small=H * W <= 96 * 96),
        ),
        Mistake(
            "all images are taken for large ones",
            "What is done with 32 x 32 pixels?",
            lambda n, H, W: _rule(n, H, W, is_small=False),
        ),
        Mistake(
            "the sizes of the paper, 448 and 384, not those of the code",
            "The table has two columns; the released results are the code's.",
            lambda n, H, W: _rule(n, H, W, large=(448, 384)),
        ),
        Mistake(
            "resize and crop are exchanged",
            "Can a crop be larger than the image it is cut from?",
            lambda n, H, W: (lambda r: (r[1], r[0], *r[2:]))(_rule(n, H, W)),
        ),
        Mistake(
            "two lengths only: all data sets of 20 000 images or more get 10 000 steps",
            "What of the largest data sets?",
            lambda n, H, W: _rule(n, H, W, steps=500 if n < 20_000 else 10_000),
        ),
        Mistake(
            "two lengths only: all data sets of 20 000 images or more get 20 000 steps",
            "What of the middle ones?",
            lambda n, H, W: _rule(n, H, W, steps=500 if n < 20_000 else 20_000),
        ),
        Mistake(
            "the borders belong to the smaller class: 20 000 and 500 000 are taken as below",
            "Fewer than 20 000; fewer than 500 000.",
            lambda n, H, W: _rule(n - 1, H, W),
        ),
        Mistake(
            "small data sets get mixup",
            "Few steps leave no time for mixed images.",
            lambda n, H, W: _rule(n, H, W, mixup=0.1),
        ),
        Mistake(
            "no data set gets mixup",
            "From 20 000 images on, images are mixed.",
            lambda n, H, W: _rule(n, H, W, mixup=0.0),
        ),
        Mistake(
            "only the largest data sets get mixup",
            "The middle ones are long enough too.",
            lambda n, H, W: _rule(n, H, W, mixup=0.0 if n < 500_000 else 0.1),
        ),
    ],
)


# ---- affordable_size(image_size, patch_size, width, mlp_dim, times) --------------------------------------------------


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


affordable_size = Check(
    "affordable_size",
    reference=_affordable,
    cases=lambda rng: [
        (224, 16, 768, 3072, 4),
        (224, 14, 64, 128, 9),
        (32, 4, 96, 384, 12),
        (32, 8, 48, 96, 40),
        (16, 8, 300, 20, 3),
        (8, 8, 50, 10, 3),
    ],
    outputs={"size": "(pixels)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the cost is taken to grow as T: the products of attention are forgotten",
            "Which two products of a block have T^2 terms?",
            lambda *a: _affordable(*a, cost=lambda T, D, M: T),
        ),
        Mistake(
            "the cost is taken to grow as T^2",
            "Most of a block is linear layers, which work on each token alone.",
            lambda *a: _affordable(*a, cost=lambda T, D, M: T * T),
        ),
        Mistake(
            "the cost is taken to grow as the side",
            "An image of twice the side has how many patches?",
            lambda *a: _affordable(*a, cost=lambda T, D, M: (T - 1) ** 0.5),
        ),
        Mistake(
            "the MLP is not counted",
            "A block has two halves.",
            lambda *a: _affordable(*a, cost=lambda T, D, M: _block(T, D, M, mlp=0)),
        ),
        Mistake(
            "the linear layers of attention are not counted",
            "Queries, keys, values and the output layer are products with weights.",
            lambda *a: _affordable(*a, cost=lambda T, D, M: _block(T, D, M, linear=0)),
        ),
        Mistake(
            "the class token is forgotten: N tokens, not T",
            "How long is the sequence that enters a block?",
            lambda *a: _affordable(*a, token=0),
        ),
        Mistake(
            "one patch too many on each side: it costs more than allowed",
            "The last size that is still affordable, not the first that is not.",
            lambda *a: _affordable(*a, more=1),
        ),
        Mistake(
            "one patch too few on each side",
            "A larger size would still be affordable.",
            lambda *a: _affordable(*a, more=-1),
        ),
        Mistake(
            "the side is given in patches",
            "How many pixels is that?",
            lambda *a: _affordable(*a, unit=1),
        ),
    ],
)
