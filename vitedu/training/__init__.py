"""Losses, optimisers, and the training loop that is taught."""

from vitedu_numpy.extras import needs

needs("torch")
