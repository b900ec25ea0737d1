"""Exercises of notebooks/11_seq2seq.ipynb."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import log_softmax, merge_heads, softmax, split_heads, swap

__all__ = [
    "cross_attention", "decoder_mask", "embed_backward", "moved_waves", "path_lengths", "sinusoid",
    "token_cross_entropy", "token_cross_entropy_backward",
]  # fmt: skip


# ---- sinusoid --------------------------------------------------------------------------------------------------------


@exercise(cases=lambda rng: [(7, 6), (5, 8), (12, 4)], outputs={"PE": "(T, D)"}, level=2, minutes=15)
def sinusoid(length, width):
    i = np.arange(width // 2)  # i
    frequency = 10000.0 ** (-2 * i / width)  # the frequencies
    angle = np.arange(length)[:, None] * frequency  # the angles
    first = np.sin(angle)  # features 2i
    second = np.cos(angle)  # features 2i + 1
    return np.stack([first, second], axis=-1).reshape(length, width)


for _name, _why, _lines in (
    ("sine and cosine have changed places", "Position 0 should be 0, 1, 0, 1, ...: which of the two is 0 there?",
     {"first": "np.cos(angle)", "second": "np.sin(angle)"}),
    ("all sines stand first, then all cosines",
     "Several libraries do it, and it is as good; but the formula says features 2i and 2i + 1: side by side.",
     {"result": "np.concatenate([first, second], axis=-1)"}),
    ("all cosines stand first, then all sines",
     "The formula gives feature 2i to the sine and 2i + 1 to the cosine of the same frequency: side by side.",
     {"result": "np.concatenate([second, first], axis=-1)"}),
    ("the exponent is i / D, not 2i / D",
     "i runs to D / 2 only. Which power of 10000 should the last frequency come close to?",
     {"frequency": "10000.0 ** (-i / width)"}),
    ("every feature has a frequency of its own",
     "Features 2i and 2i + 1 share one frequency; only then is a shift the same rotation everywhere.",
     {"result": "np.where(np.arange(width) % 2 == 0, np.sin(np.arange(length)[:, None] * 10000.0 ** "
                "(-np.arange(width) / width)), np.cos(np.arange(length)[:, None] * 10000.0 ** (-np.arange(width) / "
                "width)))"}),
    ("the frequencies rise instead of falling",
     "The slowest wave should need thousands of positions for one turn. Check the sign of the exponent.",
     {"frequency": "10000.0 ** (2 * i / width)"}),
    ("the positions are counted from 1", "Row 0 should be position 0.",
     {"angle": "(np.arange(length) + 1)[:, None] * frequency"}),
    ("the base is 1000, not 10000", "Count the zeros of the base.", {"frequency": "1000.0 ** (-2 * i / width)"}),
    ("the last frequency is exactly 1 / 10000",
     "The exponents go from 0 in steps of 2 / D, and end one step before 1.",
     {"frequency": "10000.0 ** (-i / (width // 2 - 1))"}),
    ("there are only sines", "At its crest a sine cannot tell a step forward from a step back. What stands at 2i + 1?",
     {"second": "np.sin(angle)"}),
    ("the angles are multiplied by 2 pi", "The angle is the position times a frequency, and nothing more.",
     {"frequency": "2 * np.pi * 10000.0 ** (-2 * i / width)"}),
    ("the table is transposed", "Rows are positions, columns are features, as everywhere.",
     {"result": "np.stack([first, second], axis=-1).reshape(length, width).T"}),
):  # fmt: skip
    sinusoid.slip(_name, _why, **_lines)


# ---- decoder_mask ----------------------------------------------------------------------------------------------------


def _target_cases(rng):
    """Targets with pad 0 at the end, with pad 2 also in the middle, and with none."""
    one = rng.integers(1, 9, (3, 6))
    one[0, 4:], one[1, 2:] = 0, 0
    two = rng.choice([0, 1, 3, 4, 5], (2, 5))
    two[0, 2], two[1, 3:] = 2, 2
    return [(one, 0), (two, 2), (rng.integers(1, 9, (1, 4)), 0)]


@exercise(cases=_target_cases, outputs={"mask": "(B, 1, T, T)"}, level=2, minutes=15)
def decoder_mask(target, pad):
    B, T = target.shape
    causal = np.tri(T, dtype=bool)  # the causal part
    real = target != pad  # what is no padding
    padding = real[:, None, None, :]  # the padding part
    return padding & causal  # the mask


_ADDED = "The package's masks are booleans: True where a token may be asked."
for _name, _why, _lines in (
    ("all that comes after the first padding is hidden", "Is a word behind a gap no word?",
     {"real": "np.cumsum(target == pad, axis=1) == 0"}),
    ("a token may not ask itself",
     "The causal part is one off: the diagonal is missing, and the first token has nobody to ask.",
     {"causal": "np.tri(T, k=-1, dtype=bool)"}),
    ("a token may ask the next one",
     "The causal part is one off: place t is to predict symbol t + 1, so it must not see it.",
     {"causal": "np.tri(T, k=1, dtype=bool)"}),
    ("the causal part is transposed", "Row t says whom token t may ask. Your token 0 asks everybody after it.",
     {"causal": "np.tri(T, dtype=bool).T"}),
    ("the causal part is missing", "With this mask the decoder reads the answer off its own input.",
     {"causal": "np.ones((T, T), bool)"}),
    ("the padding part is missing", "Nobody should be able to ask a place that holds `pad`.",
     {"padding": "np.ones((B, 1, 1, 1), bool)"}),
    ("padding is kept from asking, not from being asked",
     "A row is a token that asks, a column one that is asked. Which of the two should `pad` not be?",
     {"padding": "real[:, None, :, None]"}),
    ("padding may neither ask nor be asked",
     "A row without any True has a softmax of 0 / 0. What padding asks is never read: let it ask.",
     {"padding": "real[:, None, None, :] & real[:, None, :, None]"}),
    ("`pad` is taken to be 0", "Which symbol fills short sequences up is an argument.", {"real": "target != 0"}),
    ("one of the two masks is enough: `or` instead of `and`",
     "To be asked, a token must not be padding, and it must not lie in the future.", {"result": "padding | causal"}),
    ("True and False have changed places",
     "Here True means: may be asked. (In torch.nn.MultiheadAttention it means the opposite.)",
     {"result": "~(padding & causal)"}),
    ("this is a mask to be added to the scores, 0 and -inf", _ADDED,
     {"result": "np.where(padding & causal, 0.0, -np.inf)"}),
    ("this is a mask to be added to the scores, 0 and a large negative number", _ADDED,
     {"result": "np.where(padding & causal, 0.0, -1e9)"}),
    ("the axis of the heads is missing", "The booleans are right. They must broadcast to (B, h, T, T): one axis more.",
     {"result": "(padding & causal)[:, 0]"}),
):  # fmt: skip
    decoder_mask.slip(_name, _why, **_lines)


# ---- cross_attention -------------------------------------------------------------------------------------------------


def _cross_cases(rng):
    sizes = [(2, 5, 7, 12, 3), (3, 4, 4, 10, 5), (1, 7, 3, 6, 2)]  # B, T, S, D, h
    return [
        (
            rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D)),
            1.5 * rng.standard_normal((D, D)) / np.sqrt(D), 1.5 * rng.standard_normal((2 * D, D)) / np.sqrt(D), h,
        )
        for B, T, S, D, h in sizes
    ]  # fmt: skip


@exercise(
    cases=_cross_cases, outputs={"y": "(B, T, D)"}, axes={"T": "the tokens that ask", "S": "the source tokens"},
    level=2, minutes=20,
)  # fmt: skip
def cross_attention(z, memory, q_weight, kv_weight, heads):
    B, T, D = z.shape
    S = memory.shape[1]
    Dh = D // heads
    asks = z @ q_weight.T  # the queries
    kv = memory @ kv_weight.T  # keys and values
    parts = np.split(kv, 2, axis=-1)  # the two parts
    q = split_heads(asks, heads)  # q
    k = split_heads(parts[0], heads)  # k
    v = split_heads(parts[1], heads)  # v
    scores = q @ swap(k) / np.sqrt(Dh)  # the scores
    A = softmax(scores)  # the weights
    y = A @ v  # the heads' answers
    return merge_heads(y)


for _name, _why, _lines in (
    ("the encoder asks the decoder: queries from memory, keys and values from z",
     "The answer should have one row for each target token. Who needs to know something?",
     {"asks": "memory @ q_weight.T", "kv": "z @ kv_weight.T"}),
    ("this is self-attention of z: memory is not used", "The decoder should ask what the encoder has read.",
     {"kv": "z @ kv_weight.T"}),
    ("this is self-attention of memory: z is not used", "The questions should come from the decoder.",
     {"asks": "memory @ q_weight.T"}),
    ("keys come from z, only the values from memory",
     "A weight says how much of one source token is taken: keys and values must come from the same tokens.",
     {"parts": "[z @ kv_weight[:D].T, memory @ kv_weight[D:].T]"}),
    ("keys and values are cut out of each head, not one after the other", "The first D rows make the keys.",
     {"parts": "kv.reshape(B, S, heads, 2, Dh).transpose(3, 0, 1, 2, 4).reshape(2, B, S, D)"}),
    ("k and v have changed places", "The first D rows of kv_weight make the keys.",
     {"parts": "np.split(kv, 2, axis=-1)[::-1]"}),
    ("k and v are dealt out of kv one by one",
     "The first D rows of kv_weight all make keys, the next D all make values.",
     {"parts": "[kv[..., ::2], kv[..., 1::2]]"}),
    ("the scale comes from the width D, not from the head size Dh",
     "How many terms does one dot product of a head add up?", {"scores": "q @ swap(k) / np.sqrt(D)"}),
    ("the scale comes from the number of source tokens", "The dot product adds up features, not tokens.",
     {"scores": "q @ swap(k) / np.sqrt(S)"}),
    ("there is one head of width D: `heads` is not used",
     "Everything around it is right. Each head should have a softmax of its own.",
     {"q": "split_heads(asks, 1)", "k": "split_heads(parts[0], 1)", "v": "split_heads(parts[1], 1)",
      "scores": "q @ swap(k) / np.sqrt(D)"}),
):  # fmt: skip
    cross_attention.slip(_name, _why, **_lines)


# ---- embed_backward --------------------------------------------------------------------------------------------------


def _embed_cases(rng):
    """Every symbol of a small vocabulary comes several times; the highest ones never."""
    return [
        (rng.standard_normal((B, T, D)), rng.integers(0, V - 2, (B, T)), V)
        for B, T, V, D in [(2, 7, 6, 5), (3, 5, 8, 4), (1, 9, 5, 7)]
    ]


def _scattered(rows, ids, V):
    """Every row added to the table's row of its symbol."""
    table = np.zeros((V, rows.shape[-1]))
    np.add.at(table, ids, rows)
    return table


