"""The counter-based generator: known answers, NumPy's Philox beside it, and no dependence on how a batch is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitedu.data.draws import below, philox, random_bits, uniform

# Random123, examples/kat_vectors: counter, key, result of philox4x32 with 10 rounds.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter, key, result):
    words = philox([torch.tensor(c) for c in counter], [torch.tensor(k) for k in key])
    assert [int(word) for word in words] == result
    assert list(philox(counter, key)) == result  # plain integers do as well


def test_rounds_against_whole_numbers(rng):
    """Python's integers have no end, so the plain definition of a round needs no halves of words."""

    def plain(c, k):
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(p1 >> 32) ^ c[1] ^ k[0], p1 % 2**32, (p0 >> 32) ^ c[3] ^ k[1], p0 % 2**32]
            k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
        return c

    for _ in range(50):
        words = rng.integers(0, 2**32, 6).tolist()
        assert list(philox([torch.tensor(c) for c in words[:4]], words[4:])) == plain(words[:4], words[4:])


def test_a_draw_depends_on_seed_position_stream_and_nothing_else():
    positions = torch.tensor([0, 1, 7, 2**33 + 5])
    bits = random_bits(3, positions, 16)
    assert bits.shape == (4, 16)
    assert bits.dtype == torch.int64
    assert bits.min() >= 0
    assert bits.max() < 2**32
    parts = torch.cat([random_bits(torch.tensor(3), part, 16) for part in positions.split(1)])
    assert torch.equal(bits, parts)  # cut in other parts, and with the seed as a tensor
    assert torch.equal(bits[:, :5], random_bits(3, positions, 5))
    for seed, stream in ((4, 0), (3 + 2**32, 0), (3, 1)):
        other = random_bits(seed, positions, 16, stream)
        assert (bits != other).float().mean() > 0.99


def test_uniform_and_below_are_even():
    bits = random_bits(0, torch.arange(20_000), 4)
    u = uniform(bits)
    assert u.min() >= 0
    assert u.max() < 1
    # Means of 80,000 numbers: standard error 0.001; five of them.
    assert abs(float(u.mean()) - 0.5) < 0.005
    counts = np.bincount(below(bits, 9).flatten().numpy())
    assert len(counts) == 9
    assert abs(counts / counts.sum() - 1 / 9).max() < 0.006
    most = torch.tensor([2**32 - 1])
    assert float(uniform(most)) < 1
    assert int(below(most, 9)) == 8
