"""Losses, optimisers, the training loop that is taught, and many models trained at once."""