def _last_wins(rows, ids, V):
    """table[ids] += rows reads all rows first, then writes them all."""
    table = np.zeros((V, rows.shape[-1]))
    table[ids] += rows
    return table


@exercise(cases=_embed_cases, outputs={"dweight": "(V, D)"}, level=2, minutes=15)
def embed_backward(dy, ids, vocabulary):
    B, T, D = dy.shape
    scaled = dy * np.sqrt(D)  # the scaled gradient
    return _scattered(scaled, ids, vocabulary)


_TWICE = "dweight[ids] += ... {}reads all rows first, then writes them all: what happens to an id that comes twice?"
for _name, _why, _lines in (
    ("of several uses of a symbol only the last one counts", _TWICE.format(""),
     {"result": "_last_wins(scaled, ids, vocabulary)"}),
    ("of several uses only the last one counts, and the factor sqrt(D) is forgotten",
     "First the factor of the forward; then ask what dweight[ids] += ... does with an id that comes twice.",
     {"scaled": "dy", "result": "_last_wins(scaled, ids, vocabulary)"}),
    ("the factor sqrt(D) is forgotten", "The forward multiplied each row by something.", {"scaled": "dy"}),
    ("the gradient is divided by sqrt(D)", "y = c weight has the derivative c, not 1 / c.",
     {"scaled": "dy / np.sqrt(D)"}),
    ("the factor is D, not its square root", "Look at the forward's factor again.", {"scaled": "dy * D"}),
    ("the uses of a symbol are averaged, not added up",
     "The chain rule sums over all ways in which a row acts on the loss.",
     {"result": "_scattered(scaled, ids, vocabulary) / np.maximum(np.bincount(ids.ravel(), minlength=vocabulary), "
                "1)[:, None]"}),
    ("the gradient is averaged over the sequences",
     "The loss has divided already where it had to; every use adds up.",
     {"result": "_scattered(scaled, ids, vocabulary) / B"}),
    ("only the first sequence counts", "All sequences of the batch used the same table.",
     {"result": "_scattered(scaled[:1], ids[:1], vocabulary)"}),
    ("the table ends at the highest symbol that occurred",
     "A gradient has the shape of its parameter; a symbol that did not occur gets 0.",
     {"result": "_scattered(scaled, ids, ids.max() + 1)"}),
    ("the sign is wrong", "Nothing in the forward turns a sign.", {"scaled": "-dy * np.sqrt(D)"}),
):  # fmt: skip
    embed_backward.slip(_name, _why, **_lines)


