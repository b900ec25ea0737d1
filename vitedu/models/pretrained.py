"""A model with weights of others, ready for another task.  Taught in notebooks/13_weights.ipynb.

From a file of the authors, of `transformers` or of `timm`; by the name of a file that the authors released; or from
the Hugging Face hub.  Only numbers are read: pickled files, which can run anything, are refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import zipfile
from pathlib import Path

from vitedu_numpy.drawing import without_drawing
from vitedu_numpy.weights.about import About, about_in
from vitedu_numpy.weights.files import read_texts
from vitedu_numpy.weights.loading import adapt, load_state, open_npz, with_head

from ..weights.huggingface import (
    file_names,
    from_huggingface,
    huggingface_config,
    huggingface_layout,
    huggingface_settings,
)
from ..weights.resize import resize_state
from ..weights.safe import read_json, read_metadata, read_safetensors, settings_in
from ..weights.timm import from_timm, timm_config, timm_layout
from .create import build

__all__ = ["about_pretrained", "from_pretrained", "released_url"]

SHIPPED = ("vit_cifar10",)  # trained here, and part of the package: see shipped/*.md
_STORE = "https://storage.googleapis.com"
_OUR_NAMES = {"patch_embedding.weight", "root.weight", "backbone.root.weight"}  # ViT, BiT, hybrid
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tar")


def from_pretrained(
    path_or_id,
    num_classes=None,
    image_size=None,
    drop_pre_logits=False,
    method="linear",
    heads=None,
    rng=None,
    **changes,
):
    """Build the model that a file holds, and load it: `from_pretrained("ViT-B_16", num_classes=10, image_size=384)`.

    path_or_id: "vit_cifar10", a small ViT that comes with this package; an .npz file of the authors; a .safetensors
    file of ours, of transformers or timm, or a folder with one and its config.json; the folder of a run of `vitedu
    train` that is finished, or was exported to its model.safetensors; the name of a file that the authors released,
    such as "ViT-B_16" (pre-trained on ImageNet-21k), "imagenet21k+imagenet2012/ViT-B_16" or "BiT-M-R50x1"; or
    "owner/name" on the Hugging Face hub.  num_classes, image_size, drop_pre_logits, method, changes: as in `adapt`,
    which logs a warning for all that it changes in the weights; heads: only for a file of timm that does not tell; rng:
    as in `build`.

    Raises OSError where a file cannot be opened or fetched (ConnectionError then says how to get it by hand),
    ValueError where it holds no model, or not one that fits, TypeError for a setting that cannot be changed.
    """
    path, source = _weights_of_run(_locate(path_or_id)), os.fspath(path_or_id)
    if os.path.isdir(path):
        settings = read_json(os.path.join(path, "config.json"))
        path = os.path.join(path, "model.safetensors")
        state, config = _open_safetensors(path, settings, num_classes, image_size, heads)
    elif path.lower().endswith(_PICKLES):
        raise ValueError(f"{path} is a pickle, which can run anything while it is read; expected .npz or .safetensors")
    elif path.endswith(".npz") or zipfile.is_zipfile(path):
        state, config = open_npz(path, num_classes, image_size)
    else:
        state, config = _open_safetensors(path, {}, num_classes, image_size, heads)
    task = num_classes, image_size, drop_pre_logits, method
    state, config = adapt(state, config, source, resize_state, *task, **changes)
    with without_drawing():
        model = build(config, rng)
    load_state(model, state, config, source)
    return model


def _open_safetensors(path, settings, num_classes, image_size, heads):
    """(state, config) of a file of ours, of transformers or of timm, told apart by its keys."""
    arrays, metadata = read_safetensors(path)
    own = settings_in(metadata, path)
    if own is not None and not arrays.keys().isdisjoint(_OUR_NAMES):
        return arrays, own
    if "patch_embed.proj.weight" in arrays or "stem.conv.weight" in arrays:
        config = timm_config(arrays, settings, path, own, num_classes, image_size, heads)
        return from_timm(with_head(arrays, timm_layout(config), path), config, path), config
    arrays = file_names(arrays)
    if "vit.embeddings.cls_token" in arrays or "bit.embedder.convolution.weight" in arrays:
        if not settings and own is None:
            raise ValueError(f"{path}: its settings stand in a config.json; give the folder of both")
        config = huggingface_config(arrays, settings or huggingface_settings(own), path, own, num_classes)
        return from_huggingface(with_head(arrays, huggingface_layout(config), path), config, path), config
    raise ValueError(f"{path} is of no layout known here (transformers, timm); its keys begin {sorted(arrays)[:3]}")


def about_pretrained(path_or_id, num_classes: int) -> About:
    """What the same file, or the folder of it, says of the classes and of how images are prepared.

    num_classes: outputs of its head.  Raises what `from_pretrained` raises, and ValueError where a text does not fit.
    """
    path = _weights_of_run(_locate(path_or_id))
    if os.path.isdir(path):
        own = about_in(read_metadata(os.path.join(path, "model.safetensors")), path, num_classes)
        theirs = _about_in_folder(path, num_classes)
        return About(own.classes or theirs.classes, own.preparation or theirs.preparation)
    if path.endswith(".npz") or zipfile.is_zipfile(path):
        return about_in(read_texts(path), path, num_classes)
    return about_in(read_metadata(path), path, num_classes)


def _about_in_folder(folder, num_classes) -> About:
    """From the config.json of transformers or timm, and the preprocessor_config.json that may lie beside it."""
    settings = read_json(os.path.join(folder, "config.json"))
    images = settings.get("pretrained_cfg")
    beside = os.path.join(folder, "preprocessor_config.json")
    images = read_json(beside) if images is None and os.path.exists(beside) else images
    images = images if isinstance(images, dict) else {}
    half, size, side = [0.5] * 3, images.get("size"), images.get("input_size")
    mean, std = (images.get(name, images.get(f"image_{name}", half)) for name in ("mean", "std"))
    mean, std = ([0.0] * 3, [1.0] * 3) if images.get("do_normalize") is False else (mean, std)
    preparation = {} if (mean, std) == (half, half) else {"mean": mean, "std": std}
    if images.get("do_center_crop") and isinstance(size, dict):
        preparation["eval_resize"] = size.get("shortest_edge")
    elif isinstance(side, list) and isinstance(crop := images.get("crop_pct"), float) and 0 < crop < 1:
        preparation["eval_resize"] = int(side[-1] / crop)
    names = settings.get("label_names") or images.get("label_names") or settings.get("id2label")
    if isinstance(names, dict):
        names = [names.get(str(k)) for k in range(len(names))]
    is_list = isinstance(names, list) and len(names) == num_classes and all(isinstance(n, str) for n in names)
    if not is_list or len({*names}) < len(names) or all(re.fullmatch(r"LABEL_\d+", name) for name in names):
        names = None  # transformers numbers classes that nobody has named
    texts = {"vitedu/classes": names, "vitedu/preparation": preparation}
    return about_in({key: json.dumps(value) for key, value in texts.items() if value}, folder, num_classes)


# ---- where files are -----------------------------------------------------------------------------------------------


def released_url(name):
    """Where the authors keep the file of that name, or None if they have no such kind of name.

    "ViT-B_16" stands for "imagenet21k/ViT-B_16".  Their lists: the READMEs of google-research/vision_transformer and
    google-research/big_transfer.
    """
    if re.fullmatch(r"(R50\+)?ViT-[BLH]_\d\d", name):
        return f"{_STORE}/vit_models/imagenet21k/{name}.npz"
    if re.fullmatch(r"(imagenet21k|imagenet21k\+imagenet2012|augreg)/[\w.+-]+", name):
        return f"{_STORE}/vit_models/{name}.npz"
    if re.fullmatch(r"BiT-[SM]-R\d+x\d(-ILSVRC2012)?", name):
        return f"{_STORE}/bit_models/{name}.npz"
    return None


def _weights_of_run(path) -> str:
    """The weights in the folder of a run; any other path as it is."""
    if not os.path.isdir(path) or not os.path.exists(os.path.join(path, "recipe.json")):
        return path
    weights = os.path.join(path, "model.safetensors")
    if os.path.exists(weights):
        return weights
    folder = os.path.join(path, "checkpoints")
    steps = sorted(n for n in os.listdir(folder) if re.fullmatch(r"step_\d+", n)) if os.path.isdir(folder) else []
    if steps:
        raise ValueError(
            f"{path} is the folder of a run that is not finished: its last checkpoint is {steps[-1]}; go on with it, "
            f"or run `vitedu export {path} --out {weights}` first"
        )
    raise ValueError(f"{path} is the folder of a run that is not finished, and it holds no checkpoint yet")


def _locate(path_or_id) -> str:
    """The path of a file or folder on this machine, fetched first if it must be."""
    name = os.fspath(path_or_id)
    if os.path.exists(name):
        return name
    if name in SHIPPED:
        return str(Path(__file__).parents[1] / "weights" / "shipped" / f"{name}.safetensors")
    if (url := released_url(name)) is not None:
        return _fetch_released(name, url)
    is_path = name.endswith((".npz", ".safetensors", *_PICKLES)) or name.startswith((".", "/", "~"))
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not is_path:
        return _fetch_from_hub(name)
    raise FileNotFoundError(
        f"path_or_id={name!r} is no file or folder here; expected one, or a name such as 'ViT-B_16', 'BiT-M-R50x1' or "
        f"'google/vit-base-patch16-224'"
    )


def _fetch_released(name, url) -> str:
    import torch

    folder = os.path.join(torch.hub.get_dir(), "vitedu")
    path = os.path.join(folder, *url.removeprefix(f"{_STORE}/").split("/"))
    if os.path.exists(path):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, path)  # to a temporary file first
        if not zipfile.is_zipfile(path):
            os.remove(path)
            raise OSError("it came incomplete")
    except Exception as error:
        reason = str(error).rstrip(".")
        raise ConnectionError(
            f"{name} could not be fetched: {reason}.  Fetch {url} in another way and put it at {path}, or give its "
            f"path instead of its name"
        ) from error
    return path


def _fetch_from_hub(name) -> str:
    try:
        from huggingface_hub import hf_hub_download

        for file in ("config.json", "model.safetensors"):
            path = hf_hub_download(name, file)
    except Exception as error:
        reason = str(error).rstrip(".")
        raise ConnectionError(
            f"{name} could not be fetched: {reason}.  Fetch config.json and model.safetensors (no other format is "
            f"read) from https://huggingface.co/{name} in another way, put them into one folder, and give its path"
        ) from error
    with contextlib.suppress(Exception):  # how images are prepared; not every model has it
        hf_hub_download(name, "preprocessor_config.json")
    return os.path.dirname(path)
