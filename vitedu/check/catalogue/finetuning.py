"""Exercises of notebooks/15_finetuning.ipynb: a zero head's gradients, BiT's rule and stair, the size to afford."""

from __future__ import annotations

import math

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import bias_gradient, one_hot, weight_gradient

__all__ = ["affordable_size", "hyper_rule", "small_machine_rule", "stair_rate", "zero_head_gradients"]

_EXACT = 1e-9  # whole numbers, and rates that are ten times as large as the next


# ---- zero_head_gradients(y, labels, num_classes) ---------------------------------------------------------------------


def _head_cases(rng):
    sizes = [(4, 5, 3), (7, 3, 5), (6, 8, 4)]
    return [(rng.standard_normal((B, D)), rng.integers(0, K, B), K) for B, D, K in sizes]


@exercise(cases=_head_cases, outputs={"dweight": "(K, D)", "dbias": "(K,)", "dy": "(B, D)"}, level=2, minutes=15)
def zero_head_gradients(y, labels, num_classes):
    B, D = y.shape
    p = np.full((B, num_classes), 1 / num_classes)  # the probabilities
    target = one_hot(labels, num_classes)  # the targets
    dlogits = (p - target) / B  # the gradient of the scores
    dweight = weight_gradient(dlogits, y)  # dweight
    dbias = bias_gradient(dlogits)  # dbias
    dy = np.zeros((B, D))  # dy
    return dweight, dbias, dy


_HEAD = "The weight's gradient is made from the scores' gradient and from y. Is either of them zero?"
for _name, _why, _lines in (
    ("the head itself gets no gradient", _HEAD, {"dlogits": "0 * p"}),
    ("dy goes through the gradient of the weight, not through the weight", "What is multiplied with y in the forward?",
     {"dy": "dlogits @ dweight"}),
    ("dy is that of the second step: it goes through the weight after an update",
     "At the first step the weight has not moved yet.", {"dy": "-(dlogits @ dweight)"}),
    ("the sum over the images, not their mean", "The loss is a mean over the batch.", {"dlogits": "p - target"}),
    ("divided by the number of classes, not of images", "Over what is the loss averaged?",
     {"dlogits": "(p - target) / num_classes"}),
    ("the probabilities are 0: only the right class gets a gradient",
     "Softmax of equal scores: how likely is each class?", {"p": "0.0"}),
    ("every probability is 1/2", "That is the sigmoid of 0. Here the probabilities of an image add up to 1.",
     {"p": "0.5"}),
    ("the labels are not used", "The scores' gradient is probability minus target.", {"dlogits": "p / B"}),
    ("target minus probability", "With this sign the update would make the right class less likely.",
     {"dlogits": "(target - p) / B"}),
    ("the bias gets no gradient", "The bias is added to every image's scores.", {"dbias": "0 * dlogits[0]"}),
    ("dbias is divided by the number of images twice",
     "The gradient of the scores is divided already; the bias sums it over the images.",
     {"dbias": "dlogits.mean(axis=0)"}),
):  # fmt: skip
    zero_head_gradients.slip(_name, _why, **_lines)


# ---- stair_rate(step, base, total_steps, warmup_steps, milestones) ---------------------------------------------------


def _stair_cases(rng):
    """(step, base, total steps, warm-up, milestones): before, in and after the warm-up, on and beside milestones."""
    runs = [(0.003, 500, 100, (0.4, 0.6, 0.8)), (0.02, 1000, 50, (0.3, 0.6, 0.9)), (0.01, 77, 7, (0.36, 0.65))]
    steps = [(0, 37, 100, 200, 201, 260, 300, 301, 350, 401, 499), (10, 50, 299, 300, 301, 590, 640, 905, 999)]
    steps.append((27, 28, 29, 50, 51))  # 0.36 and 0.65 of 77 steps are no whole numbers
    return [(step, *run) for run, some in zip(runs, steps, strict=True) for step in some]


