"""Losses, optimisers, and the training loop that is taught."""

from vitedu_numpy.extras import naming_extras

with naming_extras():
    import torch  # noqa: F401
