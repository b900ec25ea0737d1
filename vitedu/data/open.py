"""Open a data set by name or folder.  Taught in notebooks/14_pretraining.ipynb.

| what is given | what it is |
|---|---|
| "digits" | scikit-learn's digits, no network needed |
| a short name ("cifar10", "imagenet1k"; the table is in hub.py) | a data set of the Hugging Face hub |
| "owner/name", "owner/name:configuration" | the same |
| "vtab/dtd:FOLDER" | a task of VTAB-1k (vtab.py); its splits are train800, val200, train800val200 (or train), test |
| a folder (a name that is short is taken as such: write ./digits for a folder) | parquet, arrow, tar or image files |
"""

from __future__ import annotations

import os

import numpy as np

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import did_you_mean

from . import vtab
from .classes import renumbered
from .hub import HUB, HubName, builder_of
from .memory import Arrays, decode_all
from .order import fixed_permutation
from .retry import Retry
from .sources import Chunked, Table, part_of

__all__ = ["open_source"]

# The key of the permutation that chooses held-out images: the same in every run, whatever its seed, so that an image
# held out once is never trained on by a later run.
SPLIT_KEY = 20_201_022
KINDS = {".parquet": "parquet", ".arrow": "arrow", ".tar": "tar", ".tgz": "tar", ".gz": "tar"}


@naming_extras()
def open_source(
    dataset: str,
    split: str,
    *,
    streaming: bool = False,
    hold_out: int = 0,
    part: str = "train",
    train_images: int | None = None,
    in_memory: bool | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    retry: Retry | None = None,
    class_names=None,
):
    """The source of one split: `len(source)`, `.read(ids)`, `.chunks`, `.class_names`, `.num_classes` (None: unknown).

    streaming: read shards chunk by chunk where they are, instead of fetching them and mapping them into memory first.
    hold_out, part: that many images, chosen once for all, are part="eval"; the others are part="train", the first
    `train_images` of which (in a fixed random order) are used.  in_memory: decode all images now; None: if they are
    small (at most 64 x 64 pixels, 1 GB) and not streamed.  class_names: the list that numbers the classes, that of the
    training split; where this split names its own (folders, label names of a table), they are looked up there.

    Raises ValueError naming the argument `data` for a name, folder or split that does not exist, and for a class that
    `class_names` lacks; ConnectionError where the hub is needed and cannot be reached, ShardError (an OSError) for a
    file that stays missing.
    """
    if part not in ("train", "eval"):
        raise ValueError(f"part={part!r} is not allowed; part must be 'train' or 'eval'")
    if not isinstance(dataset, str | os.PathLike) or not str(dataset):
        raise ValueError(f"data={dataset!r} is not allowed; data must be a name or a folder")
    dataset, retry = os.fspath(dataset), retry or Retry()
    if dataset == "digits":
        source = _digits(split)
    elif dataset.startswith((vtab.PREFIX, vtab.ALL)):
        source = _open_task(dataset, split, streaming, image_column, label_column, retry)
    else:
        source = _locate(dataset, split, streaming, image_column, label_column, retry)
    source = renumbered(source, class_names, f"data={dataset!r}, split {split!r}")
    _require_labels(source, dataset, split)
    if hold_out or train_images is not None:
        source = part_of(source, _chosen(len(source), hold_out, part, train_images))
    if not isinstance(source, Arrays) and (in_memory or (in_memory is None and not streaming)):
        source = decode_all(source, dataset, required=bool(in_memory))
    return source


