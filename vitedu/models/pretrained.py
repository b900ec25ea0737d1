"""A model with weights of others, ready for another task.  Taught in notebooks/13_weights.ipynb.

From a file of the authors, of `transformers` or of `timm`; by the name of a file that the authors released; or from
the Hugging Face hub.  Only numbers are read: pickled files, which can run anything, are refused.
"""

from __future__ import annotations

import json
import logging
import os
import re
import zipfile
from contextlib import suppress
from math import isqrt
from pathlib import Path

import numpy as np

from vitedu_numpy.drawing import without_drawing
from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import did_you_mean, require
from vitedu_numpy.weights.about import About, about_in
from vitedu_numpy.weights.contents import check_image
from vitedu_numpy.weights.files import pickle_refused, read_texts
from vitedu_numpy.weights.first_bytes import is_safetensors
from vitedu_numpy.weights.grids import METHODS
from vitedu_numpy.weights.loading import adapt, load_state, open_npz, with_head
from vitedu_numpy.weights.wrappers import unwrapped

from ..module import checked
from ..weights.folding import fold_normalization, has_layer_scale, refuse_other_parts
from ..weights.huggingface import (
    file_names,
    from_huggingface,
    huggingface_config,
    huggingface_layout,
    huggingface_settings,
    without_unused_pooler,
)
from ..weights.resize import resize_state
from ..weights.safe import (
    INDEX,
    PICKLES,
    WEIGHTS,
    check_index,
    parts_of,
    read_json,
    read_metadata,
    read_parts,
    settings_in,
    weights_in,
)
from ..weights.timm import from_timm, timm_config, timm_layout
from .create import build

__all__ = ["about_pretrained", "from_pretrained", "released_url"]

_log = logging.getLogger(__name__)

SHIPPED = ("vit_cifar10", "bit_cifar10")  # trained here, and part of the package: see shipped/*.md
_STORE = "https://storage.googleapis.com"
# ViT, BiT, hybrid, EfficientNet
_OUR_NAMES = {"patch_embedding.weight", "root.weight", "backbone.root.weight", "stem.weight"}
# How transformers prepares images, in older and in newer versions; timm says it in config.json.
_PREPROCESSOR, _PROCESSOR = "preprocessor_config.json", "processor_config.json"


@checked
def from_pretrained(
    path_or_id,
    num_classes=None,
    image_size=None,
    drop_pre_logits=False,
    method=None,
    heads=None,
    fold_normalization=True,
    rng=None,
    **changes,
):
    """Build the model that a file holds, and load it: `from_pretrained("ViT-B_16", num_classes=10, image_size=384)`.

    path_or_id: "vit_cifar10" or "bit_cifar10", which come with this package; an .npz file of the authors; a
    .safetensors file of ours, of transformers or timm, or a folder with one and its config.json; the folder of a run
    of `vitedu train` that is finished, or was exported to its model.safetensors; the name of a file that the authors
    released, such as "ViT-B_16" (pre-trained on ImageNet-21k), "imagenet21k+imagenet2012/ViT-B_16" or "BiT-M-R50x1";
    or "owner/name" on the Hugging Face hub.  num_classes, image_size, drop_pre_logits, method, changes: as in `adapt`,
    which logs a warning for all that it changes in the weights; method is None for "linear", for DINOv2 its authors'
    "cubic-offset"; heads: only for a file of timm that does not tell; rng: as in `build`.

    Images are in [-1, 1].  Where a folder says that its ViT was trained on images normalised otherwise, that goes into
    the projection of patches, exactly, with a line in the log; fold_normalization=False: it does not, and images must
    come normalised as the folder says.  LayerScale is folded too.  Features: `model(images, record)`, and then
    record["pooled"] (B, D) is the class token after the last norm, record["encoded"] (B, T, D) are all tokens.

    Raises OSError where a file cannot be opened or fetched (ConnectionError then says how to get it by hand),
    ValueError where it holds no model, or not one that fits, TypeError for a setting that cannot be changed.
    """
    require(method is None or method in METHODS, "method", method, f"one of {METHODS}, or None")
    path, source, usual = _weights_of_run(_locate(path_or_id)), os.fspath(path_or_id), "linear"
    told = (num_classes, image_size, heads, fold_normalization)
    if os.path.isdir(path) or path.endswith(INDEX):
        folder = path if os.path.isdir(path) else os.path.dirname(path)
        settings, preprocessor = _json_in(folder, "config.json"), _preprocessor(folder)
        paths = weights_in(folder)
        where = paths[0] if len(paths) == 1 else os.path.join(folder, INDEX)
        state, config, usual = _open_safetensors(where, paths, settings, preprocessor, *told)
    elif path.lower().endswith(PICKLES) and not is_safetensors(path):
        raise ValueError(pickle_refused(path))
    elif path.endswith(".npz") or zipfile.is_zipfile(path):
        state, config = open_npz(path, num_classes, image_size, changes.get("position_embedding"))
    else:
        state, config, usual = _open_safetensors(path, [path], {}, {}, *told)
    task = num_classes, image_size, drop_pre_logits, method or usual
    state, config = adapt(state, config, source, resize_state, *task, **changes)
    with without_drawing():
        model = build(config, rng)
    load_state(model, state, config, source)
    return model