@exercise(cases=_stair_cases, outputs={"rate": "(a number)"}, tolerance=_EXACT, level=2, minutes=15)
def stair_rate(step, base, total_steps, warmup_steps, milestones):
    places = [round(part * total_steps) for part in milestones]  # the milestones' steps
    behind = sum(step > place for place in places)  # the milestones that are behind
    stairs = base / 10**behind  # the stairs
    warm = min(1.0, step / warmup_steps)  # the warm-up
    return stairs * warm  # the rate


stair_rate.slips_in(
    "warm",
    ("there is no warm-up", "What is the rate of step 0?", "1.0"),
    ("the warm-up counts from 1", "The first update has rate 0.", "min(1.0, (step + 1) / warmup_steps)"),
    ("the warm-up goes on growing", "What is step / warm-up long after the warm-up?", "step / warmup_steps"),
)
stair_rate.slips_in(
    "behind",
    ("the rate falls at the milestone itself, not after it", "With a milestone at 200, step 200 has the old rate.",
     "sum(step >= place for place in places)"),
    ("one stair only", "Each milestone that is behind divides once more.", "min(1, sum(step > p for p in places))"),
    ("the rate never falls", "What happens at the milestones?", "0"),
)  # fmt: skip
stair_rate.slips_in(
    "stairs",
    ("each stair halves the rate", "How many times smaller is the rate after a milestone?", "base / 2**behind"),
    ("the rate rises at each milestone", "After a milestone steps should be shorter.", "base * 10**behind"),
    ("the second stair divides by 19, the third by 28", "A tenth of a tenth: how much is that?",
     "base / (1 + 9 * behind)"),
    ("the second stair divides by 20, the third by 30", "A tenth of a tenth: how much is that?",
     "base / (10 * behind if behind else 1)"),
    ("each milestone takes a tenth away, not nine tenths", "What is a tenth of the rate?", "base * 0.9**behind"),
)  # fmt: skip
_WHOLE = "They are parts of the whole run."
stair_rate.slips_in(
    "places",
    ("milestones are parts of the time after the warm-up", _WHOLE,
     "[warmup_steps + round(part * (total_steps - warmup_steps)) for part in milestones]"),
    ("milestones are counted from the end of the warm-up", _WHOLE,
     "[warmup_steps + round(part * total_steps) for part in milestones]"),
    ("milestones are taken for numbers of steps", "What is 0.4 of 500 steps?", "milestones"),
)  # fmt: skip


# ---- hyper_rule(num_images, height, width) ---------------------------------------------------------------------------


def _rule_cases(rng):
    """(images, height, width): one just below and one at every border; long images of few pixels, and of many."""
    return [
        (3_680, 375, 500), (50_000, 32, 32), (1_281_167, 375, 500), (19_999, 64, 100), (20_000, 96, 96),
        (499_999, 95, 96), (500_000, 200, 40), (1_000, 90, 120), (2_000, 300, 60), (8_000, 120, 90),
    ]  # fmt: skip


@exercise(
    cases=_rule_cases, tolerance=_EXACT, level=1, minutes=10,
    outputs={"resize": "(pixels)", "crop": "(pixels)", "steps": "(a number)", "mixup": "(a number)"},
)  # fmt: skip
def hyper_rule(num_images, height, width):
    is_small = height * width < 96 * 96  # the border of small images
    resize, crop = (160, 128) if is_small else (512, 480)  # the sizes
    is_few = num_images < 20_000  # the border of small data sets
    is_middle = num_images < 500_000  # the border of large data sets
    steps = 500 if is_few else 10_000 if is_middle else 20_000  # the steps
    mixup = 0.0 if is_few else 0.1  # the mixup
    return resize, crop, steps, mixup


