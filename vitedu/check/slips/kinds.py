"""Kinds of steps and the slips they bring, wherever a step of that kind stands in a right answer.

A kind is a pattern in Python's own syntax (`pattern.py`), a question that every slip of it raises (the hint), a
smaller question (the last rung of the ladder), and its slips: what is written instead -> the name of the mistake.
Capitals in a name show what stood there.  A weight says how unlikely a slip is; 1 is the slip of a named step.
"""

from __future__ import annotations

from dataclasses import dataclass

from .pattern import pattern

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """step: the pattern; slips: (pattern, name, weight)."""

    step: object
    hint: str
    smaller: str
    slips: tuple


def _kind(step, hint, smaller, slips: dict[str, str], weight=1.0) -> Kind:
    """A weight of its own stands in front of a name: `2.0 | name`."""
    made = []
    for text, name in slips.items():
        own, bar, rest = name.partition(" | ")
        made.append((pattern(text), rest if bar else name, float(own) if bar else weight))
    return Kind(pattern(step), hint, smaller, tuple(made))


KINDS = [
    # ---- softmax and its backward ------------------------------------------------------------------------------------
    _kind(
        "softmax(X)",
        "Weights are positive, and each row of them sums to 1 by itself.",
        "Take two scores, 0 and 0: what should their weights be? And yours?",
        {
            "X": "the softmax is missing",
            "softmax(softmax(X))": "the softmax is applied twice",
            "np.exp(X)": "there is only exp, without the division by the sum",
            "np.exp(X - X.max(axis=-1, keepdims=True))": "there is only exp, without the division by the sum",
            "np.exp(X) / (1 + np.exp(X).sum(axis=-1, keepdims=True))": "1.6 | the sum below has a 1 too many",
            "softmax(-X)": "the softmax sees the numbers with the wrong sign",
            "sigmoid(X)": "there is a sigmoid in place of the softmax",
            "log_softmax(X)": "this is the logarithm of the softmax",
            "X / X.sum(axis=-1, keepdims=True)": "1.2 | the numbers are divided by their sum, without exp",
            "np.exp(X - X.max()) / np.exp(X - X.max()).sum(axis=-1, keepdims=True)": "1.4 | the maximum of the whole "
            "array is subtracted, not each row's",
            "np.exp(X) / np.exp(X).sum(axis=-1, keepdims=True)": "no maximum is subtracted, so exp overflows",
        },
    ),
    _kind(
        "softmax_backward(X, Y)",
        "Raising one score raises its own weight and lowers every other weight of its row.",
        "Add the same number to all scores of a row: no weight changes. What must every row of the gradient sum to?",
        {
            "X": "the softmax's backward is left out",
            "Y * X": "the softmax's backward is A dA, with nothing subtracted",
            "Y * (1 - Y) * X": "only the diagonal of the softmax's Jacobian is used: A (1 - A)",
            "Y * (1 - Y)": "the softmax's backward is A (1 - A), without the gradient that arrives",
            "-softmax_backward(X, Y)": "the softmax's backward has the wrong sign",
            "Y * (X - X.sum(axis=-1, keepdims=True))": "in the softmax's backward the sum is over dA alone, without A",
            "Y * (X - X.mean(axis=-1, keepdims=True))": "in the softmax's backward a plain mean of dA is subtracted",
            "Y * (X - (X * Y).mean(axis=-1, keepdims=True))": "in the softmax's backward a mean is subtracted, "
            "not the sum",
            "X - (X * Y).sum(axis=-1, keepdims=True)": "in the softmax's backward the factor A in front is missing",
            "Y * X - (X * Y).sum(axis=-1, keepdims=True)": "in the softmax's backward the sum is not multiplied by A",
            "softmax_backward(X, Y, -2)": "the sum of the softmax's backward runs over the tokens that ask (axis -2)",
            "softmax_backward(X, Y, 0)": "the sum of the softmax's backward runs over the first axis",
            "softmax_backward(X, Y, 1)": "1.2 | the sum of the softmax's backward runs over axis 1",
            "softmax_backward(X, Y, None)": "the softmax's backward has one sum over everything, not one per row",
            "softmax_backward(Y, X)": "1.2 | in the softmax's backward A and dA are in each other's place",
            "Y * (X + (X * Y).sum(axis=-1, keepdims=True))": "in the softmax's backward the sum is added, "
            "not subtracted",
        },
    ),
    _kind(
        "log_softmax(X)",
        "Which two finite numbers is log p the difference of?",
        "Take the logits 0 and 0: what is log p of each? And yours?",
        {
            "X": "the logits are not turned into logarithms of probabilities",
            "softmax(X)": "the log is missing",
            "log_softmax(softmax(X))": "the softmax is applied twice",
            "log_softmax(-X)": "1.2 | the logits have the wrong sign",
            "log_softmax(X, 0)": "the softmax runs over the images (axis 0), not over the classes",
            "log_softmax(X, None)": "the softmax has one sum for the whole batch, instead of one per row",
            "np.log(softmax(X))": "1.5 | the log is taken of a probability that rounded to 0",
            "np.log(softmax(X) + 1e-12)": "1.5 | a small number is added inside the log, where log p should be written "
            "without p",
            "np.log(softmax(X) + 1e-8)": "1.5 | a small number is added inside the log, where log p should be written "
            "without p",
            "np.log(softmax(X) + 1e-9)": "1.5 | a small number is added inside the log, where log p should be written "
            "without p",
            "np.log(softmax(X) + 1e-10)": "1.5 | a small number is added inside the log, where log p should be written "
            "without p",
            "np.log(np.clip(softmax(X), 1e-12, 1))": "1.5 | the probabilities are clipped before the log, where log p "
            "should be written without p",
            "np.log(np.clip(softmax(X), 1e-8, 1))": "1.5 | the probabilities are clipped before the log, where log p "
            "should be written without p",
            "np.log(sigmoid(X))": "a sigmoid per class instead of a softmax over the classes",
            "X - np.log(np.exp(X).sum(axis=-1, keepdims=True))": "1.5 | no maximum is subtracted, so exp overflows",
            "np.log(np.exp(X) / np.exp(X).sum(axis=-1, keepdims=True))": "1.5 | no maximum is subtracted, so exp "
            "overflows",
            "np.log2(softmax(X))": "1.4 | the log has base 2, not e",
            "np.log10(softmax(X))": "1.4 | the log has base 10, not e",
            "X - np.log2(np.exp(X).sum(axis=-1, keepdims=True))": "1.5 | the log of the sum has base 2, not e",
            "X - X.max(axis=-1, keepdims=True) - np.log2(np.exp(X - X.max(axis=-1, keepdims=True)).sum(axis=-1, "
            "keepdims=True))": "1.5 | the log of the sum has base 2, not e",
            "X - np.log(np.exp(X - X.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True))": "1.4 | the maximum is "
            "subtracted inside the exponential only",
        },
    ),
    # ---- products and transposes -------------------------------------------------------------------------------------
    _kind(
        "swap(X)",
        "Write the shapes of the two factors beside each other: the axes in the middle must be the same, and mean the "
        "same.",
        "With 2 rows and 3 columns, which number stands at [0, 1] after a transpose, and which after a reshape?",
        {
            "X": "`{X}` is not transposed",
            "X.reshape(swap(X).shape)": "`{X}` is reshaped where it should be transposed",
            "X.T": "`.T` turns around all axes of `{X}`, not the last two",
        },
    ),
    _kind(
        "X.T",
        "Write the shapes of the two factors beside each other: the axes in the middle must be the same, and mean the "
        "same.",
        "With 2 rows and 3 columns, which number stands at [0, 1] after a transpose, and which after a reshape?",
        {
            "X": "`{X}` is not transposed",
            "X.reshape(X.T.shape)": "`{X}` is reshaped where it should be transposed",
        },
    ),
    _kind(
        "X @ Y",
        "Which two matrices meet here, and which of their axes is summed over?",
        "Write one entry of the product as a sum: which two rows or columns does it pair?",
        {
            "Y @ X": "1.4 | the factors of the product stand in the wrong order",
            "X * Y": "1.6 | the numbers are multiplied one by one, not as matrices",
            "X": "1.4 | the product with `{Y}` is left out",
            "Y": "1.8 | the product with `{X}` is left out",
            "np.dot(X, Y)": "1.4 | `np.dot` multiplies every matrix of one stack with every matrix of the other",
            "X[..., :-1] @ Y[..., :-1, :]": "1.6 | the last term of the product's sum is left out",
            "X[..., 1:] @ Y[..., 1:, :]": "1.7 | the first term of the product's sum is left out",
            "X @ swap(Y)": "1.6 | `{Y}` is transposed, although it should not be",
            "swap(X) @ Y": "1.6 | `{X}` is transposed, although it should not be",
        },
    ),
    _kind(
        "linear(X, W, B)",
        "y = x W^T + b: weights are stored with the outputs first.",
        "With two inputs and one output, write y as a sum. What is added at the end?",
        {
            "X @ W.T": "the bias `{B}` is not added",
            "X @ W + B": "`{W}` is not transposed",
            "X @ W": "1.5 | `{W}` is not transposed, and the bias is not added",
            "X @ W.reshape(W.T.shape) + B": "`{W}` is reshaped where it should be transposed",
            "X @ W.T - B": "the bias `{B}` is subtracted",
            "X": "the linear layer with `{W}` is left out",
            "X @ W.T * B": "1.8 | the bias `{B}` is multiplied, not added",
            "X @ (W.T + B)": "1.6 | the bias `{B}` is added to the weight, before the product",
            "X @ W.T + 2 * B": "1.8 | the bias `{B}` is added twice",
            "X @ np.abs(W.T) + B": "2.0 | `{W}` is made positive",
            "(X + linear(X, W, B))": "2.0 | the input of the linear layer is added to its output",
        },
    ),
    _kind(
        "weight_gradient(X, Y)",
        "A gradient has the shape of its parameter, and every row used the same weight: its gradients add up.",
        "With one output and two rows, write dW as a sum of two products.",
        {
            "weight_gradient(X, Y).T": "the gradient of the weight is transposed",
            "weight_gradient(Y, X)": "1.1 | the gradient of the weight is transposed",
            "weight_gradient(X, Y) / len(rows(X))": "the gradient of the weight is averaged over the rows, not summed",
            "weight_gradient(X, Y) / len(X)": "the gradient of the weight is averaged over the first axis, not summed",
            "swap(X) @ Y": "the gradient of the weight is kept apart for every entry of the axes in front",
            "weight_gradient(X[-1:], Y[-1:])": "the gradient of the weight comes from the last entry of the batch "
            "alone",
            "weight_gradient(X[:1], Y[:1])": "1.2 | the gradient of the weight comes from the first entry of the batch "
            "alone",
            "weight_gradient(rows(X)[-1:], rows(Y)[-1:])": "1.2 | the gradient of the weight comes from the last row "
            "alone",
            "weight_gradient(rows(X)[:-1], rows(Y)[:-1])": "1.3 | the last row is left out of it",
            "rows(X) @ rows(Y)": "1.2 | `{X}` is not transposed in the gradient of the weight",
            "X @ Y": "1.3 | `{X}` is not transposed in the gradient of the weight",
            "X.T @ Y": "1.3 | the axes in front were not folded into one",
            "weight_gradient(X, Y).reshape(-1, rows(X).shape[-1])": "1.5 | the gradient of the weight is reshaped",
        },
    ),
    *(
        _kind(
            f"{name}_gradient(X)",
            f"The same {name} {use} every row: the gradients of all its uses add up.",
            f"With one {ends} and three rows, how far does the sum of y move when the {name} moves by 1?",
            {
                "X": f"the gradient of the {name} is not summed: there is one for each row",
                "X.sum(axis=0)": f"the gradient of the {name} is summed over the first axis only",
                "X.sum(axis=1)": f"the gradient of the {name} is summed over axis 1 only",
                "X.sum(axis=-2)": f"1.1 | the gradient of the {name} is summed over axis -2 only",
                "X.sum(axis=-1)": f"the gradient of the {name} is summed over the {ends}s",
                "rows(X).sum(axis=1)": f"1.1 | the gradient of the {name} is summed over the {ends}s, one for each row",
                "X.sum()": f"the gradient of the {name} is one number: it is summed over the {ends}s too",
                "rows(X).mean(axis=0)": f"the gradient of the {name} is averaged over the rows, not summed",
                f"{name}_gradient(X) / len(X)": f"the gradient of the {name} is averaged over the first axis, not "
                "summed",
                "rows(X)[:-1].sum(axis=0)": f"1.3 | the last row is left out of the gradient of the {name}",
                "rows(X)[-1]": f"1.2 | the gradient of the {name} comes from the last row alone",
                "rows(X)[0]": f"1.3 | the gradient of the {name} comes from the first row alone",
                "X.mean(axis=-2).sum(axis=0)": f"1.2 | the gradient of the {name} is averaged over axis -2, not summed",
                f"{name}_gradient(X)[None]": f"1.6 | the gradient of the {name} has an axis too many",
            },
        )
        for name, use, ends in (("bias", "was added to", "output"), ("scale", "multiplied", "feature"))
    ),
    # ---- heads -------------------------------------------------------------------------------------------------------
    _kind(
        "split_heads(X, N)",
        "Every head sees every token; what it sees of a token is a stretch of neighbouring features.",
        "Split x = np.arange(12).reshape(1, 2, 6) into two heads by hand: which numbers does head 0 get?",
        {
            "X.reshape(X.shape[0], N, X.shape[1], X.shape[2] // N)": "the heads are split by one reshape straight to "
            "(B, h, T, Dh), which mixes tokens and features",
            "X.reshape(X.shape[0], X.shape[1], X.shape[2] // N, N).transpose(0, 3, 1, 2)": "the features are dealt out "
            "to the heads one by one: head i gets i, i + h, i + 2h, ...",
            "split_heads(X, N).swapaxes(1, 2)": "the axes were left as (B, T, h, Dh), so that the heads of a token "
            "meet, not the tokens of a head",
            "split_heads(X, N).swapaxes(2, 3)": "1.2 | the last two axes of the heads have changed places: "
            "(B, h, Dh, T)",
            "split_heads(X, 1)": "1.1 | there is one head of width D: the number of heads is not used",
            "split_heads(X, N)[:, ::-1]": "1.5 | the order of the heads is turned around",
        },
    ),
    _kind(
        "merge_heads(X)",
        "Feature Dh of the result is the first feature of head 1: an axis has to move before two are joined.",
        "Merge two heads of two tokens with one feature each, by hand: which numbers stand in the first row?",
        {
            "X.reshape(X.shape[0], X.shape[2], -1)": "the heads are merged by one reshape, which mixes tokens and "
            "heads",
            "X.transpose(0, 2, 3, 1).reshape(X.shape[0], X.shape[2], -1)": "the heads are merged with their features "
            "dealt in one by one, instead of head by head",
            "merge_heads(X[:, ::-1])": "1.5 | the order of the heads is turned around",
            "merge_heads(X.mean(axis=1, keepdims=True) + 0 * X)": "1.8 | the heads are averaged",
        },
    ),
    # ---- normalisation -----------------------------------------------------------------------------------------------
    _kind(
        "standardise(X, A, E)",
        "After the step, which numbers have mean 0 and variance 1 together?",
        "Take the two numbers 1 and 3: what are their mean, their variance, and the two results?",
        {
            "standardise(X, A, 0)": "eps is not used",
            "(X - X.mean(axis=A, keepdims=True)) / (X.std(axis=A, keepdims=True) + E)": "eps is added to the standard "
            "deviation, not to the variance",
            "(X - X.mean(axis=A, keepdims=True)) / np.sqrt(X.var(axis=A, ddof=1, keepdims=True) + E)": "the variance "
            "is the unbiased one, divided by one less",
            "(X - X.mean(axis=A, keepdims=True)) / (X.std(axis=A, ddof=1, keepdims=True) + E)": "1.2 | the variance is "
            "the unbiased one, divided by one less, and eps is added to the standard deviation",
            "(X - X.mean(axis=A, keepdims=True)) / (X.var(axis=A, keepdims=True) + E)": "divided by the variance, "
            "without the root",
            "(X - X.mean(axis=A, keepdims=True)) / np.sqrt(((X - X.mean(axis=A, keepdims=True)) ** 2).sum(axis=A, "
            "keepdims=True) + E)": "the squared differences are added up but not divided by their number",
            "X / np.sqrt(X.var(axis=A, keepdims=True) + E)": "the mean is not subtracted, only the spread is divided "
            "out",
            "X - X.mean(axis=A, keepdims=True)": "only the mean is subtracted",
            "X / np.sqrt((X * X).mean(axis=A, keepdims=True) + E)": "this is RMS norm: no mean is subtracted, not even "
            "inside the variance",
            "(X - X.mean(axis=A, keepdims=True)) / np.sqrt((X * X).mean(axis=A, keepdims=True) + E)": "the variance is "
            "taken around 0, not around the mean",
            "X": "the normalisation is left out",
            "(X - X.mean(axis=A, keepdims=True)) * np.sqrt(X.var(axis=A, keepdims=True) + E)": "1.3 | multiplied by "
            "the standard deviation, not divided",
            "standardise(X, None, E)": "one mean and one variance serve everything",
        },
    ),
    # ---- gates -------------------------------------------------------------------------------------------------------
    _kind(
        "gelu(X)",
        "x times the distribution function of the standard normal: no kink, and exact.",
        "What should the gate do at x = -10, at 0, at 10?",
        {
            "X": "there is no GELU",
            "rectify(X)": "there is ReLU instead of GELU",
            "gelu_tanh(X)": "GELU is used in its tanh form, an approximation: off by up to 5e-4",
            "X * sigmoid(1.702 * X)": "GELU is used in its sigmoid form, an approximation: off by up to 2e-2",
            "X * sigmoid(X)": "this is SiLU, x sigmoid(x), instead of GELU",
            "normal_cdf(X)": "this is Phi alone, not multiplied by x",
            "np.tanh(X)": "1.4 | there is a tanh instead of GELU",
            "sigmoid(X)": "1.4 | there is a sigmoid instead of GELU",
            "gelu(gelu(X))": "1.5 | GELU is applied twice",
        },
    ),
    _kind(
        "normal_cdf(X)",
        "Phi runs from 0 to 1 and belongs to the normal distribution of variance 1; erf belongs to variance 1/2.",
        "What are Phi(0), and Phi of a large number? And yours?",
        {
            "bell(X)": "the density phi is used in place of the distribution function Phi",
            "normal_cdf(X * np.sqrt(2))": "x is not divided by sqrt(2) inside erf",
            "normal_cdf(X / np.sqrt(2))": "1.1 | x is divided by 2 inside erf, not by its root",
            "normal_cdf(X * 2)": "x is multiplied by sqrt(2) inside erf instead of divided",
            "2 * normal_cdf(X)": "the factor 1/2 is missing: the gate runs from 0 to 2",
            "(normal_cdf(X) - 0.5)": "the 1 in 1 + erf is missing: the gate runs from -1/2 to 1/2",
            "(2 * normal_cdf(X) - 1)": "the gate is erf(x / sqrt(2)) itself, from -1 to 1",
            "(1 - normal_cdf(X))": "1.2 | the gate is turned round: 1 - Phi(x)",
        },
    ),
    _kind(
        "bell(X)",
        "The area under the density is 1, and its variance too.",
        "What is the density at 0?",
        {
            "np.exp(-X * X / 2)": "the density lacks 1 / sqrt(2 pi)",
            "(np.exp(-X * X) / np.sqrt(2 * np.pi))": "the density has exp(-x^2) instead of exp(-x^2 / 2)",
            "(np.exp(-X * X / 2) / np.sqrt(np.pi))": "1.2 | the density has sqrt(pi) instead of sqrt(2 pi)",
            "(np.exp(-X * X / 2) / np.sqrt(2) * np.pi)": "1.6 | the density has a root that ends before pi",
            "(np.exp(-X * X / 2) / (2 * np.pi))": "1.2 | the density is divided by 2 pi, without the root",
            "(np.exp(X * X / 2) / np.sqrt(2 * np.pi))": "1.2 | the sign in the exponent of the density is wrong",
            "(np.exp(-X / 2) / np.sqrt(2 * np.pi))": "1.4 | x is not squared in the exponent of the density",
        },
    ),
    _kind(
        "rectify(X)",
        "What does a rectifier do to a negative number?",
        "What should -2 and 3 become?",
        {
            "X": "the rectifier is left out",
            "np.minimum(X, 0)": "the rectifier keeps the negative numbers instead of the positive ones",
            "np.abs(X)": "1.4 | the rectifier turns negative numbers positive instead of to 0",
        },
    ),
    _kind(
        "sigmoid(X)",
        "A sigmoid runs from 0 to 1.",
        "What is the sigmoid of 0?",
        {
            "X": "the sigmoid is left out",
            "softmax(X)": "there is a softmax in place of the sigmoid",
            "sigmoid(-X)": "1.2 | the sigmoid sees the numbers with the wrong sign",
        },
    ),
    # ---- targets and picking -----------------------------------------------------------------------------------------
    _kind(
        "picked(X, L)",
        "Image 0 should meet label 0, image 1 label 1: one entry for each row.",
        "With two images and labels [2, 0], which two entries are wanted?",
        {
            "X[:, L]": "`[:, {L}]` takes a B x B table, not one entry per image",
            "X.max(axis=-1)": "the largest entry of each row is taken, not the one at the label",
            "picked(X, L - 1)": "1.2 | the labels are taken to count from 1",
            "X": "nothing is picked: every class counts",
            "X[L]": "1.3 | the labels pick rows, not entries of a row",
        },
    ),
    _kind(
        "one_hot(L, N)",
        "One row per image, 1 at its label.",
        "With three classes and label 1, what is the row?",
        {
            "one_hot(L, N).T": "1.4 | the one-hot table is transposed",
            "1 - one_hot(L, N)": "1.4 | 0 and 1 are exchanged in the one-hot table",
            "0 * one_hot(L, N)": "1.3 | the targets are missing",
            "one_hot(L - 1, N)": "1.4 | the classes are counted from 1",
            "(one_hot(L, N).sum(axis=0) + 0 * one_hot(L, N))": "1.3 | the labels of all images are marked in every row",
        },
    ),
    # ---- patches -----------------------------------------------------------------------------------------------------
    _kind(
        "patchify(X, P)",
        "The sequence runs along the rows of the grid; in a patch come the channels, then its rows, then its columns.",
        "Cut np.arange(16).reshape(1, 1, 4, 4) into 2 x 2 patches by hand: what is in patch 0, what in patch 1?",
        {
            "patchify(X, P, (0, 2, 4, 3, 5, 1))": "inside a patch the channels come last, (P, P, C)",
            "patchify(X, P, (0, 4, 2, 1, 3, 5))": "the sequence runs down the columns of the grid",
            "patchify(X, P, (0, 2, 4, 1, 5, 3))": "every patch is transposed: its pixels are read column by column",
            "X.reshape(len(X), -1, X.shape[1] * P * P)": "nothing is moved: a reshape alone reads the image row by row",
            "patchify(X, P, (0, 2, 4, 5, 3, 1))": "1.5 | inside a patch stand columns, rows, channels",
        },
    ),
    _kind(
        "unpatchify(X, S, P)",
        "Whatever cut the image into patches has to be undone, axis by axis.",
        "Put the patches [0, 1, 4, 5] and [2, 3, 6, 7] beside each other by hand: what is the first row?",
        {
            "X": "the result is still cut into patches",
            "X.reshape(S)": "the patches were put together with a plain reshape, which moves no pixel",
            "unpatchify(X, S, P, (0, 3, 1, 5, 2, 4))": "every patch is put back transposed",
            "unpatchify(X, S, P, (0, 2, 4, 1, 3, 5))": "the permutation that cut the patches is used again, not its "
            "inverse",
            "unpatchify(X, S, P, (0, 3, 4, 1, 5, 2))": "place and patch are swapped: neighbouring pixels come from "
            "different patches",
            "X.reshape(S[0], S[3] // P, S[2] // P, S[1], P, P).transpose(0, 3, 2, 4, 1, 5).reshape(S)": "the sequence "
            "is taken to run down the columns of the grid",
            "X.reshape(S[0], S[2] // P, S[3] // P, P, P, S[1]).transpose(0, 5, 1, 3, 2, 4).reshape(S)": "the channels "
            "are taken to come last inside a patch, (P, P, C)",
        },
    ),
    _kind(
        "sliding_windows(X, S, D, A)",
        "The window moves along two axes, and the next one starts `stride` pixels further.",
        "How many windows of 3 fit into a row of 7 at stride 2? Which pixels does the second one see?",
        {
            "sliding_windows(X, S, 1, 1)": "the stride is not used",
            "sliding_windows(X, S, D, 1)": "the stride is used on the way down, but not across",
            "sliding_windows(X, S, 1, A)": "the stride is used across, but not on the way down",
            "sliding_windows(X, S, 1, 1)[:, :, :len(range(0, X.shape[2] - S[0] + 1, D)), :len(range(0, X.shape[3] - "
            "S[1] + 1, A))]": "1.2 | there are as many windows as with the stride, but each starts one pixel after the "
            "last",
            "sliding_windows(X, S, 1, A)[:, :, :len(range(0, X.shape[2] - S[0] + 1, D))]": "1.3 | on the way down "
            "each window starts one pixel after the last, without the stride",
            "sliding_windows(X, S, D, 1)[:, :, :, :len(range(0, X.shape[3] - S[1] + 1, A))]": "1.3 | across each "
            "window starts one pixel after the last, without the stride",
            "sliding_windows(X, S, 1, 1)[:, :, D - 1 :: D, A - 1 :: A]": "the first window starts at stride - 1",
        },
    ),
    _kind(
        "L * np.eye(N)",
        "Which entries of an identity matrix are not 0?",
        "Write `2 * np.eye(2)` down, and beside it what is there without the identity.",
        {"L + 0 * np.eye(N)": "`{L}` is added to every entry, not on the diagonal alone"},
    ),
    # ---- roots, logarithms, powers -----------------------------------------------------------------------------------
    _kind(
        "X / np.sqrt(Y)",
        "Which power of the size does the formula divide by, and are the numbers to become larger or smaller?",
        "If the size is 4, by how much should the numbers shrink?",
        {
            "X": "the division by the root of `{Y}` is missing",
            "X / Y": "divided by `{Y}`, not by its square root",
            "X * np.sqrt(Y)": "multiplied by the root of `{Y}`, not divided",
            "X / Y ** 0.25": "1.8 | divided by the fourth root of `{Y}`",
            "X / np.sqrt(Y) / np.sqrt(Y)": "1.1 | divided twice by the root of `{Y}`",
            "X / Y / np.sqrt(Y)": "1.5 | divided by `{Y}` as well as by its root",
            "X * Y": "1.5 | multiplied by `{Y}`",
            "X / (2 * Y)": "2.0 | divided by 2 `{Y}`",
        },
    ),
    _kind(
        "np.sqrt(X)",
        "What unit would the result have?",
        "Try it with 4: what should come out?",
        {"X": "the root is missing", "X ** 2": "1.6 | squared instead of taking the root"},
    ),
    _kind(
        "np.exp(X)",
        "What makes every number positive?",
        "What should become of 0?",
        {
            "X": "exp is missing",
            "np.exp(-X)": "1.3 | the exponent has the wrong sign",
            "np.exp2(X)": "2.0 | the exponential has base 2",
        },
    ),
    _kind(
        "np.log(X)",
        "Which logarithm does the formula mean, and of what?",
        "What should become of 1?",
        {
            "X": "the log is missing",
            "np.log2(X)": "the log has base 2, not e",
            "np.log10(X)": "the log has base 10, not e",
            "np.log1p(X)": "1.6 | 1 is added inside the log",
            "np.log(X + 1e-12)": "1.5 | a small number is added inside the log",
            "np.log(X + 1e-8)": "1.5 | a small number is added inside the log",
        },
    ),
    _kind(
        "np.tanh(X)",
        "What bounds the numbers?",
        "What should become of a large number?",
        {"X": "the tanh is missing", "sigmoid(X)": "1.2 | there is a sigmoid instead of the tanh"},
    ),
    # ---- branches, bounds, rounding ----------------------------------------------------------------------------------
    _kind(
        "X if C else Y",
        "Which case does each branch serve? Try one number on each side of the border.",
        "What should come out exactly at the border?",
        {
            "X": "1.2 | the case in which `{C}` does not hold is forgotten",
            "Y": "1.2 | the case in which `{C}` holds is forgotten",
            "Y if C else X": "1.3 | the two cases are in each other's place",
        },
    ),
    _kind(
        "np.where(C, X, Y)",
        "What does True mean, and which entries should stay as they are?",
        "Write down the result for one True and one False.",
        {
            "np.where(C, Y, X)": "1.1 | the two cases are in each other's place",
            "X": "1.2 | `{C}` is not used: the first case everywhere",
            "Y": "1.4 | `{C}` is not used: the second case everywhere",
            "X * C": "1.4 | multiplied by `{C}`, so that the other entries become 0",
            "X + C": "1.6 | `{C}` is added",
            "np.where(C, X, 0)": "1.4 | the other entries become 0",
        },
    ),
    _kind(
        "min(X, Y)",
        "Which of the two is the bound? Try a number on each side of it.",
        "What should come out far beyond the bound?",
        {
            "max(X, Y)": "1.1 | the larger of the two is taken, not the smaller",
            "X": "1.1 | there is no bound at `{Y}`",
            "Y": "1.2 | there is no bound at `{X}`",
        },
    ),
    _kind(
        "max(X, Y)",
        "Which of the two is the bound? Try a number on each side of it.",
        "What should come out far beyond the bound?",
        {
            "min(X, Y)": "1.1 | the smaller of the two is taken, not the larger",
            "X": "1.1 | there is no bound at `{Y}`",
            "Y": "1.2 | there is no bound at `{X}`",
        },
    ),
    _kind(
        "np.maximum(X, Y)",
        "Which of the two is the bound? Try a number on each side of it.",
        "What should come out far beyond the bound?",
        {
            "np.minimum(X, Y)": "1.1 | the smaller of the two is taken, not the larger",
            "X": "1.1 | there is no bound at `{Y}`",
            "Y": "1.3 | there is no bound at `{X}`",
        },
    ),
    _kind(
        "np.minimum(X, Y)",
        "Which of the two is the bound? Try a number on each side of it.",
        "What should come out far beyond the bound?",
        {
            "np.maximum(X, Y)": "1.1 | the larger of the two is taken, not the smaller",
            "X": "1.1 | there is no bound at `{Y}`",
            "Y": "1.3 | there is no bound at `{X}`",
        },
    ),
    _kind(
        "X // Y",
        "What happens when it does not divide evenly: up, down, or to the nearest?",
        "Try 7 and 2: what should come out?",
        {
            "X / Y": "1.1 | the division is not rounded down to a whole number",
            "-(-X // Y)": "1.1 | rounded up, not down",
            "round(X / Y)": "1.2 | rounded to the nearest, not down",
            "X % Y": "1.6 | the remainder is taken, not the quotient",
            "X": "1.2 | the division by `{Y}` is missing",
            "(X // Y + 1)": "1.4 | one too many",
            "(X // Y - 1)": "1.6 | one too few",
            "X * Y": "1.8 | multiplied by `{Y}`, not divided",
        },
    ),
    _kind(
        "X % Y",
        "What is left over after whole portions are taken away?",
        "Try 7 and 2: what should come out?",
        {"X // Y": "1.3 | the quotient is taken, not the remainder", "X": "1.3 | the remainder by `{Y}` is not taken"},
    ),
    _kind(
        "round(X)",
        "Up, down, or to the nearest?",
        "What should become of 2.5, 2.4 and 2.6?",
        {
            "int(X)": "cut off, not rounded to the nearest",
            "math.ceil(X)": "rounded up, not to the nearest",
            "X": "not rounded to a whole number",
        },
    ),
    _kind(
        "math.ceil(X)",
        "Up, down, or to the nearest?",
        "What should become of 2.4 and 2.6?",
        {
            "int(X)": "rounded down, not up",
            "round(X)": "rounded to the nearest, not up",
            "X": "not rounded to a whole number",
            "int(X) + 1": "1.2 | one is added even where it divides evenly",
        },
    ),
    _kind(
        "int(X)",
        "Up, down, or to the nearest?",
        "What should become of 2.4 and 2.6?",
        {
            "math.ceil(X)": "rounded up, not down",
            "round(X)": "rounded to the nearest, not down",
            "X": "not rounded to a whole number",
        },
    ),
    _kind(
        "np.floor(X)",
        "Up, down, or to the nearest?",
        "What should become of 2.4 and 2.6?",
        {
            "np.ceil(X)": "rounded up, not down",
            "np.round(X)": "rounded to the nearest, not down",
            "X": "not rounded to a whole number",
        },
    ),
    # ---- lengths and waves -------------------------------------------------------------------------------------------
    *(
        _kind(
            f"{module}.cos(X)",
            "Where does the wave begin, and where is it at the end?",
            "What is the cosine of 0, and of pi?",
            {
                f"{module}.sin(X)": "1.1 | there is a sine instead of the cosine",
                f"{module}.cos(2 * X)": "1.3 | the wave runs twice as far",
                f"{module}.cos(X / 2)": "1.3 | the wave runs half as far",
                f"{module}.cos(X / {module}.pi)": "1.4 | pi is missing in the cosine",
                f"-{module}.cos(X)": "1.4 | the cosine has the wrong sign",
            },
        )
        for module in ("np", "math")
    ),
    _kind(
        "np.hypot(X, Y)",
        "How long is a way that goes X along one axis and Y along the other?",
        "Try 3 and 4.",
        {
            "X**2 + Y**2": "the root is missing",
            "np.abs(X) + np.abs(Y)": "the two are added as they are",
            "np.maximum(np.abs(X), np.abs(Y))": "1.3 | only the longer of the two counts",
            "(X + Y) / 2": "1.3 | the two are averaged",
            "np.abs(X - Y)": "1.4 | the two are subtracted",
            "X": "1.3 | `{Y}` does not count",
            "Y": "1.3 | `{X}` does not count",
        },
    ),
    _kind(
        "np.linalg.norm(X)",
        "A length is the root of a sum of squares.",
        "How long is (3, 4)?",
        {
            "np.linalg.norm(X)**2": "the length has lost its root",
            "np.abs(X).max()": "the largest entry is taken for the length",
            "np.abs(X).sum()": "the entries are added up, where their squares should be",
            "np.sqrt((X**2).mean())": "1.1 | the root of the mean square is taken, not of the sum",
            "np.linalg.norm(X, 2)": "1.1 | the largest singular value is taken for the length",
            "np.ones(())": "1.1 | it is not divided by its length",
            "np.sqrt(X.sum())": "1.4 | the numbers are not squared",
        },
    ),
    # ---- brackets ----------------------------------------------------------------------------------------------------
    *(
        _kind(
            step,
            "Python works products before sums, and equal ones from left to right: where are brackets needed?",
            "Put numbers in, and do what Python does, step by step.",
            {slip: f"1.5 | {name}"},
        )
        for step, slip, name in (
            ("X * (Y + Z)", "X * Y + Z", "brackets are missing: `{X}` multiplies the first term alone"),
            ("X * (Y - Z)", "X * Y - Z", "brackets are missing: `{X}` multiplies the first term alone"),
            ("X * (Y + Z)", "Y + X * Z", "`{X}` multiplies the second term alone"),
            ("(Y + Z) * X", "Y + Z * X", "brackets are missing: `{X}` multiplies the last term alone"),
            ("(Y - Z) * X", "Y - Z * X", "brackets are missing: `{X}` multiplies the last term alone"),
            ("(X + Y) / Z", "X + Y / Z", "brackets are missing: only the last term is divided by `{Z}`"),
            ("(X - Y) / Z", "X - Y / Z", "brackets are missing: only the last term is divided by `{Z}`"),
            ("X / (Y * Z)", "X / Y * Z", "brackets are missing: divided by `{Y}`, then multiplied by `{Z}`"),
            ("X / (Y + Z)", "X / Y + Z", "brackets are missing: `{Z}` stands beside the fraction"),
            ("X / (Y - Z)", "X / Y - Z", "brackets are missing: `{Z}` stands beside the fraction"),
            ("X - (Y + Z)", "X - Y + Z", "brackets are missing: `{Z}` is added"),
            ("X - (Y - Z)", "X - Y - Z", "brackets are missing: `{Z}` is subtracted"),
        )
    ),
    # ---- arithmetic --------------------------------------------------------------------------------------------------
    _kind(
        "X + Y",
        "Which terms does the formula add up, and with which sign?",
        "Write the line with numbers, for the smallest case you can think of.",
        {
            "X": "1.3 | the term `{Y}` is missing",
            "Y": "1.3 | the term `{X}` is missing",
            "X - Y": "1.3 | `{Y}` is subtracted, not added",
            "X * Y": "1.7 | multiplied by `{Y}`, not added",
            "(X + Y) / 2": "1.7 | the two terms `{X}` and `{Y}` are averaged, not added",
            "Y - X": "1.7 | `{X}` is subtracted, not added",
            "X + 2 * Y": "1.8 | the term `{Y}` is added twice",
            "2 * X + Y": "2.0 | the term `{X}` is added twice",
        },
    ),
    _kind(
        "X - Y",
        "Which term is taken from which?",
        "Write the line with numbers, for the smallest case you can think of.",
        {
            "X": "1.3 | `{Y}` is not subtracted",
            "Y - X": "1.3 | the sign of the difference is turned",
            "X + Y": "1.3 | `{Y}` is added, not subtracted",
            "Y": "1.7 | the term `{X}` is missing",
            "X * Y": "2.0 | multiplied by `{Y}`, not subtracted",
        },
    ),
    _kind(
        "X * Y",
        "Which factors does the formula have?",
        "Write the line with numbers, for the smallest case you can think of.",
        {
            "X": "1.3 | the factor `{Y}` is missing",
            "Y": "1.3 | the factor `{X}` is missing",
            "X / Y": "1.5 | divided by `{Y}`, not multiplied",
            "Y / X": "1.9 | divided by `{X}`, not multiplied",
            "X * Y * Y": "1.8 | the factor `{Y}` stands there twice",
            "X * X * Y": "1.8 | the factor `{X}` stands there twice",
            "X + Y": "1.7 | `{Y}` is added, not multiplied",
        },
    ),
    _kind(
        "X / Y",
        "What does the formula divide by, and is there anything to divide at all?",
        "Write the line with numbers, for the smallest case you can think of.",
        {
            "X": "1.3 | the division by `{Y}` is missing",
            "X * Y": "1.4 | multiplied by `{Y}`, not divided",
            "Y / X": "1.6 | the fraction is upside down",
            "X / Y / Y": "1.7 | divided by `{Y}` twice",
            "X / np.sqrt(Y)": "1.7 | divided by the root of `{Y}`, not by `{Y}`",
            "X // Y": "1.6 | rounded down to a whole number",
        },
    ),
    _kind(
        "X ** N",
        "Which power does the formula have?",
        "Try the numbers 2 and 3.",
        {
            "X": "1.2 | the power is missing",
            "X * N": "1.4 | multiplied by `{N}` instead of raised to it",
            "X ** (N - 1)": "1.5 | the power is one too low",
            "X ** (N + 1)": "1.5 | the power is one too high",
            "N ** X": "1.8 | base and exponent are exchanged",
            "np.abs(X)": "1.6 | the absolute value is taken, not the power",
        },
    ),
    _kind(
        "-X",
        "Should the result be positive or negative?",
        "Take numbers for which you know the sign of the answer.",
        {"X": "1.1 | the sign is wrong: the minus is missing"},
    ),
    _kind(
        "np.repeat(X, N, axis=A)",
        "np.repeat repeats each entry, np.tile the whole: which one is needed?",
        "Repeat [1, 2] twice in both ways. Which order is wanted?",
        {"np.resize(X, np.repeat(X, N, axis=A).shape)": "the whole is repeated, not each entry"},
    ),
    _kind(
        "np.tile(X, R)",
        "np.repeat repeats each entry, np.tile the whole: which one is needed?",
        "Repeat [1, 2] twice in both ways. Which order is wanted?",
        {"np.repeat(X, len(np.tile(X, R)) // len(X), axis=0)": "each entry is repeated, not the whole"},
    ),
    _kind(
        "np.argsort(X)",
        "Place n receives what was at order[n], or what was at n goes to order[n]?",
        "Take order = [2, 0, 1] and write both results down.",
        {"X": "1.1 | the inverse order is not taken"},
    ),
]
