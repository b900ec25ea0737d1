"""Layers: one concept a file, a function and a thin class around it."""