# ---- token_cross_entropy ---------------------------------------------------------------------------------------------


def _loss_cases(rng):
    return [(2 * rng.standard_normal((*target.shape, 9)), target, pad) for target, pad in _target_cases(rng)]


def _at(table, targets):
    """The entry of every place at its target: (B, T)"""
    return np.take_along_axis(table, targets[..., None], axis=-1)[..., 0]


@exercise(
    cases=_loss_cases, outputs={"loss": "()"}, axes={"T": "the places of a sequence", "V": "the vocabulary"},
    level=2, minutes=20,
)  # fmt: skip
def token_cross_entropy(logits, targets, pad):
    B, T, V = logits.shape
    logp = log_softmax(logits)  # the logarithms of the probabilities
    losses = -_at(logp, targets)  # the losses of the places
    counts = targets != pad  # the places that count
    total = (losses * counts).sum()  # the total
    return total / counts.sum()  # the loss


for _name, _why, _lines in (
    ("the sum leaves padding out, but it is divided by all B T places",
     "Much padding would make the loss small, however wrong the model is. How many terms did you add?",
     {"result": "total / targets.size"}),
    ("padding counts like any other symbol", "The model would spend its effort on predicting the filling.",
     {"result": "losses.mean()"}),
    ("every sequence has the same weight, not every symbol",
     "You took a mean of means: a symbol of a short sequence then counts more. Here all symbols count the same.",
     {"result": "((losses * counts).sum(axis=1) / counts.sum(axis=1)).mean()"}),
    ("the sum is divided by the number of sequences",
     "The loss is a mean over symbols: it should not grow with the length of the sequences.", {"result": "total / B"}),
    ("nothing is divided", "Twice as many sequences should not double the loss.", {"result": "total"}),
    ("the sign is wrong", "The log of a probability is negative, and the loss is to be positive.",
     {"losses": "_at(logp, targets)"}),
    ("the symbol `pad` is taken out of the softmax",
     "It is places that do not count, where the *target* is `pad`; at the others all V symbols compete.",
     {"logp": "log_softmax(np.where(np.arange(V) == pad, -1e9, logits))"}),
    ("places are left out where the model says `pad`, not where the target is `pad`",
     "A model that always says `pad` would have no loss at all.", {"counts": "logits.argmax(axis=-1) != pad"}),
    ("only padding counts", "The condition is the wrong way round.", {"counts": "targets == pad"}),
    ("`pad` is taken to be 0", "Which symbol fills short sequences up is an argument.", {"counts": "targets != 0"}),
    ("the softmax runs over the places of a sequence, not over the vocabulary",
     "At each place the probabilities of the V symbols should sum to 1.", {"logp": "log_softmax(logits, 1)"}),
    ("the logits are not turned into probabilities",
     "Raw logits do not sum to 1. What is missing between logits and loss?", {"logp": "logits"}),
):  # fmt: skip
    token_cross_entropy.slip(_name, _why, **_lines)


