"""What a model is worth for other tasks."""

from vitedu_numpy.extras import naming_extras

with naming_extras():
    import torch  # noqa: F401
