"""What a model is worth for other tasks."""

from vitedu_numpy.extras import needs

needs("torch")