# ---- path_lengths ----------------------------------------------------------------------------------------------------


def _reads(n, kind, rng=None):
    i, j = np.arange(n)[:, None], np.arange(n)
    if kind == "recurrence":
        return (j == i) | (j == i - 1)
    if kind == "convolution":
        return abs(i - j) <= 1
    if kind == "attention":
        return np.ones((n, n), bool)
    return (rng.random((n, n)) < 0.3) & (i != j)


def _path_cases(rng):
    kinds = [("recurrence", 6), ("convolution", 7), ("attention", 4), ("random", 8)]
    return [(_reads(n, kind, rng),) for kind, n in kinds]


def _spread(reads, rounds, first=True, doubling=False):
    """The step at which i first knows of j, -1 for never; first=False: the last step at which it was written."""
    known = np.eye(len(reads), dtype=bool)
    steps, start = np.where(known, 0, -1), known
    for step in range(1, rounds + 1):
        by = (known if step > 1 else reads) if doubling else reads
        known = known | (by.astype(int) @ known.astype(int) > 0)
        steps = np.where(((steps < 0) if first else ~start) & known, step, steps)
    return steps


@exercise(cases=_path_cases, outputs={"steps": "(n, n)"}, level=3, minutes=25)
def path_lengths(reads):
    n = len(reads)
    steps = _spread(reads, n - 1)  # the steps
    return steps


