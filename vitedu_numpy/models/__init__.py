"""Whole models, and the paper's sizes by name."""

from .create import build, create_model
from .names import list_models, named_config

__all__ = ["build", "create_model", "list_models", "named_config"]
