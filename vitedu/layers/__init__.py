"""Layers: one concept a file, a function and a thin class around it."""

from vitedu_numpy.extras import needs

needs("torch")
