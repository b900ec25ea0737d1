"""Data sets of the Hugging Face hub, by short name or as "owner/name".  Taught in notebooks/14_pretraining.ipynb.

Only where files are and what their columns mean is asked of the `datasets` library here.  Without a network, what was
fetched before is used; else the error says at once how to go on.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

__all__ = ["HUB", "HubName", "builder_of"]


class HubName(NamedTuple):
    """Where a data set is, and what cannot be told from its columns."""

    name: str
    config: str | None = None
    label: str | None = None


# ImageNet-21k comes in several releases: the paper's 14 million images in 21k classes are "imagenet22k" (Fall 2011);
# "imagenet21k" is what image-net.org hands out today (Winter 2021, 19k classes, the split "train" alone).
HUB = {
    "imagenet1k": HubName("ILSVRC/imagenet-1k"),
    "imagenet21k": HubName("timm/imagenet-w21-wds"),
    "imagenet22k": HubName("timm/imagenet-22k-wds"),
    "imagenet12k": HubName("timm/imagenet-12k-wds"),
    "cifar10": HubName("uoft-cs/cifar10"),
    "cifar100": HubName("uoft-cs/cifar100", label="fine_label"),
    "pets": HubName("timm/oxford-iiit-pet"),
    "flowers": HubName("dpdl-benchmark/oxford_flowers102"),
    "food101": HubName("ethz/food101"),
    "svhn": HubName("ufldl-stanford/svhn", config="cropped_digits"),
    "mnist": HubName("ylecun/mnist"),
    "fashion_mnist": HubName("zalando-datasets/fashion_mnist"),
    "tiny_imagenet": HubName("zh-plus/tiny-imagenet"),
}


def builder_of(name: str, config: str | None = None):
    """The `datasets` builder of a hub data set.  Raises ValueError or ConnectionError that says what to do."""
    from datasets import load_dataset_builder

    offline = _unreachable(name)
    try:
        with _no_network() if offline else contextlib.nullcontext():
            return load_dataset_builder(name, config)
    except Exception as error:
        if offline:
            raise ConnectionError(
                f"data={name!r}: the Hugging Face hub cannot be reached ({offline}), and the data set was not fetched "
                f"to this machine before.  Connect, or give a local folder of parquet, arrow, tar, zip or image files, "
                f"or 'digits', which needs no network"
            ) from error
        if config is None and "onfig name is missing" in str(error):
            raise ValueError(f"data={name!r} comes in several configurations: {error}.  Give 'NAME:CONFIG'") from error
        raise ValueError(f"data={name!r} could not be opened: {_first_line(error)}") from error


def _unreachable(name) -> str:
    """Why the hub cannot be reached; "" if it can.  One question is asked: `datasets` itself would try for minutes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        HfApi().dataset_info(name, timeout=10)
    except GatedRepoError:
        return ""  # it is there; `datasets` explains how to be let in
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"data={name!r} is not on the Hugging Face hub, or not open to you: look at "
            f"https://huggingface.co/datasets/{name}, accept its conditions there if it has any, and run "
            f"`hf auth login`.  Short names known here: {', '.join(['digits', *HUB])}"
        ) from error
    except Exception as error:  # which library reports a lost connection changes with its version
        return _first_line(error)
    return ""


@contextlib.contextmanager
def _no_network():
    """`datasets` looks at its cache only."""
    from datasets import config
    from huggingface_hub import constants

    before = config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def _first_line(error) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
