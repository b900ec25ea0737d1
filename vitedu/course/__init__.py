"""For instructors: the notebooks as an assignment, and marks for what comes back.  Described in docs/teaching.md.

`assignment` reads a lesson, `release` writes it without solutions, `rubric` says what an answer is worth.
"""
