"""Checks for the exercises of notebooks/11_seq2seq.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake, quiet
from vitedu_numpy.layers.attention import attention as np_attention
from vitedu_numpy.layers.attention import merge_heads as np_merge
from vitedu_numpy.layers.attention import split_heads as np_split
from vitedu_numpy.layers.symbols import causal_mask as np_causal
from vitedu_numpy.layers.symbols import embed as np_embed
from vitedu_numpy.layers.symbols import embed_backward as np_embed_backward
from vitedu_numpy.layers.symbols import padding_mask as np_padding
from vitedu_numpy.layers.symbols import sinusoid as np_sinusoid
from vitedu_numpy.training.sequence_loss import token_cross_entropy as np_token_cross_entropy

__all__ = ["cross_attention", "decoder_mask", "embed_backward", "path_lengths", "sinusoid", "token_cross_entropy"]


# ---- sinusoid --------------------------------------------------------------------------------------------------------


def _side_by_side(a, b):
    return np.stack([a, b], axis=-1).reshape(len(a), -1)


def _waves(first=np.sin, second=np.cos, join=_side_by_side, power=lambda i, D: -2 * i / D, base=10000.0, turn=1.0):
    """The formula out of exchangeable pieces; every mistake exchanges one."""

    def answer(length, width):
        i = np.arange(width // 2)
        angle = np.arange(length)[:, None] * turn * base ** power(i, width)  # (T, D/2)
        return join(first(angle), second(angle))

    return answer


def _own_frequency_each(length, width):
    """Feature d has the frequency 10000^(-d / D): a sine and a cosine no longer belong together."""
    d = np.arange(width)
    angle = np.arange(length)[:, None] * 10000.0 ** (-d / width)
    return np.where(d % 2 == 0, np.sin(angle), np.cos(angle))


sinusoid = Check(
    "sinusoid",
    reference=lambda length, width: np_sinusoid(length, width, np.float64),
    cases=lambda rng: [(7, 6), (5, 8), (12, 4)],
    outputs={"PE": "(T, D)"},
    mistakes=[
        Mistake(
            "sine and cosine have changed places",
            "Position 0 should be 0, 1, 0, 1, ...: which of the two is 0 there?",
            _waves(np.cos, np.sin),
        ),
        Mistake(
            "all sines stand first, then all cosines",
            "Several libraries do it, and it is as good; but the formula says features 2i and 2i + 1: side by side.",
            _waves(join=lambda a, b: np.concatenate([a, b], axis=-1)),
        ),
        Mistake(
            "all cosines stand first, then all sines",
            "The formula gives feature 2i to the sine and 2i + 1 to the cosine of the same frequency: side by side.",
            _waves(join=lambda a, b: np.concatenate([b, a], axis=-1)),
        ),
        Mistake(
            "the exponent is i / D, not 2i / D",
            "i runs to D / 2 only. Which power of 10000 should the last frequency come close to?",
            _waves(power=lambda i, D: -i / D),
        ),
        Mistake(
            "every feature has a frequency of its own",
            "Features 2i and 2i + 1 share one frequency; only then is a shift the same rotation everywhere.",
            _own_frequency_each,
        ),
        Mistake(
            "the frequencies rise instead of falling",
            "The slowest wave should need thousands of positions for one turn. Check the sign of the exponent.",
            quiet(_waves(power=lambda i, D: 2 * i / D)),
        ),
        Mistake(
            "the positions are counted from 1",
            "Row 0 should be position 0.",
            lambda length, width: np_sinusoid(length + 1, width, np.float64)[1:],
        ),
        Mistake("the base is 1000, not 10000", "Count the zeros of the base.", _waves(base=1000.0)),
        Mistake(
            "the last frequency is exactly 1 / 10000",
            "The exponents go from 0 in steps of 2 / D, and end one step before 1.",
            _waves(power=lambda i, D: -i / (D // 2 - 1)),
        ),
        Mistake(
            "there are only sines",
            "At its crest a sine cannot tell a step forward from a step back. What stands at 2i + 1?",
            _waves(np.sin, np.sin),
        ),
        Mistake(
            "the angles are multiplied by 2 pi",
            "The angle is the position times a frequency, and nothing more.",
            _waves(turn=2 * np.pi),
        ),
        Mistake(
            "the table is transposed",
            "Rows are positions, columns are features, as everywhere.",
            lambda length, width: np_sinusoid(length, width, np.float64).T,
        ),
    ],
)


# ---- decoder_mask ----------------------------------------------------------------------------------------------------


def _decoder_mask(target, pad):
    return np_padding(target, pad) & np_causal(target.shape[1])


def _target_cases(rng):
    """Targets with pad 0 at the end, with pad 2 also in the middle, and with none."""
    one = rng.integers(1, 9, (3, 6))
    one[0, 4:], one[1, 2:] = 0, 0
    two = rng.choice([0, 1, 3, 4, 5], (2, 5))
    two[0, 2], two[1, 3:] = 2, 2
    return [(one, 0), (two, 2), (rng.integers(1, 9, (1, 4)), 0)]


def _masks(causal=lambda T: np.tri(T, dtype=bool), padding=lambda target, pad: (target != pad)[:, None, None, :]):
    return lambda target, pad: padding(target, pad) & causal(target.shape[1])


def _additive(target, pad):
    return np.where(_decoder_mask(target, pad), 0.0, -np.inf)


decoder_mask = Check(
    "decoder_mask",
    reference=_decoder_mask,
    cases=_target_cases,
    outputs={"mask": "(B, 1, T, T)"},
    mistakes=[
        Mistake(
            "a token may not ask itself",
            "The causal part is one off: the diagonal is missing, and the first token has nobody to ask.",
            _masks(lambda T: np.tri(T, k=-1, dtype=bool)),
        ),
        Mistake(
            "a token may ask the next one",
            "The causal part is one off: place t is to predict symbol t + 1, so it must not see it.",
            _masks(lambda T: np.tri(T, k=1, dtype=bool)),
        ),
        Mistake(
            "the causal part is transposed",
            "Row t says whom token t may ask. Your token 0 asks everybody after it.",
            _masks(lambda T: np.tri(T, dtype=bool).T),
        ),
        Mistake(
            "the causal part is missing",
            "With this mask the decoder reads the answer off its own input.",
            _masks(lambda T: np.ones((T, T), bool)),
        ),
        Mistake(
            "the padding part is missing",
            "Nobody should be able to ask a place that holds `pad`.",
            _masks(padding=lambda target, pad: np.ones((len(target), 1, 1, 1), bool)),
        ),
        Mistake(
            "padding is kept from asking, not from being asked",
            "A row is a token that asks, a column one that is asked. Which of the two should `pad` not be?",
            _masks(padding=lambda target, pad: (target != pad)[:, None, :, None]),
        ),
        Mistake(
            "padding may neither ask nor be asked",
            "A row without any True has a softmax of 0 / 0. What padding asks is never read: let it ask.",
            _masks(padding=lambda target, pad: (target != pad)[:, None, None, :] & (target != pad)[:, None, :, None]),
        ),
        Mistake(
            "`pad` is taken to be 0",
            "Which symbol fills short sequences up is an argument.",
            _masks(padding=lambda target, pad: (target != 0)[:, None, None, :]),
        ),
        Mistake(
            "one of the two masks is enough: `or` instead of `and`",
            "To be asked, a token must not be padding, and it must not lie in the future.",
            lambda target, pad: np_padding(target, pad) | np_causal(target.shape[1]),
        ),
        Mistake(
            "True and False have changed places",
            "Here True means: may be asked. (In torch.nn.MultiheadAttention it means the opposite.)",
            lambda target, pad: ~_decoder_mask(target, pad),
        ),
        Mistake(
            "this is a mask to be added to the scores, 0 and -inf",
            "The package's masks are booleans: True where a token may be asked.",
            _additive,
        ),
        Mistake(
            "this is a mask to be added to the scores, 0 and a large negative number",
            "The package's masks are booleans: True where a token may be asked.",
            lambda target, pad: np.where(_decoder_mask(target, pad), 0.0, -1e9),
        ),
        Mistake(
            "the axis of the heads is missing",
            "The booleans are right. They must broadcast to (B, h, T, T): one axis more.",
            lambda target, pad: _decoder_mask(target, pad)[:, 0],
        ),
    ],
)


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


def _attend(q, k, v, scale=None, axis=-1):
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True) @ v


def _cross(
    asks=lambda z, memory: z, asked=lambda z, memory: memory, parts=lambda kv: np.split(kv, 2, axis=-1),
    heads_of=lambda h: h, attend=_attend, q_of=lambda x, W: x @ W.T,
):  # fmt: skip
    """Cross-attention out of exchangeable pieces; every mistake exchanges one."""

    def answer(z, memory, q_weight, kv_weight, heads):
        q, kv = q_of(asks(z, memory), q_weight), asked(z, memory) @ kv_weight.T
        q, k, v = (np_split(x, heads_of(heads)) for x in (q, *parts(kv)))
        return np_merge(attend(q, k, v))

    return answer


def _two_sources(z, memory, q_weight, kv_weight, heads):
    """k from z, v from memory: only where T = S does this run at all."""
    D = z.shape[-1]
    q, k, v = z @ q_weight.T, z @ kv_weight[:D].T, memory @ kv_weight[D:].T
    return np_merge(_attend(*(np_split(x, heads) for x in (q, k, v))))


def _mixed_heads(z, memory, q_weight, kv_weight, heads):
    """One reshape straight to (B, h, T, Dh)."""

    def split(x):
        return x.reshape(len(x), heads, x.shape[1], -1)

    k, v = np.split(memory @ kv_weight.T, 2, axis=-1)
    return np_merge(_attend(split(z @ q_weight.T), split(k), split(v)))


def _cross_reference(z, memory, q_weight, kv_weight, heads):
    k, v = np.split(memory @ kv_weight.T, 2, axis=-1)
    y, _ = np_attention(*(np_split(x, heads) for x in (z @ q_weight.T, k, v)))
    return np_merge(y)


cross_attention = Check(
    "cross_attention",
    reference=_cross_reference,
    cases=_cross_cases,
    outputs={"y": "(B, T, D)"},
    mistakes=[
        Mistake(
            "the encoder asks the decoder: queries from memory, keys and values from z",
            "The answer should have one row for each target token. Who needs to know something?",
            _cross(lambda z, memory: memory, lambda z, memory: z),
        ),
        Mistake(
            "this is self-attention of z: memory is not used",
            "The decoder should ask what the encoder has read.",
            _cross(asked=lambda z, memory: z),
        ),
        Mistake(
            "this is self-attention of memory: z is not used",
            "The questions should come from the decoder.",
            _cross(asks=lambda z, memory: memory),
        ),
        Mistake(
            "keys come from z, only the values from memory",
            "A weight says how much of one source token is taken: keys and values must come from the same tokens.",
            _two_sources,
        ),
        Mistake(
            "k and v have changed places",
            "The first D rows of kv_weight make the keys.",
            _cross(parts=lambda kv: np.split(kv, 2, axis=-1)[::-1]),
        ),
        Mistake(
            "k and v are dealt out of kv one by one",
            "The first D rows of kv_weight all make keys, the next D all make values.",
            _cross(parts=lambda kv: (kv[..., ::2], kv[..., 1::2])),
        ),
        Mistake(
            "the softmax runs over the tokens that ask",
            "Each target token spreads a weight of 1 over the source tokens. Which axis is that?",
            _cross(attend=lambda q, k, v: _attend(q, k, v, axis=-2)),
        ),
        Mistake(
            "the scale is missing",
            "The scores grow with the number of terms in the dot product.",
            _cross(attend=lambda q, k, v: _attend(q, k, v, 1.0)),
        ),
        Mistake(
            "the scale comes from the width D, not from the head size Dh",
            "How many terms does one dot product of a head add up?",
            _cross(attend=lambda q, k, v: _attend(q, k, v, (q.shape[1] * q.shape[-1]) ** -0.5)),
        ),
        Mistake(
            "the scale comes from the number of source tokens",
            "The dot product adds up features, not tokens.",
            _cross(attend=lambda q, k, v: _attend(q, k, v, k.shape[-2] ** -0.5)),
        ),
        Mistake(
            "there is one head of width D: `heads` is not used",
            "Everything around it is right. Each head should have a softmax of its own.",
            _cross(heads_of=lambda h: 1),
        ),
        Mistake(
            "the heads are split by one reshape straight to (B, h, T, Dh), which mixes tokens and features",
            "Notebook 04: first cut D alone, then move an axis.",
            _mixed_heads,
        ),
        Mistake(
            "q_weight is not transposed",
            "D times D fits both ways, so nothing crashes. Weights are (out, in): y = x @ W.T.",
            _cross(q_of=lambda x, W: x @ W),
        ),
    ],
)


# ---- embed_backward --------------------------------------------------------------------------------------------------


def _embed_reference(dy, ids, vocabulary):
    _, cache = np_embed(np.zeros((vocabulary, dy.shape[-1])), ids)
    return np_embed_backward(dy, cache)


def _embed_cases(rng):
    """Every symbol of a small vocabulary comes several times; the highest ones never."""
    return [
        (rng.standard_normal((B, T, D)), rng.integers(0, V - 2, (B, T)), V)
        for B, T, V, D in [(2, 7, 6, 5), (3, 5, 8, 4), (1, 9, 5, 7)]
    ]


def _scatter(dy, ids, vocabulary, scale=lambda D: D**0.5):
    dweight = np.zeros((vocabulary, dy.shape[-1]))
    np.add.at(dweight, ids, scale(dy.shape[-1]) * dy)
    return dweight


def _uses(ids, vocabulary):
    return np.bincount(ids.ravel(), minlength=vocabulary)[:, None]


def _last_use_wins(dy, ids, vocabulary):
    dweight = np.zeros((vocabulary, dy.shape[-1]))
    dweight[ids] += dy.shape[-1] ** 0.5 * dy
    return dweight


def _last_use_wins_unscaled(dy, ids, vocabulary):
    return _last_use_wins(dy, ids, vocabulary) / dy.shape[-1] ** 0.5


embed_backward = Check(
    "embed_backward",
    reference=_embed_reference,
    cases=_embed_cases,
    outputs={"dweight": "(V, D)"},
    mistakes=[
        Mistake(
            "of several uses of a symbol only the last one counts",
            "dweight[ids] += ... reads all rows first, then writes them all: what happens to an id that comes twice?",
            _last_use_wins,
        ),
        Mistake(
            "of several uses only the last one counts, and the factor sqrt(D) is forgotten",
            "First the factor of the forward; then ask what dweight[ids] += ... does with an id that comes twice.",
            _last_use_wins_unscaled,
        ),
        Mistake(
            "the factor sqrt(D) is forgotten",
            "The forward multiplied each row by something.",
            lambda dy, ids, V: _scatter(dy, ids, V, lambda D: 1),
        ),
        Mistake(
            "the gradient is divided by sqrt(D)",
            "y = c weight has the derivative c, not 1 / c.",
            lambda dy, ids, V: _scatter(dy, ids, V, lambda D: D**-0.5),
        ),
        Mistake(
            "the factor is D, not its square root",
            "Look at the forward's factor again.",
            lambda dy, ids, V: _scatter(dy, ids, V, lambda D: D),
        ),
        Mistake(
            "the uses of a symbol are averaged, not added up",
            "The chain rule sums over all ways in which a row acts on the loss.",
            lambda dy, ids, V: _scatter(dy, ids, V) / np.maximum(_uses(ids, V), 1),
        ),
        Mistake(
            "the gradient is averaged over the sequences",
            "The loss has divided already where it had to; every use adds up.",
            lambda dy, ids, V: _scatter(dy, ids, V) / len(ids),
        ),
        Mistake(
            "only the first sequence counts",
            "All sequences of the batch used the same table.",
            lambda dy, ids, V: _scatter(dy[:1], ids[:1], V),
        ),
        Mistake(
            "the table ends at the highest symbol that occurred",
            "A gradient has the shape of its parameter; a symbol that did not occur gets 0.",
            lambda dy, ids, V: _scatter(dy, ids, ids.max() + 1),
        ),
        Mistake(
            "the sign is wrong",
            "Nothing in the forward turns a sign.",
            lambda dy, ids, V: -_scatter(dy, ids, V),
        ),
    ],
)


# ---- token_cross_entropy ---------------------------------------------------------------------------------------------


def _loss_cases(rng):
    return [(2 * rng.standard_normal((*target.shape, 9)), target, pad) for target, pad in _target_cases(rng)]


def _terms(logits, targets, axis=-1):
    """-log p(target) for every place, padding too: (B, T)"""
    shifted = logits - logits.max(axis=axis, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return -np.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]


def _mean_over_all(logits, targets, pad):
    return (_terms(logits, targets) * (targets != pad)).sum() / targets.size


def _mean_of_means(logits, targets, pad):
    counts = targets != pad
    return ((_terms(logits, targets) * counts).sum(axis=1) / counts.sum(axis=1)).mean()


def _without_pad_symbol(logits, targets, pad):
    logits = logits.copy()
    logits[..., pad] = -1e9
    return _terms(logits, targets)[targets != pad].mean()


def _chosen_is_pad(logits, targets, pad):
    counts = logits.argmax(axis=-1) != pad
    return (_terms(logits, targets) * counts).sum() / max(counts.sum(), 1)


token_cross_entropy = Check(
    "token_cross_entropy",
    reference=lambda logits, targets, pad: np_token_cross_entropy(logits, targets, pad)[0],
    cases=_loss_cases,
    outputs={"loss": "()"},
    mistakes=[
        Mistake(
            "the sum leaves padding out, but it is divided by all B T places",
            "Much padding would make the loss small, however wrong the model is. How many terms did you add?",
            _mean_over_all,
        ),
        Mistake(
            "padding counts like any other symbol",
            "The model would spend its effort on predicting the filling.",
            lambda logits, targets, pad: _terms(logits, targets).mean(),
        ),
        Mistake(
            "every sequence has the same weight, not every symbol",
            "You took a mean of means: a symbol of a short sequence then counts more. Here all symbols count the same.",
            _mean_of_means,
        ),
        Mistake(
            "the sum is divided by the number of sequences",
            "The loss is a mean over symbols: it should not grow with the length of the sequences.",
            lambda logits, targets, pad: _terms(logits, targets)[targets != pad].sum() / len(targets),
        ),
        Mistake(
            "nothing is divided",
            "Twice as many sequences should not double the loss.",
            lambda logits, targets, pad: _terms(logits, targets)[targets != pad].sum(),
        ),
        Mistake(
            "the sign is wrong",
            "The log of a probability is negative, and the loss is to be positive.",
            lambda logits, targets, pad: -_terms(logits, targets)[targets != pad].mean(),
        ),
        Mistake(
            "the symbol `pad` is taken out of the softmax",
            "It is places that do not count, where the *target* is `pad`; at the others all V symbols compete.",
            _without_pad_symbol,
        ),
        Mistake(
            "places are left out where the model says `pad`, not where the target is `pad`",
            "A model that always says `pad` would have no loss at all.",
            _chosen_is_pad,
        ),
        Mistake(
            "only padding counts",
            "The condition is the wrong way round.",
            quiet(
                lambda logits, targets, pad: (_terms(logits, targets) * (targets == pad)).sum() / (targets == pad).sum()
            ),
        ),
        Mistake(
            "`pad` is taken to be 0",
            "Which symbol fills short sequences up is an argument.",
            lambda logits, targets, pad: _terms(logits, targets)[targets != 0].mean(),
        ),
        Mistake(
            "the softmax runs over the places of a sequence, not over the vocabulary",
            "At each place the probabilities of the V symbols should sum to 1.",
            lambda logits, targets, pad: _terms(logits, targets, axis=1)[targets != pad].mean(),
        ),
        Mistake(
            "the logits are not turned into probabilities",
            "Raw logits do not sum to 1. What is missing between logits and loss?",
            lambda logits, targets, pad: (
                -np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0][targets != pad].mean()
            ),
        ),
    ],
)


# ---- path_lengths ----------------------------------------------------------------------------------------------------


def _path_lengths(reads, keep=True, known=None):
    n = len(reads)
    known = np.eye(n, dtype=bool)
    steps = np.where(known, 0, -1)
    for step in range(1, n):
        heard = reads.astype(int) @ known.astype(int) > 0  # someone that i reads knew it one step before
        known = known | heard if keep else heard
        steps[(steps < 0) & known] = step
    return steps


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


def _latest_step(reads):
    """A later step overwrites an earlier one."""
    known, steps = np.eye(len(reads), dtype=bool), np.where(np.eye(len(reads), dtype=bool), 0, -1)
    for step in range(1, len(reads)):
        known = known | (reads.astype(int) @ known.astype(int) > 0)
        steps[known & ~np.eye(len(reads), dtype=bool)] = step
    return steps


def _doubling(reads):
    """known @ known: everybody reads what everybody knows, so paths double in length at each step."""
    known = np.eye(len(reads), dtype=bool)
    steps = np.where(known, 0, -1)
    known = known | reads
    for step in range(1, len(reads)):
        steps[(steps < 0) & known] = step
        known = known | (known.astype(int) @ known.astype(int) > 0)
    return steps


def _only_neighbours(reads):
    steps = np.where(reads, 1, -1)
    np.fill_diagonal(steps, 0)
    return steps


def _distance(reads):
    i = np.arange(len(reads))
    return abs(i[:, None] - i)


def _one_step_short(reads):
    steps = _path_lengths(reads)
    return np.where(steps == steps.max(), -1, steps) if steps.max() > 1 else steps


path_lengths = Check(
    "path_lengths",
    reference=lambda reads: _path_lengths(reads),
    cases=_path_cases,
    outputs={"steps": "(n, n)"},
    mistakes=[
        Mistake(
            "who reads and who is read have changed places",
            "Row i is about what position i knows. In a recurrence that reads from the left, may row 0 know anything?",
            lambda reads: _path_lengths(reads.T),
        ),
        Mistake(
            "only direct reading is seen",
            "What a neighbour knew after one step, position i can know after two. The steps have to be repeated.",
            _only_neighbours,
        ),
        Mistake(
            "the count is one too high",
            "A position knows itself after 0 steps, and whom it reads directly after 1.",
            lambda reads: np.where(_path_lengths(reads) >= 0, _path_lengths(reads) + 1, -1),
        ),
        Mistake(
            "the count is one too low",
            "Whom a position reads directly, it knows after 1 step.",
            lambda reads: np.maximum(_path_lengths(reads) - 1, np.minimum(_path_lengths(reads), 0)),
        ),
        Mistake(
            "a later step overwrites an earlier one",
            "The *least* number of steps is wanted: write only where nothing stands yet.",
            _latest_step,
        ),
        Mistake(
            "each step doubles the paths",
            "In one step a position hears from those it reads, not from all it knows of. What is multiplied by what?",
            _doubling,
        ),
        Mistake(
            "what is never known has 0 steps, not -1",
            "0 means known from the start.",
            lambda reads: np.maximum(_path_lengths(reads), 0),
        ),
        Mistake(
            "it is the distance |i - j|, whatever `reads` says",
            "That is right for one of the three architectures at most.",
            _distance,
        ),
        Mistake(
            "the longest path is missing",
            "The loop ends one step too early: a path through n positions has how many steps?",
            _one_step_short,
        ),
    ],
)