path_lengths.slip(
    "every way is one step too long", "How many steps does it take to know what one reads?",
    result="np.where(steps > 0, steps + 1, steps)",
)  # fmt: skip
for _name, _why, _lines in (
    ("a position needs a step to know itself", "What does it know before anybody has read?",
     {"result": "np.where(np.eye(n, dtype=bool) & np.asarray(reads, bool), 1, steps)"}),
    ("what is never known has infinity, not -1", "Which number was asked for?",
     {"result": "np.where(steps < 0, np.inf, steps)"}),
    ("who reads and who is read have changed places",
     "Row i is about what position i knows. In a recurrence that reads from the left, may row 0 know anything?",
     {"steps": "_spread(reads.T, n - 1)"}),
    ("only direct reading is seen",
     "What a neighbour knew after one step, position i can know after two. The steps have to be repeated.",
     {"steps": "_spread(reads, 1)"}),
    ("the count is one too high",
     "A position knows itself after 0 steps, and whom it reads directly after 1.",
     {"result": "np.where(steps >= 0, steps + 1, -1)"}),
    ("the count is one too low", "Whom a position reads directly, it knows after 1 step.",
     {"result": "np.maximum(steps - 1, np.minimum(steps, 0))"}),
    ("a later step overwrites an earlier one",
     "The *least* number of steps is wanted: write only where nothing stands yet.",
     {"steps": "_spread(reads, n - 1, False)"}),
    ("each step doubles the paths",
     "In one step a position hears from those it reads, not from all it knows of. What is multiplied by what?",
     {"steps": "_spread(reads, n - 1, True, True)"}),
    ("what is never known has n steps, not -1", "n is a number of steps: could a longer path have it?",
     {"result": "np.where(steps < 0, n, steps)"}),
    ("what is never known has 0 steps, not -1", "0 means known from the start.", {"result": "np.maximum(steps, 0)"}),
    ("it is the distance |i - j|, whatever `reads` says",
     "That is right for one of the three architectures at most.",
     {"result": "abs(np.arange(n)[:, None] - np.arange(n))"}),
    ("the longest path is missing",
     "The loop ends one step too early: a path through n positions has how many steps?",
     {"result": "np.where((steps == steps.max()) & (steps > 1), -1, steps)"}),
):  # fmt: skip
    path_lengths.slip(_name, _why, **_lines)


# ---- moved_waves -----------------------------------------------------------------------------------------------------


def _wave_cases(rng):
    """Rows of PE from somewhere in the middle, and how far to go on; also back."""
    cases = []
    for first, length, width, distance in ((3, 4, 6, 2), (10, 5, 8, -3), (40, 3, 4, 7)):
        angle = (first + np.arange(length)[:, None]) * 10000.0 ** (-np.arange(0, width, 2) / width)
        cases.append((np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, width), distance))
    return cases


@exercise(cases=_wave_cases, outputs={"moved": "(n, D)"}, axes={"n": "the rows"}, level=2, minutes=25)
def moved_waves(PE, distance):
    n, D = PE.shape
    turn = distance * 10000.0 ** (-np.arange(0, D, 2) / D)  # the angles
    sine = PE[:, 0::2]  # the sines
    cosine = PE[:, 1::2]  # the cosines
    new_sine = np.cos(turn) * sine + np.sin(turn) * cosine  # the moved sines
    new_cosine = np.cos(turn) * cosine - np.sin(turn) * sine  # the moved cosines
    return np.stack([new_sine, new_cosine], axis=-1).reshape(n, D)


