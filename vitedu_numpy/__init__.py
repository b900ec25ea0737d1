"""The Vision Transformer in NumPy alone: every forward with its hand-derived backward.

The layer functions stand in their modules (`from vitedu_numpy.layers.attention import attention, attention_backward`);
what one needs to build, train and check a model is here.  `vitedu` is the PyTorch twin under the same names.
"""

from . import inspect
from .config import (
    DIGITS_TRAINING,
    DIGITS_VIT,
    BiTConfig,
    EfficientNetConfig,
    HybridConfig,
    TrainConfig,
    TransformerConfig,
    VideoViTConfig,
    ViTConfig,
)
from .gradcheck import check_model, check_pair, numerical_gradient, relative_error
from .layers.attention import MultiHeadAttention
from .layers.dropout import Dropout
from .layers.layernorm import LayerNorm
from .layers.linear import Linear
from .layers.mlp import MLP
from .layers.patches import ClassToken, PatchEmbedding, PositionEmbedding
from .models import build, create_model, list_models, named_config
from .models.bit import BiT
from .models.decode import greedy_decode
from .models.efficientnet import EfficientNet
from .models.encoder import Block, Encoder
from .models.hybrid import Hybrid
from .models.masked import MaskedPatchViT
from .models.pretrained import from_npz
from .models.seq2seq import Transformer
from .models.variants import make_block, make_encoder
from .models.video import VideoViT
from .models.vit import PreLogits, ViT
from .module import Module, Parameter
from .schedule import learning_rate
from .training import losses
from .training.loop import evaluate, fit
from .training.optim import SGD, Adam, clip_by_global_norm
from .training.parallel import DataParallel
from .transfer.fewshot import few_shot_accuracy
from .transfer.knn import knn_accuracy
from .transfer.probe import linear_probe
from .transfer.sweep import few_shot_sweep
from .weights import from_official, to_official
from .weights.resize import resize_positions

__version__ = "0.1.0"
__all__ = [
    "DIGITS_TRAINING", "DIGITS_VIT", "MLP", "SGD", "Adam", "BiT", "BiTConfig", "Block", "ClassToken",
    "DataParallel", "Dropout", "EfficientNet", "EfficientNetConfig", "Encoder", "Hybrid", "HybridConfig",
    "LayerNorm", "Linear", "MaskedPatchViT", "Module", "MultiHeadAttention", "Parameter", "PatchEmbedding",
    "PositionEmbedding", "PreLogits", "TrainConfig", "Transformer", "TransformerConfig", "ViT", "ViTConfig",
    "VideoViT", "VideoViTConfig", "build", "check_model", "check_pair", "clip_by_global_norm", "create_model",
    "evaluate", "few_shot_accuracy", "few_shot_sweep", "fit", "from_npz", "from_official", "greedy_decode", "inspect",
    "knn_accuracy", "learning_rate", "linear_probe", "list_models", "losses", "make_block", "make_encoder",
    "named_config", "numerical_gradient", "relative_error", "resize_positions", "to_official",
]  # fmt: skip