_AREA = "The area counts: what of {}?"
hyper_rule.slips_in(
    "is_small",
    ("a small image is one with both sides below 96", _AREA.format("64 x 100"), "height < 96 and width < 96"),
    ("a small image is one with a side below 96", _AREA.format("90 x 120"), "height < 96 or width < 96"),
    ("a small image is one with a height below 96", _AREA.format("90 x 120"), "height < 96"),
    ("a small image is one with a width below 96", _AREA.format("200 x 40 and of 300 x 60"), "width < 96"),
    ("an image of exactly 96 x 96 is taken for small", "Below 96 x 96, not at it.", "height * width <= 96 * 96"),
    ("all images are taken for large ones", "What is done with 32 x 32 pixels?", "False"),
)
hyper_rule.slip(
    "the sizes of the paper, 448 and 384, not those of the code",
    "The table has two columns; the released results are the code's.",
    **{"(resize, crop)": "(160, 128) if is_small else (448, 384)"},
)
hyper_rule.slip(
    "resize and crop are exchanged",
    "Can a crop be larger than the image it is cut from?",
    result="(crop, resize, steps, mixup)",
)
for _side, _line in (
    ("small", "(128, 160) if is_small else (512, 480)"),
    ("large", "(160, 128) if is_small else (480, 512)"),
):
    hyper_rule.slip(
        f"resize and crop are exchanged for {_side} images",
        "Can a crop be larger than the image it is cut from?",
        **{"(resize, crop)": _line},
    )
_BORDERS = "Fewer than 20 000; fewer than 500 000."
hyper_rule.slip(
    "the borders belong to the smaller class: 20 000 and 500 000 are taken as below", _BORDERS,
    is_few="num_images <= 20_000", is_middle="num_images <= 500_000",
)  # fmt: skip
hyper_rule.slip("20 000 images are taken for fewer", _BORDERS, is_few="num_images <= 20_000")
hyper_rule.slip("500 000 images are taken for fewer", _BORDERS, is_middle="num_images <= 500_000")
_TWO = "two lengths only: all data sets of 20 000 images or more get {} steps"
hyper_rule.slips_in(
    "steps",
    (_TWO.format("10 000"), "What of the largest data sets?", "500 if is_few else 10_000"),
    (_TWO.format("20 000"), "What of the middle ones?", "500 if is_few else 20_000"),
)
hyper_rule.slips_in(
    "mixup",
    ("small data sets get mixup", "Few steps leave no time for mixed images.", "0.1"),
    ("no data set gets mixup", "From 20 000 images on, images are mixed.", "0.0"),
    ("only the largest data sets get mixup", "The middle ones are long enough too.", "0.0 if is_middle else 0.1"),
    ("the wrong data sets get mixup", "Few steps leave no time for mixed images.", "0.1 if is_few else 0.0"),
)


# ---- affordable_size(image_size, patch_size, width, mlp_dim, times) --------------------------------------------------


def _affordable(limit, linear, products, token, how=int):
    """The largest side s with linear T + products T^2 <= limit, T = s^2 + token."""
    root = math.sqrt(linear**2 + 4 * products * limit)
    T = (root - linear) / (2 * products) if products else limit / linear
    return how(math.sqrt(max(T - token, 0)) + 1e-9)


_SIZES = [
    (224, 16, 768, 3072, 4), (224, 14, 64, 128, 9), (32, 4, 96, 384, 12), (32, 8, 48, 96, 40), (16, 8, 300, 20, 3),
    (8, 8, 50, 10, 3),
]  # fmt: skip


@exercise(cases=lambda rng: _SIZES, outputs={"size": "(pixels)"}, tolerance=_EXACT, level=3, minutes=30)
def affordable_size(image_size, patch_size, width, mlp_dim, times):
    side = image_size // patch_size  # the grid's side
    token = 1  # the class token
    T = side**2 + token  # the tokens
    linear = 4 * width**2 + 2 * width * mlp_dim  # the layers' MACs for a token
    products = 2 * width  # the products' MACs for a pair of tokens
    limit = times * (linear * T + products * T**2)  # the limit
    found = _affordable(limit, linear, products, token)  # the largest side
    return found * patch_size  # the size


_LAYERS = "Most of a block is linear layers, which work on each token alone."
for _name, _why, _lines in (
    ("the cost is taken to grow as T: the products of attention are forgotten",
     "Which two products of a block have T^2 terms?", {"products": "0"}),
    ("the cost is taken to grow as T^2", _LAYERS, {"linear": "0"}),
    ("the cost is taken to grow as the side", "An image of twice the side has how many patches?",
     {"found": "int(times * side)"}),
    ("the MLP is not counted", "A block has two halves.", {"linear": "4 * width**2"}),
    ("the linear layers of attention are not counted",
     "Queries, keys, values and the output layer are products with weights.", {"linear": "2 * width * mlp_dim"}),
    ("one of the two products of tokens with tokens is not counted", "Scores, and what is done with them.",
     {"products": "width"}),
    ("rounded to the nearest multiple of the patch size, not down", "Does a size rounded up still fit the budget?",
     {"found": "_affordable(limit, linear, products, token, round)"}),
    ("the class token is forgotten: N tokens, not T", "How long is the sequence that enters a block?",
     {"token": "0"}),
):  # fmt: skip
    affordable_size.slip(_name, _why, **_lines)
