"""Layers: one concept a file, a function and a thin class around it."""

from vitedu_numpy.extras import naming_extras

with naming_extras():
    import torch  # noqa: F401
