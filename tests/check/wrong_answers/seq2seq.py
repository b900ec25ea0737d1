"""Wrong answers to the exercises of notebooks/11_seq2seq.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet
from vitedu_numpy.layers.attention import attention as np_attention
from vitedu_numpy.layers.attention import merge_heads as np_merge
from vitedu_numpy.layers.attention import split_heads as np_split
from vitedu_numpy.layers.symbols import causal_mask as np_causal
from vitedu_numpy.layers.symbols import embed as np_embed
from vitedu_numpy.layers.symbols import embed_backward as np_embed_backward
from vitedu_numpy.layers.symbols import padding_mask as np_padding
from vitedu_numpy.layers.symbols import sinusoid as np_sinusoid
from vitedu_numpy.training.sequence_loss import token_cross_entropy as np_token_cross_entropy

from . import FirstGeneration

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


sinusoid = FirstGeneration(
    lambda length, width: np_sinusoid(length, width, np.float64),
    [
        ("sine and cosine have changed places", _waves(np.cos, np.sin)),
        ("all sines stand first, then all cosines", _waves(join=lambda a, b: np.concatenate([a, b], axis=-1))),
        ("all cosines stand first, then all sines", _waves(join=lambda a, b: np.concatenate([b, a], axis=-1))),
        ("the exponent is i / D, not 2i / D", _waves(power=lambda i, D: -i / D)),
        ("every feature has a frequency of its own", _own_frequency_each),
        ("the frequencies rise instead of falling", quiet(_waves(power=lambda i, D: 2 * i / D))),
        ("the positions are counted from 1", lambda length, width: np_sinusoid(length + 1, width, np.float64)[1:]),
        ("the base is 1000, not 10000", _waves(base=1000.0)),
        ("the last frequency is exactly 1 / 10000", _waves(power=lambda i, D: -i / (D // 2 - 1))),
        ("there are only sines", _waves(np.sin, np.sin)),
        ("the angles are multiplied by 2 pi", _waves(turn=2 * np.pi)),
        ("the table is transposed", lambda length, width: np_sinusoid(length, width, np.float64).T),
    ],
)


# ---- decoder_mask ----------------------------------------------------------------------------------------------------


def _decoder_mask(target, pad):
    return np_padding(target, pad) & np_causal(target.shape[1])


def _masks(causal=lambda T: np.tri(T, dtype=bool), padding=lambda target, pad: (target != pad)[:, None, None, :]):
    return lambda target, pad: padding(target, pad) & causal(target.shape[1])


def _additive(target, pad):
    return np.where(_decoder_mask(target, pad), 0.0, -np.inf)


decoder_mask = FirstGeneration(
    _decoder_mask,
    [
        ("a token may not ask itself", _masks(lambda T: np.tri(T, k=-1, dtype=bool))),
        ("a token may ask the next one", _masks(lambda T: np.tri(T, k=1, dtype=bool))),
        ("the causal part is transposed", _masks(lambda T: np.tri(T, dtype=bool).T)),
        ("the causal part is missing", _masks(lambda T: np.ones((T, T), bool))),
        ("the padding part is missing", _masks(padding=lambda target, pad: np.ones((len(target), 1, 1, 1), bool))),
        (
            "padding is kept from asking, not from being asked",
            _masks(padding=lambda target, pad: (target != pad)[:, None, :, None]),
        ),
        (
            "padding may neither ask nor be asked",
            _masks(padding=lambda target, pad: (target != pad)[:, None, None, :] & (target != pad)[:, None, :, None]),
        ),
        ("`pad` is taken to be 0", _masks(padding=lambda target, pad: (target != 0)[:, None, None, :])),
        (
            "one of the two masks is enough: `or` instead of `and`",
            lambda target, pad: np_padding(target, pad) | np_causal(target.shape[1]),
        ),
        ("True and False have changed places", lambda target, pad: ~_decoder_mask(target, pad)),
        ("this is a mask to be added to the scores, 0 and -inf", _additive),
        (
            "this is a mask to be added to the scores, 0 and a large negative number",
            lambda target, pad: np.where(_decoder_mask(target, pad), 0.0, -1e9),
        ),
        ("the axis of the heads is missing", lambda target, pad: _decoder_mask(target, pad)[:, 0]),
    ],
)


# ---- cross_attention -------------------------------------------------------------------------------------------------


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


cross_attention = FirstGeneration(
    _cross_reference,
    [
        (
            "the encoder asks the decoder: queries from memory, keys and values from z",
            _cross(lambda z, memory: memory, lambda z, memory: z),
        ),
        ("this is self-attention of z: memory is not used", _cross(asked=lambda z, memory: z)),
        ("this is self-attention of memory: z is not used", _cross(asks=lambda z, memory: memory)),
        ("keys come from z, only the values from memory", _two_sources),
        ("k and v have changed places", _cross(parts=lambda kv: np.split(kv, 2, axis=-1)[::-1])),
        ("k and v are dealt out of kv one by one", _cross(parts=lambda kv: (kv[..., ::2], kv[..., 1::2]))),
        ("the softmax runs over the tokens that ask", _cross(attend=lambda q, k, v: _attend(q, k, v, axis=-2))),
        ("the scale is missing", _cross(attend=lambda q, k, v: _attend(q, k, v, 1.0))),
        (
            "the scale comes from the width D, not from the head size Dh",
            _cross(attend=lambda q, k, v: _attend(q, k, v, (q.shape[1] * q.shape[-1]) ** -0.5)),
        ),
        (
            "the scale comes from the number of source tokens",
            _cross(attend=lambda q, k, v: _attend(q, k, v, k.shape[-2] ** -0.5)),
        ),
        ("there is one head of width D: `heads` is not used", _cross(heads_of=lambda h: 1)),
        ("the heads are split by one reshape straight to (B, h, T, Dh), which mixes tokens and features", _mixed_heads),
        ("q_weight is not transposed", _cross(q_of=lambda x, W: x @ W)),
    ],
)


# ---- embed_backward --------------------------------------------------------------------------------------------------


def _embed_reference(dy, ids, vocabulary):
    _, cache = np_embed(np.zeros((vocabulary, dy.shape[-1])), ids)
    return np_embed_backward(dy, cache)


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


embed_backward = FirstGeneration(
    _embed_reference,
    [
        ("of several uses of a symbol only the last one counts", _last_use_wins),
        ("of several uses only the last one counts, and the factor sqrt(D) is forgotten", _last_use_wins_unscaled),
        ("the factor sqrt(D) is forgotten", lambda dy, ids, V: _scatter(dy, ids, V, lambda D: 1)),
        ("the gradient is divided by sqrt(D)", lambda dy, ids, V: _scatter(dy, ids, V, lambda D: D**-0.5)),
        ("the factor is D, not its square root", lambda dy, ids, V: _scatter(dy, ids, V, lambda D: D)),
        (
            "the uses of a symbol are averaged, not added up",
            lambda dy, ids, V: _scatter(dy, ids, V) / np.maximum(_uses(ids, V), 1),
        ),
        ("the gradient is averaged over the sequences", lambda dy, ids, V: _scatter(dy, ids, V) / len(ids)),
        ("only the first sequence counts", lambda dy, ids, V: _scatter(dy[:1], ids[:1], V)),
        ("the table ends at the highest symbol that occurred", lambda dy, ids, V: _scatter(dy, ids, ids.max() + 1)),
        ("the sign is wrong", lambda dy, ids, V: -_scatter(dy, ids, V)),
    ],
)


# ---- token_cross_entropy ---------------------------------------------------------------------------------------------


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


token_cross_entropy = FirstGeneration(
    lambda logits, targets, pad: np_token_cross_entropy(logits, targets, pad)[0],
    [
        ("the sum leaves padding out, but it is divided by all B T places", _mean_over_all),
        ("padding counts like any other symbol", lambda logits, targets, pad: _terms(logits, targets).mean()),
        ("every sequence has the same weight, not every symbol", _mean_of_means),
        (
            "the sum is divided by the number of sequences",
            lambda logits, targets, pad: _terms(logits, targets)[targets != pad].sum() / len(targets),
        ),
        ("nothing is divided", lambda logits, targets, pad: _terms(logits, targets)[targets != pad].sum()),
        ("the sign is wrong", lambda logits, targets, pad: -_terms(logits, targets)[targets != pad].mean()),
        ("the symbol `pad` is taken out of the softmax", _without_pad_symbol),
        ("places are left out where the model says `pad`, not where the target is `pad`", _chosen_is_pad),
        (
            "only padding counts",
            quiet(
                lambda logits, targets, pad: (_terms(logits, targets) * (targets == pad)).sum() / (targets == pad).sum()
            ),
        ),
        ("`pad` is taken to be 0", lambda logits, targets, pad: _terms(logits, targets)[targets != 0].mean()),
        (
            "the softmax runs over the places of a sequence, not over the vocabulary",
            lambda logits, targets, pad: _terms(logits, targets, axis=1)[targets != pad].mean(),
        ),
        (
            "the logits are not turned into probabilities",
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


path_lengths = FirstGeneration(
    lambda reads: _path_lengths(reads),
    [
        ("who reads and who is read have changed places", lambda reads: _path_lengths(reads.T)),
        ("only direct reading is seen", _only_neighbours),
        ("the count is one too high", lambda reads: np.where(_path_lengths(reads) >= 0, _path_lengths(reads) + 1, -1)),
        (
            "the count is one too low",
            lambda reads: np.maximum(_path_lengths(reads) - 1, np.minimum(_path_lengths(reads), 0)),
        ),
        ("a later step overwrites an earlier one", _latest_step),
        ("each step doubles the paths", _doubling),
        ("what is never known has 0 steps, not -1", lambda reads: np.maximum(_path_lengths(reads), 0)),
        ("it is the distance |i - j|, whatever `reads` says", _distance),
        ("the longest path is missing", _one_step_short),
    ],
)
