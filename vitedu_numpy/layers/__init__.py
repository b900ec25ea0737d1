"""Layers: one concept a file, a function pair and a thin class around it."""
