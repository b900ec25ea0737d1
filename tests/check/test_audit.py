"""Every slip is planted: the cases of its exercise must tell it from the right answer.

A slip that gives the right numbers in every case is either no mistake at all, for a reason that stands in HARMLESS, or
the cases are too weak (sizes that are tied to each other, an eps that never counts), and then they have to bite harder.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from vitedu.check import CHECKS
from vitedu.check.slips.compare import as_results, same
from vitedu.check.slips.exercise import Exercise

# (exercise, words of the slip, why no numbers can tell it from the right answer); "" stands for every exercise.
HARMLESS = [
    ("", r"no maximum is subtracted|maximum of the whole array", "the same numbers, unless exp overflows"),
    ("", r"\.shape\[", "a size that is named only so that it can be taken by mistake"),
    ("", r"`np\.dot`", "the same as @ where one factor has two axes"),
    ("", r"\bdivision is not rounded|rounded up, not down|rounded to the nearest, not down", "it divides evenly"),
    ("", r"runs over (axis 0|the images \(axis 0\)) only", "there is only that axis"),
    ("", r"stands there twice", "squares of 0 and 1"),
    ("", r"`\w+`, [\w ']+, is returned", "another name of the same value"),
    ("", r"^`\w+` stands where `\w+` belongs$", "in a line that only reads sizes, which are the same there"),
    ("", r"^there is \d where \d belongs$", "in a line that names sizes nobody needs"),
    ("", r"entry -1 is read", "the last entry of two or three"),
    ("", r"order of the heads is turned around", "turned round and back again"),
    ("groupnorm", r"in each other's place in the reshape", "the same cut of the same row of numbers in memory"),
    ("mean_color", r"other's place in the reshape|there is 2 where 1|rounded down", "the same cut, floored anyway"),
    ("tubelets", r"in each other's place in the reshape", "the same cut of the same row of numbers in memory"),
    ("space_positions_backward", r"in each other's place|over the slices", "both axes are summed in the end"),
    ("official_qkv", r"in each other's place in the reshape", "D = h Dh"),
    ("conv2d", r"`weight` stands where `x`", "in a line that only reads sizes"),
    ("receptive_field", r"rounded|not rounded", "it is whole already"),
    ("leave_one_out", r"sign of the difference|divided by `Y`|transposed", "H is symmetric, and Y is 1 or -1"),
    ("standard_error", r"unbiased", "it is the unbiased one"),
    ("multi_head_attention_backward", r"reshaped", "D times D already"),
    ("attention_distance", r"over axis -?[12], not over axis 2|sign of the difference", "distances are symmetric"),
    ("gap_head_backward", r"kept apart|first axis only|axis -2 only|not folded", "there is one axis in front"),
    ("zero_head_gradients", r"kept apart|first axis only|axis -2 only|not folded", "there is one axis in front"),
    ("chain_backward", r"kept apart|not folded|border of|`r` stands where", "one axis in front; r > 0 where s > 0"),
    ("reused_weight_backward", r"kept apart|not folded|reshaped", "there is one axis in front, and W is square"),
    ("lion_step", r"are averaged|the root of", "a sign does not feel it"),
    ("", r"the loop runs backwards", "a sum has no order"),
    ("", r"entry 0 of (the tokens \(axis 1\)|axis [01]) stands", "entry 0 is the only one that is read"),
    ("permuted_filters", r"there is 2 where 1", "reshape takes any negative number for the rest"),
    ("", r"is made positive|is squared|has the wrong sign", "it is squared, compared or positive anyway"),
    ("equal_rate", r"first round", "the rate of a warm-up's first step is 0"),
    ("affordable_size", r"", "the largest of a few sizes: a small change of the cost is lost"),
    ("training_compute", r"[-+] 1`|8640|stands there twice", "one of thousands of millions"),
    ("noisy_student_loss", r"small number|clipped|rounded to 0", "no probability is that small"),
    ("compute_at_accuracy", r"small number", "no compute is that small"),
    ("crossing", r"border of|entry 0", "no difference is as large as what is certain; all are read from their ends"),
    ("disagreements", r"border of|sign of the difference", "no number is half a unit off; distances have no sign"),
    ("pseudo_targets", r"border of|the root of", "nobody is as sure as the threshold, or as its root"),
    ("hyper_rule", r"[-+] 1`", "no image is that near to the border"),
    ("decay_groups", r"`1.0`", "a mask is 0 and 1 already"),
    ("learning_rate", r"the root of|is squared", "only of the first step of the warm-up"),
    ("learning_rate", r"step >= total|bound at `1.0`|total_steps` belongs|`step - 1`", "two lines end it at 0"),
    ("learning_rate", r"sign of the difference|there is 2 where 1", "the cosine is even; a warm-up has many steps"),
    ("update_gradient", r"in each process's images|`own` stands where", "a count that only slips need"),
    ("cross_attention", r"there is \d where \d", "a size that is named only so that it can be taken by mistake"),
    ("path_lengths", r"", "one round more or less than the longest way"),
    ("token_cross_entropy", r"small number|clipped|rounded to 0|divided by the size", "no probability is that small"),
    ("time_attention", r"", "a size that nothing depends on"),
    ("exaflops", r"[-+] 1`", "one of thousands of millions"),
    ("learning_rate", r"warmup_steps [-+] 1|2 \* warmup_steps", "only of the first step of the warm-up, where p is 0"),
    ("overlapping_patches", r"there is 2 where 1", "the negative number that lets NumPy count"),
    ("lion_step", r"averaged, not added", "half of a number has its sign"),
    ("attention_with_copies", r"small number", "every token stands there at least once"),
    ("relative_bias", r"one too (many|few)", "moved by one alike, two patches are as far apart as before"),
    ("cubic_step_backward", r"wrong order|`X @ X.T` is transposed", "both orders are in the sum; X X^T is symmetric"),
    ("weighted_ridge", r"divided by `Y`", "Y is 1 or -1"),
    ("attention_offset", r"over axis (1|-3)", "both axes of patches are averaged over in the end"),
    ("agreement_beyond_chance", r"axis 0\) only|`(K \+ 1|2 \* K|n)` stands|from 1", "an answer that nobody gives"),
    ("agreement_beyond_chance", r"root of `room`", "where it is compared with 0"),
    ("logit_parts", r"all zeros|sign of the difference|`weight` stands", "turned twice; only its shape is read"),
    ("epochs_behind", r"[-+] 1`|8640", "one of thousands of millions"),
    ("inflated_filters_backward", r"there is 2 where 1", "reshape takes any negative number for the rest"),
    ("overlapping_tubelets", r"other's place in the reshape|there is 2 where 1|`stride` stands where `B`",
     "the same cut of the same row of numbers in memory"),
    ("groupnorm_last", r"in each other's place in the reshape", "the same cut of the same row of numbers in memory"),
    ("standardize_backward", r"sign of the difference is turned", "a sign that is squared, or stands there twice"),
    ("silenced_out", r"in each other's place in the reshape", "D = h Dh"),
    ("moved_waves", r"`D - 1` stands where", "the last even number below is the same"),
    ("logit_lens", r"eps", "the exercise gives no eps: nothing there is quiet enough for it to count"),
]  # fmt: skip

DIVIDED = (  # one more or less is lost in a whole division
    "split_heads", "multi_head_attention", "multi_head_attention_backward", "hybrid_tokens", "mean_color", "patchify",
    "unpatchify", "micro_batch_positions", "cross_attention", "sinusoid", "num_tokens", "asked_pairs", "groupnorm",
    "space_positions_backward", "tubelets", "official_key_kernel", "conv2d", "drop_squares", "grid_positions_backward",
    "axial_pairs", "overlapping_tubelets", "groupnorm_last", "grouped_attention_macs",
)  # fmt: skip

exercises = [pytest.param(c, id=name) for name, c in CHECKS.items() if isinstance(c, Exercise)]


def is_alias(exercise, slip) -> bool:
    """Whether one variable was taken for another that has the same value in every case."""
    found = re.search(r"`(\w+)`(?: \([^)]*\))? stands where `(\w+)`", slip.name)
    if not found:
        return False
    ends = [before[-2] for before in exercise.tables().before[id(slip.program)]]
    return all(np.array_equal(env.get(found[1]), env.get(found[2])) for env in ends)


def harmless(exercise, slip) -> bool:
    if is_alias(exercise, slip):
        return True
    if exercise.name in DIVIDED and re.search(r"`\w+ [-+] 1` stands where", slip.name):
        return True
    return any(name in ("", exercise.name) and re.search(words, slip.sentence) for name, words, _ in HARMLESS)


def undetected(exercise):
    """Slips that give the right numbers in every case."""
    tables = exercise.tables()
    cases = exercise.cases(np.random.default_rng(exercise.seed))
    wanted = [as_results(exercise.reference(*args), len(exercise.outputs)) for args in cases]
    for slip in exercise.slips:
        made = (tables.run(slip, i) for i in range(len(cases)))
        if all(
            not isinstance(m, Exception) and same(m, w, exercise.tolerance) for m, w in zip(made, wanted, strict=True)
        ):
            yield slip


@pytest.mark.parametrize("exercise", exercises)
def test_the_cases_tell_every_slip_from_the_right_answer(exercise):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        hidden = list(undetected(exercise))
    assert not [slip.name for slip in hidden if slip in exercise.mistakes], "a mistake written by hand must show"
    assert not [slip.sentence for slip in hidden if not harmless(exercise, slip)]


def test_there_are_thousands_of_slips_and_few_of_them_are_harmless():
    exercises = [c for c in CHECKS.values() if isinstance(c, Exercise)]
    assert len(exercises) >= 75
    assert sum(len(c.slips) for c in exercises) > 8_000
