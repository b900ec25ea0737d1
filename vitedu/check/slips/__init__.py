"""Exercises whose right answer is written once, step by step; the engine makes the mistakes itself.

`exercise.py` is the door, `kinds.py` and `rules.py` know the slips of every kind of step, `search.py` finds those that
explain a wrong answer.
"""
