"""Whole models, and the paper's sizes by name."""

from vitedu_numpy.models.names import list_models, named_config

from .create import build, create_model

__all__ = ["build", "create_model", "list_models", "named_config"]