affordable_size.slip(
    "the size is cut to whole pixels, not to whole patches", "What does half a patch at the border become?",
    found="_affordable(limit, linear, products, token, float)", result="int(found * patch_size)",
)  # fmt: skip
affordable_size.slips_in(
    "result",
    ("one patch too many on each side: it costs more than allowed",
     "The last size that is still affordable, not the first that is not.", "(found + 1) * patch_size"),
    ("one patch too few on each side", "A larger size would still be affordable.", "(found - 1) * patch_size"),
    ("the side is given in patches", "How many pixels is that?", "found"),
)  # fmt: skip


# ---- small_machine_rule(num_images, height, width, batch_size) -> crop, steps, warmup_steps, learning_rate -----------


def _machine_cases(rng):
    """(images, height, width, batch): data sets of all three lengths, batches that divide 512 and others"""
    return [
        (3_680, 375, 500, 64), (50_000, 32, 32, 128), (1_281_167, 375, 500, 72), (19_999, 95, 96, 24),
        (20_000, 96, 96, 100), (500_000, 64, 64, 256), (499_999, 96, 95, 48), (60_000, 28, 28, 1024),
    ]  # fmt: skip


@exercise(
    cases=_machine_cases, tolerance=_EXACT, level=2, minutes=20,
    outputs={
        "crop": "(pixels)", "steps": "(a number)", "warmup_steps": "(a number)", "learning_rate": "(a number)",
    },
)  # fmt: skip
def small_machine_rule(num_images, height, width, batch_size):
    is_few = num_images < 20_000  # the border of small data sets
    crop = 128 if height * width < 96 * 96 else 480  # the crop
    steps = 500 if is_few else 10_000 if num_images < 500_000 else 20_000  # the rule's steps
    warmup = 100 if is_few else 500  # the rule's warm-up
    times = 512 / batch_size  # how many steps make one of the rule's
    longer = math.ceil(steps * times)  # the steps
    slower = math.ceil(warmup * times)  # the warm-up
    rate = 0.003 / times  # the rate
    return crop, longer, slower, rate


_SEEN = "The run should see as many images as the rule's: how many are that?"
for _name, _why, _lines in (
    ("the rule's number of steps stays", _SEEN, {"longer": "steps"}),
    ("the number of steps shrinks with the batch", _SEEN, {"longer": "math.ceil(steps / times)"}),
    ("the last images are lost: the steps are rounded down", "Are as many images seen, or a few less?",
     {"longer": "int(steps * times)"}),
    ("the factor is rounded up before it is used", _SEEN, {"times": "math.ceil(512 / batch_size)"}),
    ("the warm-up is not stretched", "It lasts for so many images, too.", {"slower": "warmup"}),
    ("every data set warms up for 500 steps", "The smallest runs have 500 steps in all.",
     {"warmup": "500"}),
    ("the rate stays that of 512 images", "A step over fewer images is noisier. In what proportion is it to shrink?",
     {"rate": "0.003"}),
    ("the rate grows as the batch shrinks", "A step over fewer images is noisier. Should it be longer?",
     {"rate": "0.003 * times"}),
    ("the rate goes with the root of the batch", "Some do that. Here it is to shrink in proportion.",
     {"rate": "0.003 / math.sqrt(times)"}),
    ("the resize is given, not the crop", "What does the model see?",
     {"crop": "160 if height * width < 96 * 96 else 512"}),
    ("the rule's rate is taken to be another", "Which base rate does the rule have for 512 images?",
     {"rate": "0.03 / times"}),
):  # fmt: skip
    small_machine_rule.slip(_name, _why, **_lines)