for _name, _why, _lines in (
    ("the rows are rolled", "What should the last rows hold: waves that were never in the table, or its first rows?",
     {"result": "np.roll(PE, -distance, axis=0)"}),
    ("the rows are taken for the first n of the table", "The table may begin anywhere. What do the given rows say?",
     {"sine": "np.sin(np.arange(n)[:, None] * turn / distance)",
      "cosine": "np.cos(np.arange(n)[:, None] * turn / distance)"}),
    ("the waves are turned the wrong way: they go back", "At t = 0 the sine is 0. Is it to grow or to fall?",
     {"turn": "-distance * 10000.0 ** (-np.arange(0, D, 2) / D)"}),
    ("all pairs are turned by the same angle", "Each pair has a frequency of its own.",
     {"turn": "distance + 0.0 * np.arange(0, D, 2)"}),
    ("the exponent is i / D, not 2i / D", "Which power of 10000 should the last frequency come close to?",
     {"turn": "distance * 10000.0 ** (-np.arange(D // 2) / D)"}),
    ("the sines are moved, and the cosines are made of the moved sines",
     "Both come from the row as it was.", {"new_cosine": "np.cos(turn) * cosine - np.sin(turn) * new_sine"}),
    ("both pairs of the turn have the same sign", "Turning keeps the length of a pair: sin^2 + cos^2 = 1.",
     {"new_cosine": "np.cos(turn) * cosine + np.sin(turn) * sine"}),
    ("all sines stand first, then all cosines", "Features 2i and 2i + 1 are a pair.",
     {"result": "np.concatenate([new_sine, new_cosine], axis=-1)"}),
    ("the row is read as all sines, then all cosines", "Features 2i and 2i + 1 are a pair.",
     {"sine": "PE[:, : D // 2]", "cosine": "PE[:, D // 2 :]"}),
    ("nothing is turned but by one place", "`distance` says how many places.",
     {"turn": "10000.0 ** (-np.arange(0, D, 2) / D)"}),
):  # fmt: skip
    moved_waves.slip(_name, _why, **_lines)


# ---- token_cross_entropy_backward ------------------------------------------------------------------------------------


@exercise(
    cases=_loss_cases, outputs={"dlogits": "(B, T, V)"}, axes={"T": "the places of a sequence", "V": "the vocabulary"},
    level=2, minutes=20,
)  # fmt: skip
def token_cross_entropy_backward(logits, targets, pad):
    B, T, V = logits.shape
    p = softmax(logits)  # the probabilities
    wanted = np.eye(V)[targets]  # the targets as rows of zeros with a 1
    counts = targets != pad  # the places that count
    difference = (p - wanted) * counts[..., None]  # probabilities minus targets
    return difference / counts.sum()  # dlogits


for _name, _why, _lines in (
    ("the column of `pad` is set to 0 as well as its places",
     "What does a model learn that gives `pad` a high score?",
     {"result": "difference / counts.sum() * (np.arange(V) != pad)"}),
    ("it is divided by all B T places", "The loss is a mean. Over how many places?",
     {"result": "difference / (B * T)"}),
    ("nothing is divided", "The loss is a mean. Over how many places?", {"result": "difference"}),
    ("it is divided by the number of sequences", "The loss is a mean over symbols, not over sequences.",
     {"result": "difference / B"}),
    ("every sequence has the same weight, not every symbol", "The loss is one mean over all symbols that count.",
     {"result": "difference / counts.sum(axis=1)[:, None, None] / B"}),
    ("padding gets a gradient too", "Those places have no part in the loss. What is its derivative there?",
     {"difference": "p - wanted"}),
    ("the column of `pad` is set to 0, not the places of padding",
     "At a place that counts, all V symbols compete, `pad` too.",
     {"difference": "(p - wanted) * (np.arange(V) != pad)"}),
    ("the sign is wrong", "A larger logit of the right symbol makes the loss smaller.",
     {"difference": "(wanted - p) * counts[..., None]"}),
    ("the targets are not taken away", "What is dLoss / dlogit of a softmax with cross-entropy?",
     {"difference": "p * counts[..., None]"}),
    ("only the entry of the right symbol gets a gradient",
     "The logits of the wrong symbols stand in the denominator of the softmax.",
     {"difference": "(p - wanted) * wanted * counts[..., None]"}),
    ("the logits are not turned into probabilities", "Which function stands between logits and loss?", {"p": "logits"}),
    ("only padding counts", "The condition is the wrong way round.", {"counts": "targets == pad"}),
    ("`pad` is taken to be 0", "Which symbol fills short sequences up is an argument.", {"counts": "targets != 0"}),
):  # fmt: skip
    token_cross_entropy_backward.slip(_name, _why, **_lines)
