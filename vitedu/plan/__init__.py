"""What a training needs: memory, time, images, money.  Taught in notebooks/14_pretraining.ipynb.

`plan(PlanRequest("vit_l16-imagenet21k", gpus=8))`, or `vitedu plan` on the command line; `format_plan` prints it.  No
GPU and no weights are needed: memory is counted on the meta device (`compute.py`), the rest is arithmetic.

    images/s = GPUs x peak FLOP/s x utilisation / (2 FLOPs x 3 forwards x MACs per image)

Only `utilisation` is a guess, and it decides everything.  The paper lets us check it (`paper_utilisation`): its
TPUv3-core-days in Table 2 mean 32 % of the peak for H/14 on JFT, 43 % for L/16 on JFT, 39 % for L/16 on ImageNet-21k
(at 90 epochs; 30 would mean 13 %).  They agree to a factor of 1.4, so believe the days below to about that much.
"""

from .gpus import GPUS, Gpu, known_gpus
from .planner import Plan, PlanRequest, paper_utilisation, plan
from .table import format_plan

__all__ = ["GPUS", "Gpu", "Plan", "PlanRequest", "format_plan", "known_gpus", "paper_utilisation", "plan"]
