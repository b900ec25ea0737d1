"""What a model is worth for other tasks."""
