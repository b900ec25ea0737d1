"""Decoding: writing a sequence, one symbol after the other.  Taught in notebooks/11_seq2seq.ipynb.

Shapes: `B` batch, `S` source symbols, `T` target symbols, `Vt` symbols in the target vocabulary.
"""

from __future__ import annotations

import torch

from vitedu_numpy.validate import is_integer, require

from ..layers.symbols import check_symbols
from ..module import checked

__all__ = ["greedy_decode"]


@torch.no_grad()
@checked
def greedy_decode(model, source, start, stop, max_length):
    """Take the most probable next symbol, again and again.     source (B, S)  ->  target (B, T), T <= max_length

    Each row is `start`, the symbols chosen, `stop` if it came before `max_length` symbols in all, then `pad`, which is
    never chosen.  Dropout is off meanwhile.  Raises ValueError for a start or stop that is `pad` or no target symbol,
    and for a max_length above the model's.
    """
    config = getattr(model, "config", None)
    require(hasattr(config, "target_vocabulary"), "model", model, "a Transformer")
    _check(config, start, stop, max_length)
    source = check_symbols(source, "source", config.source_vocabulary, config.max_length)
    was_training = model.training
    model.eval()
    try:
        memory, memory_mask = model.encode(source)
        target = torch.full((len(source), 1), start, device=source.device)
        writing = torch.ones(len(source), dtype=torch.bool, device=source.device)  # False for those that have stopped
        while writing.any() and target.shape[1] < max_length:
            logits = model.decode(target, memory, memory_mask)[:, -1]  # (B, Vt): for the next place
            logits[:, config.pad] = float("-inf")
            chosen = torch.where(writing, logits.argmax(dim=-1), config.pad)  # (B,)
            target = torch.cat([target, chosen[:, None]], dim=1)
            writing &= chosen != stop
    finally:
        model.train(was_training)
    return target


def _check(config, start, stop, max_length) -> None:
    """See `greedy_decode`."""
    for name, symbol in (("start", start), ("stop", stop)):
        is_symbol = is_integer(symbol, 0) and symbol < config.target_vocabulary
        if not is_symbol or symbol == config.pad:
            allowed = f"a symbol in 0..{config.target_vocabulary - 1} other than pad={config.pad}"
            raise ValueError(f"{name}={symbol!r} is not allowed; {name} must be {allowed}")
    if not is_integer(max_length, 1) or max_length > config.max_length:
        allowed = f"an integer in 1..{config.max_length}, the model's max_length"
        raise ValueError(f"max_length={max_length!r} is not allowed; max_length must be {allowed}")
