"""Data parallelism in miniature: one batch, several threads, summed gradients.  Taught in notebooks/08_vit_torch.ipynb.

The gradient of a mean over a batch is the sum of the gradients of its parts.  So a batch is cut into chunks of a few
images; every worker has a replica of the model (same parameter values, gradients of its own) and takes chunk after
chunk; at the end the replicas' gradients are added.  On eight GPUs there is a replica on each and the sum is called
all-reduce; nothing else changes.  Memory does not grow with the batch: only the chunks at work are alive.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..blas import cpu_count, single_threaded_blas
from ..layers.dropout import Dropout
from ..module import checked
from ..validate import A_SIZE, as_array, is_size, require
from . import losses

__all__ = ["DataParallel"]

_ROWS = 1100  # of a chunk's largest matrix products


class DataParallel:
    """Loss and gradients of `model` on a whole batch, chunk by chunk, on `threads` Python threads.

    model: any whole model; threads: number of workers (default: one per core); chunk: images per chunk (default: about
    a thousand tokens or pixels of a feature map, enough rows for quick products and few enough for the cache); rng: a
    Generator or seed for dropout.  Chunk i of a batch has the same dropout whichever worker takes it.
    A model with batch normalisation gets the whole batch as one chunk, since its statistics are those of the batch.
    """

    @checked
    def __init__(self, model, threads: int | None = None, chunk: int | None = None, rng=None):
        threads = cpu_count() if threads is None else threads
        require(chunk is None or is_size(chunk), "chunk", chunk, f"{A_SIZE}, or None")
        if chunk is not None and next(model.named_buffers(), None):
            raise ValueError(f"chunk={chunk} is not allowed; chunk must be None for a model with batch normalisation")
        self.model, self.chunk = model, chunk
        self.rng = np.random.default_rng(rng)
        self.replicas = [model.replica() for _ in range(threads)]
        self.dropouts = [[m for _, m in r.named_modules() if isinstance(m, Dropout)] for r in self.replicas]
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None  # in a browser no thread can be started
        _keep_freed_memory()

    def loss_and_gradients(self, images, targets, loss: str = "softmax"):
        """images (B, C, H, W), targets (B, K)  ->  (mean loss, logits (B, K)); gradients land in `model`.

        loss: "softmax" or "sigmoid" cross-entropy.  Earlier gradients of `model` are replaced.
        """
        if loss not in ("softmax", "sigmoid"):
            raise ValueError(f"loss={loss!r} is not allowed; loss must be 'softmax' or 'sigmoid'")
        images, targets = as_array(images, "images"), as_array(targets, "targets")
        if images.shape[:1] != targets.shape[:1] or not images.size:
            raise ValueError(
                f"images holds {_rows(images)} images, targets {_rows(targets)} rows; expected equal and not 0"
            )
        size = self.chunk or self._chunk_size(images.shape)
        chunks = [slice(i, i + size) for i in range(0, len(images), size)]
        rngs = self.rng.spawn(len(chunks))

        def work(worker: int):
            """Chunks worker, worker + threads, ...: a fixed share, so that sums come out the same every time."""
            model = self.replicas[worker]
            model.train(self.model.training).zero_grad()
            done = []
            for i in range(worker, len(chunks), len(self.replicas)):
                for dropout in self.dropouts[worker]:
                    dropout.rng = rngs[i]
                done.append((i, *_loss_and_backward(model, images[chunks[i]], targets[chunks[i]], loss, len(images))))
            return done

        with single_threaded_blas():
            shares = list((self.pool.map if self.pool else map)(work, range(len(self.replicas))))
        done = sorted((row for share in shares for row in share), key=lambda row: row[0])
        self._sum_gradients()
        return sum(part for _, part, _ in done), np.concatenate([logits for _, _, logits in done])

    def _chunk_size(self, shape) -> int:
        """About `_ROWS` rows per chunk, the same number of chunks for every worker."""
        threads, batch_size, config = len(self.replicas), shape[0], self.model.config
        if next(self.model.named_buffers(), None):
            return batch_size
        if hasattr(config, "blocks"):  # a ResNet: places in the first stage, where the root has divided by 4 or by 1
            side = 1 if getattr(config, "stem", None) == "small" else 4
            rows = math.ceil(shape[2] / side) * math.ceil(shape[3] / side)
        else:
            rows = config.num_tokens
        rounds = math.ceil(batch_size * rows / (threads * _ROWS))
        return math.ceil(batch_size / (threads * rounds))

    def _sum_gradients(self) -> None:
        """The all-reduce: model.grad = sum of the replicas' gradients."""
        parts = [[p.grad for _, p in r.named_parameters()] for r in self.replicas]
        for (_, p), *grads in zip(self.model.named_parameters(), *parts, strict=True):
            grads = [g for g in grads if g is not None]
            p.grad = grads[0]
            for g in grads[1:]:
                p.grad += g


def _rows(x) -> int:
    return len(x) if x.ndim else 0


def _keep_freed_memory() -> None:
    """Let malloc keep what a chunk frees for the next chunk, instead of handing it back to the system and asking anew.

    Linux's malloc raises its thresholds for both when a block this large is freed; elsewhere nothing happens.
    """
    np.empty(31 << 20, np.uint8)


def _loss_and_backward(model, images, targets, loss, batch_size):
    """One chunk: its part of the batch's mean loss, and its logits; its gradients are added to `model`'s."""
    forward = getattr(losses, f"{loss}_cross_entropy")
    backward = getattr(losses, f"{loss}_cross_entropy_backward")
    share = len(images) / batch_size  # a chunk's mean loss counts for its share of the batch
    logits = model(images)
    value, cache = forward(logits, targets)
    model.backward(backward(logits.dtype.type(share), cache))
    return share * float(value), logits
