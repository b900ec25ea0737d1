"""vitedu_numpy/training/parallel.py: a batch in chunks on several threads gives the batch's own loss and gradients."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from vitedu_numpy import DataParallel, ViT, ViTConfig, losses

B, K = 7, 4
SIZES = dict(image_size=4, patch_size=2, channels=1, width=6, depth=2, heads=3, mlp_dim=5, num_classes=K)


@pytest.fixture
def batch(rng):
    """Images (B, 1, 4, 4) and targets (B, K)."""
    return rng.uniform(-1, 1, (B, 1, 4, 4)), rng.uniform(0.05, 0.95, (B, K))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("chunk", [None, 1, 2, 3, 7, 100])  # 7 images: 2 leaves a chunk of 1, 3 too, 100 is one chunk
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_chunks_and_threads_give_the_whole_batch(loss, chunk, threads, batch, scramble):
    images, targets = batch
    model = scramble(ViT(ViTConfig(**SIZES), 0, np.float64))
    logits = model(images)
    value, cache = getattr(losses, f"{loss}_cross_entropy")(logits, targets)
    model.zero_grad()
    model.backward(getattr(losses, f"{loss}_cross_entropy_backward")(1.0, cache))
    expected = model.gradients()

    parallel = DataParallel(model, threads, chunk)
    for _ in range(2):  # the second time replaces the first's gradients, it does not add to them
        parallel_value, parallel_logits = parallel.loss_and_gradients(images, targets, loss)
        # The same sums over 7 images, added in another order.
        assert parallel_value == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(parallel_logits, logits, rtol=1e-12, atol=1e-12)
        for name, gradient in model.gradients().items():
            scale = abs(expected[name]).max()
            np.testing.assert_allclose(gradient, expected[name], rtol=0, atol=1e-12 * scale, err_msg=name)


def test_one_thread_starts_none(batch, monkeypatch):
    """Where none can be started, as in a browser, a batch is still computed."""

    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    loss, logits = DataParallel(ViT(ViTConfig(**SIZES), 0, np.float64), threads=1).loss_and_gradients(*batch)
    assert logits.shape == (B, K)
    # The head starts at 0, so every class has probability 1 / K.
    assert loss == pytest.approx(batch[1].sum(axis=1).mean() * np.log(K), rel=1e-12)
    with pytest.raises(RuntimeError, match="can't start"):
        DataParallel(ViT(ViTConfig(**SIZES), 0, np.float64), threads=2).loss_and_gradients(*batch)


def test_the_same_dropout_on_any_number_of_threads(batch, scramble):
    model = scramble(ViT(ViTConfig(**SIZES, dropout=0.3, attention_dropout=0.3), 0, np.float64))
    results = []
    for threads in (1, 2, 3):
        loss, logits = DataParallel(model, threads, chunk=2, rng=5).loss_and_gradients(*batch)
        results.append((loss, logits, {name: gradient.copy() for name, gradient in model.gradients().items()}))
    (loss, logits, gradients), *others = results
    for other_loss, other_logits, other_gradients in others:
        assert other_loss == loss
        assert np.array_equal(other_logits, logits)
        for name in gradients:  # sums over 4 chunks, added in another order
            np.testing.assert_allclose(other_gradients[name], gradients[name], rtol=1e-12, atol=1e-12, err_msg=name)


def test_every_step_and_every_chunk_draws_new_dropout(scramble):
    model = scramble(ViT(ViTConfig(**SIZES, dropout=0.3), 0, np.float64))
    images, targets = np.full((4, 1, 4, 4), 0.5), np.full((4, K), 0.25)  # four equal images
    parallel = DataParallel(model, threads=2, chunk=2, rng=5)
    _, first = parallel.loss_and_gradients(images, targets)
    _, second = parallel.loss_and_gradients(images, targets)
    assert len({row.tobytes() for row in np.concatenate([first, second])}) == 8
    model.eval()
    _, logits = parallel.loss_and_gradients(images, targets)  # the model's mode reaches the replicas
    np.testing.assert_allclose(logits, np.stack([logits[0]] * 4), rtol=1e-12)


def test_equal_seeds_give_equal_bits(batch, scramble):
    model = scramble(ViT(ViTConfig(**SIZES, dropout=0.3), 0, np.float64))
    results = []
    for _ in range(2):
        loss, _ = DataParallel(model, threads=3, chunk=1, rng=5).loss_and_gradients(*batch)
        results.append((loss, {name: gradient.copy() for name, gradient in model.gradients().items()}))
    assert results[0][0] == results[1][0]
    assert all(np.array_equal(results[0][1][name], results[1][1][name]) for name in results[0][1])


def test_memory_does_not_grow_with_the_batch():
    """A batch of 4 and one of 64, in chunks of 2: the same memory.  All 64 at once: many times as much."""
    model = ViT(ViTConfig(**SIZES | dict(image_size=16, width=24, mlp_dim=48)), 0)

    def peak(images, threads, chunk):
        """Largest memory in use during one step, beyond what was in use before, bytes."""
        batch = np.zeros((images, 1, 16, 16), np.float32), np.full((images, K), 0.25, np.float32)
        parallel = DataParallel(model, threads, chunk)
        parallel.loss_and_gradients(*batch)  # once before: the gradients are there, the threads are started
        tracemalloc.start()
        try:
            parallel.loss_and_gradients(*batch)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    one_chunk = peak(4, threads=1, chunk=2)
    assert peak(64, threads=1, chunk=2) < 1.5 * one_chunk  # measured 1.07: logits, and a little bookkeeping
    assert peak(64, threads=2, chunk=2) < 3 * one_chunk  # measured 2.1: two chunks are alive at a time
    assert peak(64, threads=1, chunk=64) > 8 * one_chunk  # measured 28
