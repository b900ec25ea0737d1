"""Training at any scale: one loop for a laptop, a GPU, eight GPUs, many nodes.  `vitedu train` calls it.

`train.py` is the loop.  What it calls: `distributed.py` (processes, DDP, FSDP2), `objective.py` (the loss),
`optimizer.py` (update and learning rate), `average.py` (EMA), `checkpoints.py`, `evaluate.py`, `report.py` (what one
sees), `export.py`, `runs.py` (curves compared), `start.py` (weights to begin from).  Against damage: `manifest.py` and
`storage.py` (checkpoints), `lock.py` (one run a folder), `stop.py` (signals); docs/reliability.md.  On top of it:
`finetune.py`, and `probe.py` for frozen features.  Taught in notebooks/14_pretraining.ipynb.
"""

from vitedu_numpy.extras import naming_extras

with naming_extras():
    import torch  # noqa: F401
    import tqdm  # noqa: F401
