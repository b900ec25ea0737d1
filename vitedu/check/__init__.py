"""Exercises that say what is wrong: `from vitedu import check; check.attention(my_attention)`.

Every name below is a `Check`: call it on your function; `check.hint()` then gives one hint after the other.  Works
without PyTorch.
"""

from .catalogue.ablations import *  # noqa: F403
from .catalogue.attention import *  # noqa: F403
from .catalogue.bit import *  # noqa: F403
from .catalogue.block import *  # noqa: F403
from .catalogue.compute import *  # noqa: F403
from .catalogue.conv import *  # noqa: F403
from .catalogue.data_size import *  # noqa: F403
from .catalogue.encoder import *  # noqa: F403
from .catalogue.fewshot import *  # noqa: F403
from .catalogue.finetuning import *  # noqa: F403
from .catalogue.heads import *  # noqa: F403
from .catalogue.hybrid import *  # noqa: F403
from .catalogue.inside import *  # noqa: F403
from .catalogue.layernorm import *  # noqa: F403
from .catalogue.linear import *  # noqa: F403
from .catalogue.locality import *  # noqa: F403
from .catalogue.losses import *  # noqa: F403
from .catalogue.masked import *  # noqa: F403
from .catalogue.mlp import *  # noqa: F403
from .catalogue.noisy import *  # noqa: F403
from .catalogue.optim import *  # noqa: F403
from .catalogue.patches import *  # noqa: F403
from .catalogue.positions import *  # noqa: F403
from .catalogue.pretraining import *  # noqa: F403
from .catalogue.scale import *  # noqa: F403
from .catalogue.seq2seq import *  # noqa: F403
from .catalogue.start import *  # noqa: F403
from .catalogue.state_of_the_art import *  # noqa: F403
from .catalogue.torch_twin import *  # noqa: F403
from .catalogue.video import *  # noqa: F403
from .catalogue.weights import *  # noqa: F403
from .engine import Check, Mistake, Verdict
from .ladder import hint

CHECKS = {name: value for name, value in list(globals().items()) if isinstance(value, Check)}
__all__ = ["CHECKS", "Check", "Mistake", "Verdict", "hint", *CHECKS]
