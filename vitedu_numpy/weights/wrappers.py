"""What wrappers put before or into the names of arrays.  Taught in notebooks/13_weights.ipynb.

DistributedDataParallel calls every parameter `module.` + its name, `torch.compile` puts `_orig_mod.` there, trainers
`model.`; what is saved of them has it too.  `AveragedModel` adds a count.  The numbers are the same.
"""

from __future__ import annotations

import logging
import re

__all__ = ["unwrapped"]

_log = logging.getLogger(__name__)

AROUND = re.compile(r"(module|model|net|network|backbone|_orig_mod|_fsdp_wrapped_module)\.")  # before every name
COUNT = "n_averaged"  # beside the names: `AveragedModel` counts there
WITHIN = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")  # before a part of some


def unwrapped(arrays, source) -> dict:
    """The arrays under their own names, and a line in the log where those are others than in the file.

    What stands before a name is left out where it stands before all of them.  Raises ValueError where two are the same
    then.
    """
    arrays = {key: array for key, array in arrays.items() if key != COUNT}
    found, before = {WITHIN.sub("", key): key for key in arrays}, ""
    if len(found) < len(arrays):
        raise ValueError(f"{source}: without `_orig_mod.` and the like, two of its keys are the same")
    while found and (match := AROUND.match(next(iter(found)))) and all(key.startswith(match[0]) for key in found):
        found = {key.removeprefix(match[0]): original for key, original in found.items()}
        before += match[0]
    if before or any(key != original for key, original in found.items()):
        _log.warning("%s: what wrappers put into its keys was left out (%s)", source, before or "_orig_mod.")
    return {key: arrays[original] for key, original in found.items()}
