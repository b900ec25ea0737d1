"""Whole models, and the paper's sizes by name."""

from vitedu_numpy.extras import needs
from vitedu_numpy.models.names import list_models, named_config

needs("torch")
from .create import build, create_model  # noqa: E402

__all__ = ["build", "create_model", "list_models", "named_config"]