def _open_safetensors(path, paths, settings, preprocessor, num_classes, image_size, heads, fold):
    """(state, config, usual method) of a file of ours, of transformers or of timm, told apart by its keys.

    path: what to call it in messages; paths: its parts.
    """
    arrays, metadata = read_parts(paths)
    if path.endswith(INDEX):
        check_index(path, arrays)
    arrays = unwrapped(arrays, path)
    refuse_other_parts(arrays, path)
    arrays = _of_one_model(arrays, path)
    own = settings_in(metadata, path)
    if own is not None and not arrays.keys().isdisjoint(_OUR_NAMES):
        _check_sizes(own, arrays, path)
        return arrays, own, "linear"
    if "patch_embed.proj.weight" in arrays or "stem.conv.weight" in arrays:
        config = timm_config(arrays, settings, path, own, num_classes, image_size, heads)
        state = from_timm(with_head(arrays, timm_layout(config), path), config, path)
        pixels = _mean_and_std(settings.get("pretrained_cfg", settings), "mean", "std", path)
    else:
        found, arrays = sorted(arrays)[:3], file_names(arrays)
        if not {"vit.embeddings.cls_token", "bit.embedder.convolution.weight"} & arrays.keys():
            more = (
                "; names with / are those of the authors, whose files are .npz"
                if found[0].startswith("Transformer/")
                else ""
            )
            raise ValueError(f"{path} is of no layout known here (transformers, timm); its keys begin {found}{more}")
        if not settings and own is None:
            raise ValueError(f"{path}: its settings stand in a config.json; give the folder of both")
        arrays = without_unused_pooler(arrays, settings, path) if own is None else arrays
        config = huggingface_config(arrays, settings or huggingface_settings(own), path, own, num_classes)
        state = from_huggingface(with_head(arrays, huggingface_layout(config), path), config, path)
        pixels = _mean_and_std(preprocessor, "image_mean", "image_std", path)
    scaled = has_layer_scale(arrays)
    if own is None:
        _say_zeros(state, path)
    if own is None:  # else it was written here, for images in [-1, 1]
        state = _for_our_pixels(state, config, pixels, path, fold, scaled)
    # LayerScale and a position for the class token: trained by DINOv2's code.  DeiT-III has none for that token.
    return state, config, "cubic-offset" if scaled and _class_token_has_position(arrays) else "linear"


