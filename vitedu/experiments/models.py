"""Three small models of one cost: a ViT, a hybrid and a ResNet (BiT) that a laptop trains in seconds."""

from __future__ import annotations

from vitedu_numpy.config import BiTConfig, HybridConfig, ViTConfig

__all__ = ["SIZE", "small_models"]

SIZE = 16  # pixels of their images


def small_models(num_classes: int) -> dict:
    """{"ViT", "hybrid", "BiT": settings} for images of 16 x 16 pixels.

    ViT and BiT have the same number of parameters and of multiplications to 3 % (77 thousand, 1.33 million), the
    hybrid to 6 %.  The ViT has 16 tokens of 4 x 4 pixels; so has the hybrid, of features.
    """
    shared = dict(width=48, depth=3, heads=4, num_classes=num_classes, gelu="tanh")
    return {
        "ViT": ViTConfig(SIZE, patch_size=4, mlp_dim=152, **shared),
        "hybrid": HybridConfig(SIZE, patch_size=1, mlp_dim=112, blocks=(1,), backbone_width=16, groups=4, **shared),
        "BiT": BiTConfig((2, 2, 1, 1), num_classes, image_size=SIZE, base_width=6, stem="small", groups=2),
    }