def _digits(split):
    from .digits import load_digits

    if split not in ("train", "test"):
        raise _no_split("digits", split, ["test", "train"])
    d = load_digits()
    images, labels = (d.train_images, d.train_labels) if split == "train" else (d.test_images, d.test_labels)
    pixels = np.round((images + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    return Arrays(pixels, labels, "digits", [str(digit) for digit in range(10)])


def _open_task(dataset, part, streaming, image, label, retry):
    """A task of VTAB-1k: by its lists, or from the splits they are cut from."""
    if dataset.startswith(vtab.ALL):
        raise ValueError(f"data={dataset!r} is not one data set; one task of it is vtab/dtd:FOLDER")
    if streaming:
        raise ValueError(f"streaming=True is not allowed for data={dataset!r}: its images lie here and there")
    name, folder = vtab.split_name(dataset)
    part = "train800val200" if part == "train" else part
    if part not in vtab.PARTS:
        raise _no_split(dataset, part, vtab.PARTS)
    if not os.path.isdir(folder):
        raise ValueError(f"data={dataset!r} is not allowed: there is no such folder (in {os.getcwd()})")
    if vtab.has_lists(folder):
        return vtab.ListedImages(name, part, folder)
    needed = vtab.splits_of(vtab.TASKS[name], part)
    sources = {split: _locate(folder, split, False, image, label, retry) for split in needed}
    return vtab.open_vtab(name, part, sources)


def _locate(dataset, split, streaming, image, label, retry):
    """The source of a folder, or of a hub name."""
    arguments = (split, streaming, image, label, retry)
    if dataset in HUB:
        return _open_hub(HUB[dataset], *arguments)
    if os.path.isdir(dataset):
        return _open_folder(dataset, *arguments)
    if os.path.exists(dataset):
        raise ValueError(f"data={dataset!r} is a file; data must be the folder that holds it")
    owner, slash, name = dataset.partition("/")
    if slash and owner and name and "/" not in name and not dataset.startswith((".", "~")):
        name, _, config = dataset.partition(":")
        return _open_hub(HubName(name, config or None), *arguments)
    hint = did_you_mean(dataset, ["digits", *HUB])
    raise ValueError(
        f"data={dataset!r} is not allowed: {hint}there is no such folder (in {os.getcwd()}), and data must be a "
        f"folder, a hub name of the form 'owner/name', or one of {', '.join(['digits', *HUB])}"
    )


def _open_hub(hub, split, streaming, image, label, retry):
    builder = builder_of(hub.name, hub.config)
    label = label or hub.label
    return _open_built(builder, hub.name, split, streaming, image, label, retry)


def _open_folder(folder, split, streaming, image, label, retry):
    if os.path.exists(os.path.join(folder, "dataset_dict.json")) or os.path.exists(os.path.join(folder, "state.json")):
        return _open_saved(folder, split, streaming, image, label, retry)
    kind = _kind_of_files(folder)
    if kind == "images":
        from .folder import ImageFiles, split_folders

        folders = split_folders(folder)
        if split not in folders:
            raise _no_split(folder, split, folders)
        return ImageFiles(folders[split], retry)
    if kind is None:
        raise ValueError(f"data={folder!r} holds no parquet, arrow, tar or image files")
    from datasets import load_dataset_builder  # so late: image files need no `datasets`

    try:
        builder = load_dataset_builder(folder)
    except Exception as error:
        raise ValueError(f"data={folder!r} could not be opened: {error}") from error
    return _open_built(builder, folder, split, streaming, image, label, retry)


def _open_built(builder, name, split, streaming, image, label, retry):
    """From a builder of `datasets`, which knows the files of each split."""
    files = {str(key): list(value) for key, value in (builder.config.data_files or {}).items()}
    whole = split.partition("[")[0]  # "train[:10%]" is a part of "train"
    splits = files or builder.info.splits or {whole: None}
    if whole not in splits or (streaming and split != whole):
        raise _no_split(name, split, splits)
    features = builder.info.features
    if streaming:
        return _streamed(files.get(split, []), name, features, image, label, retry)
    return _mapped(builder, files.get(whole, []), name, split, image, label, retry)


def _streamed(files, name, features, image, label, retry):
    from .arrow import ArrowShards, arrow_schema
    from .columns import find_columns, with_names_of_files
    from .parquet import ParquetShards
    from .tar import TarShards

    kinds = {KINDS.get(os.path.splitext(f.partition("?")[0])[1].lower()) for f in files}
    if kinds == {"parquet"}:
        shards = ParquetShards(files, name, image, label, features, retry)
        return Chunked(shards, shards.columns.class_names, retry)
    if kinds == {"tar"}:
        return Chunked(TarShards(files, retry=retry), None, retry)
    if kinds == {"arrow"}:
        from datasets import Features

        schemas = [(file, arrow_schema(file)) for file in files]
        columns = find_columns(features or Features.from_arrow_schema(schemas[0][1]), name, image, label)
        columns = with_names_of_files(columns, schemas)
        return Chunked(ArrowShards(files, columns), columns.class_names, retry)
    endings = sorted({os.path.splitext(f)[1] or f for f in files})
    raise ValueError(
        f"data={name!r} cannot be streamed: its files end in {endings}; streaming needs parquet, arrow or tar shards.  "
        f"Use streaming=False, or `vitedu prepare` once"
    )


def _mapped(builder, files, name, split, image, label, retry):
    from .arrow import arrow_schema
    from .columns import find_columns, with_names_of_files
    from .parquet import is_remote, parquet_schemas

    here = [f for f in files if not is_remote(f)]
    schemas = parquet_schemas(f for f in here if f.endswith(".parquet"))  # first: its messages have the file's name
    schemas += [(f, arrow_schema(f)) for f in here if f.endswith(".arrow")]
    try:
        retry(builder.download_and_prepare, name)  # to a memory-mapped file in the cache of `datasets`, once
        dataset = builder.as_dataset(split=split)
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:
        reason = error.__cause__ or error
        raise ValueError(f"data={name!r}, split {split!r} could not be read: {reason}") from error
    columns = find_columns(dataset.features, name, image, label)
    return Table(dataset, with_names_of_files(columns, schemas), f"{name}, {split}")


def _open_saved(folder, split, streaming, image, label, retry):
    """What `save_to_disk` wrote: one data set, or a folder of splits."""
    from datasets import load_from_disk

    from .arrow import ArrowShards
    from .columns import find_columns

    whole = os.path.exists(os.path.join(folder, "state.json"))
    splits = {"train": folder} if whole else {e.name: e.path for e in os.scandir(folder) if e.is_dir()}
    if split not in splits:
        raise _no_split(folder, split, splits)
    try:
        dataset = load_from_disk(splits[split])
    except Exception as error:
        raise ValueError(f"data={splits[split]!r} could not be opened: {error}") from error
    columns = find_columns(dataset.features, folder, image, label)
    if streaming:
        return Chunked(ArrowShards([f["filename"] for f in dataset.cache_files], columns), columns.class_names, retry)
    return Table(dataset, columns, f"{folder}, {split}")


def _kind_of_files(folder) -> str | None:
    """ "parquet", "arrow", "tar" or "images": what most of the first few hundred files are."""
    from .folder import is_image

    counts = {}
    for _, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in names:
            kind = "images" if is_image(name) else KINDS.get(os.path.splitext(name)[1].lower())
            if kind and not name.startswith("."):
                counts[kind] = counts.get(kind, 0) + 1
        if sum(counts.values()) > 500:
            break
    return max(counts, key=counts.get) if counts else None


def _chosen(n, hold_out, part, train_images):
    """The numbers of the images that are used."""
    if not 0 <= hold_out < n:
        raise ValueError(
            f"hold_out={hold_out} is not allowed; hold_out must be from 0 to {n - 1}, less than the images"
        )
    mixed = fixed_permutation(n, SPLIT_KEY)
    if part == "eval":
        return mixed[:hold_out]
    rest = mixed[hold_out:]
    if train_images is not None and not 0 < train_images <= len(rest):
        raise ValueError(f"train_images={train_images} is not allowed; there are {len(rest)} images to choose from")
    return rest[:train_images]


def _require_labels(source, dataset, split):
    """The test split of some data sets has the label -1 everywhere."""
    if len(source) == 0:
        raise ValueError(f"data={dataset!r}, split {split!r} holds no images")
    label = source.read([0])[0].label
    if hasattr(source, "close"):  # what is read in shards
        source.close()
    if label < 0:
        raise ValueError(f"data={dataset!r}, split {split!r} has no labels (they are negative); choose another split")


def _no_split(dataset, split, splits):
    return ValueError(f"data={dataset!r} has no split {split!r}; its splits are {', '.join(sorted(map(str, splits)))}")
