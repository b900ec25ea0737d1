"""The Vision Transformer in NumPy alone: every forward with its hand-derived backward.

The layer functions stand in their modules (`from vitedu_numpy.attention import attention, attention_backward`);
what one needs to build, train and check a model is here.  `vitedu` is the PyTorch twin under the same names.
"""

from .attention import MultiHeadAttention
from .config import DIGITS_TRAINING, DIGITS_VIT, TrainConfig, ViTConfig
from .dropout import Dropout
from .encoder import MLP, Block, Encoder
from .gradcheck import check_model, check_pair, numerical_gradient, relative_error
from .layernorm import LayerNorm
from .linear import Linear
from .module import Module, Parameter
from .optim import SGD, Adam, clip_by_global_norm
from .parallel import DataParallel
from .patches import ClassToken, PatchEmbedding, PositionEmbedding
from .schedule import learning_rate
from .train import evaluate, fit
from .vit import PreLogits, ViT

__version__ = "0.1.0"
__all__ = [
    "DIGITS_TRAINING", "DIGITS_VIT", "MLP", "SGD", "Adam", "Block", "ClassToken", "DataParallel", "Dropout",
    "Encoder", "LayerNorm", "Linear", "Module", "MultiHeadAttention", "Parameter", "PatchEmbedding",
    "PositionEmbedding", "PreLogits", "TrainConfig", "ViT", "ViTConfig", "check_model", "check_pair",
    "clip_by_global_norm", "evaluate", "fit", "learning_rate", "numerical_gradient", "relative_error",
]  # fmt: skip