def _of_one_model(arrays, path) -> dict:
    """The arrays without what stands before all names of a model, e.g. `teacher.backbone.`, said in the log.

    Raises ValueError where a file holds several, such as weights and their average.
    """
    first = tuple(_OUR_NAMES | {"patch_embed.proj.weight", "stem.conv.weight", "embeddings.cls_token"})
    before = sorted({key.removesuffix(name) for key in arrays for name in first if key.endswith(f".{name}")})
    before = [prefix for prefix in before if prefix not in ("vit.", "dinov2.", "bit.")]
    if any(name in arrays for name in first):
        copies = [prefix for prefix in before if any(name in arrays and prefix + name in arrays for name in first)]
        if copies:  # weights as they are, and their average under a name
            raise ValueError(
                f"{path} holds more than one model, the second under {copies[0]!r}; save one of them alone"
            )
        return arrays
    if not before:
        return arrays
    if len(before) > 1:
        parts = " and ".join(map(repr, before))
        raise ValueError(f"{path} holds more than one model, under {parts}; save the one you want alone")
    if others := [key for key in sorted(arrays) if not key.startswith(before[0])]:
        few = ", ".join(map(repr, others[:3])) + (" ..." if len(others) > 3 else "")
        raise ValueError(
            f"{path} has a model's names under {before[0]!r}, and beside them {len(others)} other keys: {few}; save "
            f"the state_dict of the model alone, head included"
        )
    _log.warning("%s: %r, which stands before all of its keys, was left out", path, before[0])
    return {key.removeprefix(before[0]): value for key, value in arrays.items()}


def _say_zeros(state, path) -> None:
    """A line in the log for matrices that are zero everywhere, as at the end of a file whose download was cut."""
    zero = [k for k, a in state.items() if np.ndim(a) > 1 and "head." not in k and "E_pos" not in k and not np.any(a)]
    zero = [key for key in zero if not key.endswith("x_class")]
    if zero:
        _log.warning("%s: %d of its matrices are zero everywhere, the first is %r", path, len(zero), zero[0])


