"""Whole models, and the paper's sizes by name."""

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.models.names import list_models, named_config

with naming_extras():
    import torch  # noqa: F401
from .create import build, create_model

__all__ = ["build", "create_model", "list_models", "named_config"]
