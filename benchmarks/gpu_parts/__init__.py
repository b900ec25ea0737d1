"""The parts of `benchmarks/gpu.py`, in order of worth: what a short loan of a card should answer first.

Each module has
    run(*, device, seconds, small, data, write)   measures for about `seconds`, and calls `write(results so far)` after
                                                  each row, so that a stop loses nothing
    table(result)                                 Markdown from the part's JSON alone
    NEEDS                                         packages beyond NumPy and PyTorch without which it cannot run
"""

ORDER = ("right", "fast", "engine", "feed", "cifar10", "many")
