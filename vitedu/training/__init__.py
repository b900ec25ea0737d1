"""Losses, optimisers, and the training loop that is taught."""
