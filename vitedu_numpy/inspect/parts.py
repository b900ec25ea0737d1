"""Which parts of a model attend, and which heads there are.  Taught in notebooks/21_inside.ipynb."""

from __future__ import annotations

from ..validate import is_integer, require

__all__ = ["check_class", "check_heads", "vit_of"]


def vit_of(model):
    """The ViT in a model: itself, or the part of a hybrid that attends.  Raises TypeError where there is none."""
    vit = getattr(model, "vit", model)
    if not (hasattr(vit, "encoder") and hasattr(vit, "patch_embedding")):
        raise TypeError(f"model is a {type(model).__name__}; expected a ViT or a Hybrid: those have attention heads")
    return vit


def check_heads(heads, config) -> list[tuple[int, int]]:
    """heads as pairs (block, head), each refused that the config does not have.  One pair may come without a list."""
    allowed = f"(block, head) with block 0 ... {config.depth - 1}, head 0 ... {config.heads - 1}, or a list of such"
    require(hasattr(heads, "__len__"), "heads", heads, allowed)
    pairs = [heads] if len(heads) == 2 and not any(hasattr(n, "__len__") for n in heads) else list(heads)
    for pair in pairs:
        fits = hasattr(pair, "__len__") and len(pair) == 2
        fits = fits and all(is_integer(n, 0) for n in pair) and pair[0] < config.depth and pair[1] < config.heads
        require(fits, "heads", heads, allowed)
    return [(int(block), int(head)) for block, head in pairs]


def check_class(target, model) -> None:
    """Refuse a class that the model does not have, and a model that has none: its forward takes more than images."""
    config = vit_of(model).config
    if not hasattr(model, "check_images"):
        raise TypeError(
            f"model is a {type(model).__name__}, which gives no logits of classes; expected a ViT or a Hybrid"
        )
    fits = is_integer(target, 0) and target < config.num_classes
    require(fits, "target", target, f"a class, 0 ... {config.num_classes - 1}")
