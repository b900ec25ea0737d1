"""The Transformer: an encoder reads one sequence, a decoder writes another.  Taught in notebooks/11_seq2seq.ipynb.

Vaswani et al. (2017, arXiv:1706.03762), Fig. 1; below, sections are those of that paper.

Shapes: `B` batch, `S` source symbols, `T` target symbols, `D` width, `L` depth, `Vs` and `Vt` symbols in the two
vocabularies.
"""

from __future__ import annotations

import torch
from torch import nn

from vitedu_numpy.config import TransformerConfig
from vitedu_numpy.record import note, scope

from ..layers.layernorm import LayerNorm
from ..layers.linear import Linear, linear
from ..layers.sublayers import DecoderBlock, EncoderBlock
from ..layers.symbols import Embedding, causal_mask, check_symbols, padding_mask
from ..module import Module

__all__ = ["TiedHead", "Transformer", "TransformerDecoder", "TransformerEncoder"]


class TransformerEncoder(Module):
    """L blocks; with pre-norm one last layer norm, since then nobody has normalised the sum."""

    def __init__(self, config, rng=None):
        super().__init__()
        self.blocks = nn.ModuleList(EncoderBlock(config, rng) for _ in range(config.depth))
        self.norm = LayerNorm(config.width, config.layernorm_eps) if config.norm == "pre" else None

    def forward(self, z, mask=None, record=None):
        """z (B, S, D), mask as in `attention`  ->  memory (B, S, D)"""
        for i, block in enumerate(self.blocks):
            z = block(z, mask, scope(record, f"block{i:02d}"))
        memory = self.norm(z) if self.norm else z
        note(record, memory=memory)
        return memory


class TransformerDecoder(Module):
    """L blocks, all asking the same memory; with pre-norm one last layer norm."""

    def __init__(self, config, rng=None):
        super().__init__()
        self.blocks = nn.ModuleList(DecoderBlock(config, rng) for _ in range(config.depth))
        self.norm = LayerNorm(config.width, config.layernorm_eps) if config.norm == "pre" else None

    def forward(self, z, memory, mask=None, memory_mask=None, record=None):
        """z (B, T, D), memory (B, S, D), masks as in `DecoderBlock`  ->  (B, T, D)"""
        for i, block in enumerate(self.blocks):
            z = block(z, memory, mask, memory_mask, scope(record, f"block{i:02d}"))
        decoded = self.norm(z) if self.norm else z
        note(record, decoded=decoded)
        return decoded


class TiedHead(Module):
    """logits = z W^T + b with a W that belongs to somebody else: the target embedding (Sec. 3.4).  `bias` (Vt,)"""

    def __init__(self, vocabulary):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, z, weight):
        """z (B, T, D), weight (Vt, D)  ->  (B, T, Vt)"""
        return linear(z, weight, self.bias)


class Transformer(Module):
    """Symbols in, for every place of the target a score for every symbol that may come next.

    config: a `TransformerConfig` (of either package); rng: where the first parameters come from (a torch.Generator, a
    seed, or None for PyTorch's own generator).
    `logits = model(source, target)`, then `loss.backward()`, then `model.gradients()`.
    """

    def __init__(self, config: TransformerConfig, rng=None):
        super().__init__()
        rng = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        c, self.config = config, config
        self.source_embedding = Embedding(c.source_vocabulary, c.width, c.max_length, rng, c.dropout)
        self.encoder = TransformerEncoder(config, rng)
        self.target_embedding = Embedding(c.target_vocabulary, c.width, c.max_length, rng, c.dropout)
        self.decoder = TransformerDecoder(config, rng)
        Vt = c.target_vocabulary
        self.head = TiedHead(Vt) if c.tied else Linear(c.width, Vt, rng)

    def forward(self, source, target, record=None):
        """source (B, S), target (B, T), integers  ->  logits (B, T, Vt); logits[:, t] have seen target[:, : t + 1] only

        record: an optional dict that receives every intermediate by name.  Raises TypeError for symbols that are not
        integers; ValueError for symbols outside the vocabulary, sequences longer than `max_length`, a source of nothing
        but `pad`, a target that begins with `pad`.
        """
        memory, memory_mask = self.encode(source, record)
        return self.decode(target, memory, memory_mask, record)

    def encode(self, source, record=None):
        """source (B, S)  ->  memory (B, S, D), and who may be asked there (B, 1, 1, S)"""
        c = self.config
        source = check_symbols(source, "source", c.source_vocabulary, c.max_length)
        mask = padding_mask(source, c.pad)  # (B, 1, 1, S)
        check_someone_to_ask(mask, "source", "hold at least one other symbol", c.pad)
        record = scope(record, "encoder")
        z = self.source_embedding(source, record)  # (B, S, D)
        return self.encoder(z, mask, record), mask

    def decode(self, target, memory, memory_mask, record=None):
        """target (B, T), memory and memory_mask from `encode`  ->  logits (B, T, Vt)"""
        c = self.config
        target = check_symbols(target, "target", c.target_vocabulary, c.max_length)
        if len(target) != len(memory):
            raise ValueError(f"target holds {len(target)} sequences, source {len(memory)}; expected equal numbers")
        mask = padding_mask(target, c.pad)  # (B, 1, 1, T)
        check_someone_to_ask(mask[..., :1], "target", "begin with another symbol", c.pad)
        z = self.target_embedding(target, scope(record, "decoder"))  # (B, T, D)
        mask = mask & causal_mask(target.shape[1]).to(mask.device)  # (B, 1, T, T)
        decoded = self.decoder(z, memory, mask, memory_mask, scope(record, "decoder"))  # (B, T, D)
        logits = self.head(decoded, self.target_embedding.weight) if c.tied else self.head(decoded)
        note(record, logits=logits)
        return logits


def check_someone_to_ask(mask, name, allowed, pad) -> None:
    """Refuse sequences in which a token could ask nobody: `mask` (B, 1, 1, n) must have a True in each."""
    if mask.device.type != "cpu" or torch.compiler.is_compiling():  # as in `check_symbols`
        return
    empty = ~mask.any(dim=-1).reshape(-1)  # (B,)
    if empty.any():
        raise ValueError(f"{name}[{int(empty.int().argmax())}] must {allowed} than pad={pad}")