def _check_sizes(config, arrays, source) -> None:
    """Raise ValueError where settings in a file are not those of its arrays, before a model of these sizes is built.

    A few bytes that say depth=10**7 must not cost a model of as many blocks, so blocks are counted first, and shapes
    compared with those of a model on no device.
    """
    import torch

    c, count = config, len(arrays)
    if hasattr(c, "stages"):
        many = [stage[0] * c.depth_multiplier for stage in c.stages]
    else:
        many = [getattr(c, "depth", 0), *getattr(c, "blocks", ())]
    if sum(many) > count:
        raise ValueError(f"{source}: its settings are of {sum(many):,.0f} blocks; it has {count} arrays in all")
    check_image(c, source)
    try:
        with torch.device("meta"), without_drawing():
            wanted = {name: tuple(value.shape) for name, value in build(c).state_dict().items()}
    except (ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise ValueError(f"{source}: no model of its settings can be built: {error}") from None
    for name, shape in wanted.items():
        if name in arrays and shape and arrays[name].dtype.kind != "f":
            dtype = arrays[name].dtype
            raise ValueError(f"{source}: key {name!r} is of {dtype}; expected floats, not quantised ones")
        if name in arrays and np.shape(arrays[name]) != shape:
            found = np.shape(arrays[name])
            raise ValueError(f"{source} does not fit the model: {name!r} has shape {found}; by its settings {shape}")


def _class_token_has_position(arrays) -> bool:
    """Whether the rows of the positions are those of a square grid and one more."""
    positions = arrays.get("pos_embed", arrays.get("vit.embeddings.position_embeddings"))
    rows = np.shape(positions)[-2] if np.ndim(positions) >= 2 else 0
    return rows > 1 and isqrt(rows - 1) ** 2 == rows - 1


def _mean_and_std(settings, mean, std, path):
    """What images in [0, 1] are normalised with, as a folder says it, or None if it does not.

    Raises ValueError for what cannot be told or done: one of the two alone, blue before red, an offset of its own.
    """
    if not isinstance(settings, dict):
        return None
    for name in ("do_flip_channel_order", "rescale_offset", "offset"):
        if settings.get(name):
            raise ValueError(f"{path}: its images are prepared with {name}={settings[name]!r}; expected none of that")
    names, (mean, std) = (mean, std), (settings.get(mean), settings.get(std))
    if settings.get("do_normalize") is False:
        mean, std = [0.0] * 3, [1.0] * 3
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        given, missing = names if std is None else names[::-1]
        raise ValueError(f"{path}: what prepares its images has {given} and no {missing}; expected both")
    mean, std = ([v] * 3 if isinstance(v, (int, float)) else v for v in (mean, std))
    r = 1.0 if settings.get("do_rescale") is False else settings.get("rescale_factor", 1 / 255)
    if not isinstance(r, (int, float)) or not r > 0 or abs(255 * r - 1) < 1e-6:  # bytes times 1/255, as usual
        return mean, std
    try:  # (255 r x - mean) / std of images x in [0, 1]
        return [m / (255 * r) for m in mean], [s / (255 * r) for s in std]
    except TypeError:
        return mean, std


def _for_our_pixels(state, config, pixels, path, fold, scaled) -> dict:
    """The state for images in [-1, 1], that is, for a mean and a standard deviation of 1/2; else a line in the log."""
    if pixels is None:
        if scaled:  # DINOv2, DeiT-III: never trained on images in [-1, 1]
            text = "%s: nothing here says how its images were normalised (usually with ImageNet's mean and std, after "
            _log.warning(text + "scaling to [0, 1]); give it images normalised so", path)
        else:
            _log.warning("%s: nothing here says how its images were normalised; taken to be in [-1, 1]", path)
        return state
    if all(value == [0.5] * config.channels for value in map(_as_list, pixels)):
        return state
    if fold and type(config).__name__ == "ViTConfig":
        return fold_normalization(state, *pixels, config.channels, path)
    _log.warning("%s was trained on images normalised with mean %s and std %s; give it such", path, *pixels)
    return state


def _as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else value


def about_pretrained(path_or_id, num_classes: int) -> About:
    """What the same file, or the folder of it, says of the classes and of how images are prepared.

    num_classes: outputs of its head.  Raises what `from_pretrained` raises, and ValueError where a text does not fit.
    """
    path = _weights_of_run(_locate(path_or_id))
    path = os.path.dirname(path) if path.endswith(INDEX) else path
    if os.path.isdir(path):
        own = about_in(read_metadata(weights_in(path)[0]), path, num_classes)
        theirs = _about_in_folder(path, num_classes)
        return About(own.classes or theirs.classes, own.preparation or theirs.preparation, own.step)
    if path.endswith(".npz") or zipfile.is_zipfile(path):
        return about_in(read_texts(path), path, num_classes)
    return about_in(read_metadata(path), path, num_classes)


def _json_in(folder, name) -> dict:
    path = os.path.join(folder, name)
    return read_json(path) if os.path.exists(path) else {}


def _preprocessor(folder) -> dict:
    """How transformers prepares images; its newer versions say it within the settings of a processor."""
    found = _json_in(folder, _PREPROCESSOR) or _json_in(folder, _PROCESSOR).get("image_processor")
    return found if isinstance(found, dict) else {}


def _about_in_folder(folder, num_classes) -> About:
    """From the config.json of transformers or timm, and the preprocessor_config.json that may lie beside it."""
    settings = _json_in(folder, "config.json")
    images = settings.get("pretrained_cfg")
    images = _preprocessor(folder) if images is None else images
    images = images if isinstance(images, dict) else {}
    size, side, preparation = images.get("size"), images.get("input_size"), {}
    shorter = size.get("shortest_edge") if isinstance(size, dict) else size  # a number in older files
    if images.get("do_center_crop"):
        preparation = {"eval_resize": shorter}
        if shorter is None:
            _log.warning(
                "%s: images are cropped from size=%s, which is not done here; taken: the whole image", folder, size
            )
    elif isinstance(side, list) and isinstance(crop := images.get("crop_pct"), float) and 0 < crop < 1:
        preparation = {"eval_resize": int(side[-1] / crop)}
        if (mode := images.get("crop_mode", "center")) != "center":
            _log.warning("%s: crop_mode=%r is not done here; taken: the middle of the image", folder, mode)
    names = settings.get("label_names") or images.get("label_names") or settings.get("id2label")
    if isinstance(names, dict):
        names = [names.get(str(k)) for k in range(len(names))]
    is_list = isinstance(names, list) and len(names) == num_classes and all(isinstance(n, str) for n in names)
    if is_list and all(re.fullmatch(r"LABEL_\d+", name) for name in names):
        names = None  # transformers numbers classes that nobody has named
    elif names and (not is_list or len({*names}) < len(names)):
        why = "two of them are the same" if is_list else f"they are not one for each of 0 to {num_classes - 1}"
        _log.warning("%s: the names of its classes in config.json are not taken: %s", folder, why)
        names = None
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
    """The weights in the folder of a run; any other path as it is.  Raises ValueError where there are none yet."""
    within = os.path.basename(os.path.normpath(path)) == "checkpoints" and os.path.isdir(path)
    if within or os.path.exists(os.path.join(path, ".metadata")):
        raise ValueError(
            f"{path} is a checkpoint of training, with an optimiser and in parts; give the run's folder, or what "
            f"`vitedu export` writes"
        )
    if not os.path.isdir(path) or not os.path.exists(os.path.join(path, "recipe.json")):
        return path
    weights = os.path.join(path, "model.safetensors")
    folder = os.path.join(path, "checkpoints")
    steps = sorted(n for n in os.listdir(folder) if re.fullmatch(r"step_\d+", n)) if os.path.isdir(folder) else []
    if os.path.exists(weights):
        step = about_in(read_metadata(weights), weights, 2**31).step
        if step is not None and steps and int(steps[-1].removeprefix("step_")) > step:
            raise ValueError(
                f"{path}: model.safetensors holds the weights of step {step}, the last checkpoint is {steps[-1]}; give "
                f"that file to have them all the same, or run `vitedu export {path} --out {weights}`"
            )
        return weights
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
    if "://" in name:
        hub = re.fullmatch(r"https?://(?:www\.)?huggingface\.co/([\w.-]+/[\w.-]+)(/.*)?", name)
        other = f"write {hub[1]!r}" if hub else "fetch it, and give the path of the file"
        raise FileNotFoundError(f"path_or_id={name!r} is an address, and none is opened; {other}")
    if os.path.exists(other := os.path.expanduser(name.strip())):
        raise FileNotFoundError(f"path_or_id={name!r} is no file or folder here; did you mean {other!r}?")
    if released_url(other := name.replace("/", "_")) is not None:  # ViT-B/16, as the paper has it
        raise FileNotFoundError(f"path_or_id={name!r} is no file or folder here; did you mean {other!r}?")
    name = name.removeprefix("hf-hub:").removeprefix("hf_hub:")  # as timm writes names of the hub
    is_path = name.endswith((".npz", ".safetensors", *PICKLES)) or name.startswith((".", "/", "~"))
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not is_path:
        return _fetch_from_hub(name)
    hint = did_you_mean(name, [*SHIPPED, "ViT-B_16", "ViT-B_32", "ViT-L_16", "ViT-L_32", "ViT-H_14"])
    raise FileNotFoundError(
        f"path_or_id={name!r} is no file or folder here; {hint}expected one, or a name such as 'ViT-B_16', "
        f"'BiT-M-R50x1' or 'google/vit-base-patch16-224'"
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
    with naming_extras():
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError
    try:
        path = hf_hub_download(name, "config.json")
        try:
            hf_hub_download(name, WEIGHTS)
        except EntryNotFoundError:  # in parts
            for part in parts_of(hf_hub_download(name, INDEX)):
                hf_hub_download(name, part)
        for beside in (_PREPROCESSOR, _PROCESSOR):
            with suppress(EntryNotFoundError):  # not in every repository
                hf_hub_download(name, beside)
    except Exception as error:
        reason = str(error).rstrip(".")
        raise ConnectionError(
            f"{name} is no folder here, and could not be fetched: {reason}.  Fetch config.json and "
            f"model.safetensors (no other format is read) from https://huggingface.co/{name} in another way, "
            f"put them into one folder, and give its path"
        ) from error
    return os.path.dirname(path)
