"""The Vision Transformer in NumPy alone: every forward with its hand-derived backward.

The layer functions stand in their modules (`from vitedu_numpy.attention import attention, attention_backward`);
what one needs to build, train and check a model is here.  `vitedu` is the PyTorch twin under the same names.
"""

from .attention import MultiHeadAttention
from .bit import BiT
from .config import DIGITS_TRAINING, DIGITS_VIT, BiTConfig, HybridConfig, TrainConfig, TransformerConfig, ViTConfig
from .decode import greedy_decode
from .dropout import Dropout
from .encoder import MLP, Block, Encoder
from .fewshot import few_shot_accuracy
from .gradcheck import check_model, check_pair, numerical_gradient, relative_error
from .hybrid import Hybrid
from .layernorm import LayerNorm
from .linear import Linear
from .masked import MaskedPatchViT
from .models import build, create_model, list_models, named_config
from .module import Module, Parameter
from .optim import SGD, Adam, clip_by_global_norm
from .parallel import DataParallel
from .patches import ClassToken, PatchEmbedding, PositionEmbedding
from .resize import resize_positions
from .schedule import learning_rate
from .seq2seq import Transformer
from .train import evaluate, fit
from .vit import PreLogits, ViT
from .weights import from_npz, from_official, to_official

__version__ = "0.1.0"
__all__ = [
    "DIGITS_TRAINING", "DIGITS_VIT", "MLP", "SGD", "Adam", "BiT", "BiTConfig", "Block", "ClassToken", "DataParallel",
    "Dropout", "Encoder", "Hybrid", "HybridConfig", "LayerNorm", "Linear", "MaskedPatchViT", "Module",
    "MultiHeadAttention", "Parameter", "PatchEmbedding", "PositionEmbedding", "PreLogits", "TrainConfig", "Transformer",
    "TransformerConfig", "ViT", "ViTConfig", "build", "check_model", "check_pair", "clip_by_global_norm",
    "create_model", "evaluate", "few_shot_accuracy", "fit", "from_npz", "from_official", "greedy_decode",
    "learning_rate", "list_models", "named_config", "numerical_gradient", "relative_error", "resize_positions",
    "to_official",
]  # fmt: skip
