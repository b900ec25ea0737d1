"""Open a data set by name or folder.  Taught in notebooks/14_pretraining.ipynb.

| what is given | what it is |
|---|---|
| "digits" | scikit-learn's digits, no network needed |
| a short name ("cifar10", "imagenet1k"; the table is in hub.py) | a data set of the Hugging Face hub |
| "owner/name", "owner/name:configuration" | the same |
| "vtab/dtd:FOLDER" | a task of VTAB-1k (vtab.py); its splits are train800, val200, train800val200 (or train), test |
| a folder (a name that is short is taken as such: write ./digits) | parquet, arrow, tar, zip or image files |
| FOLDER:CONFIG | one configuration of a folder whose README.md has several |
| a .zip file | class folders of images, read where they are |
| a `datasets.Dataset` or `DatasetDict` | itself |

What labels a folder of images: tables beside them that list files (listed.py), else the names of class folders.
"""

from __future__ import annotations

import logging
import os
import re

import numpy as np

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import check_on_off, did_you_mean, is_integer, require

from . import vtab
from .classes import names_alike, one_form, renumbered
from .hub import HUB, HubName, builder_of
from .memory import Arrays, decode_all
from .objects import is_open, name_of, open_object
from .order import fixed_permutation
from .retry import Retry
from .scan import LeftOut, entries, is_folder, is_hidden, is_image, missing_shards, walk
from .sources import Chunked, Table, part_of

__all__ = ["open_source"]

# The key of the permutation that chooses held-out images: the same in every run, whatever its seed, so that an image
# held out once is never trained on by a later run.
SPLIT_KEY = 20_201_022
KINDS = {".parquet": "parquet", ".arrow": "arrow", ".tar": "tar", ".tgz": "tar"}
PACKED = (".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")

_KINDS_READ = (
    "what is read: parquet, arrow, tar, zip and image files; arrays (.npz, .mat, .h5, pickles) can be made a Dataset "
    "of the `datasets` library, with the features Image() and ClassLabel(), and its save_to_disk"
)
_log = logging.getLogger(__name__)


def kind_of(name: str) -> str | None:
    """ "images", "parquet", "arrow", "tar" or None, by a file's ending."""
    if is_image(name):
        return "images"
    return "tar" if name.lower().endswith(".tar.gz") else KINDS.get(os.path.splitext(name)[1].lower())


@naming_extras()
def open_source(
    dataset,
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
    check_on_off(streaming=streaming, in_memory=bool(in_memory) if in_memory is None else in_memory)
    require(is_integer(hold_out, 0), "hold_out", hold_out, "an integer >= 0")
    some = train_images is None or is_integer(train_images, 1)
    require(some, "train_images", train_images, "a positive integer, or None")
    require(retry is None or callable(retry), "retry", retry, "a Retry, or None")
    is_list = isinstance(class_names, list | tuple) and all(isinstance(name, str) for name in class_names)
    require(class_names is None or is_list, "class_names", class_names, "a list of texts, or None")
    retry, given, dataset = retry or Retry(), dataset, name_of(dataset)
    names = one_form(class_names)
    if given is not dataset and is_open(given):
        source = open_object(given, split, image_column, label_column)
    elif dataset == "digits":
        if wrong := [column for column in (image_column, label_column) if column is not None]:
            name = "image_column" if image_column is not None else "label_column"
            raise ValueError(f"{name}={wrong[0]!r} is not allowed for data='digits'; it has no columns to choose from")
        source = _digits(split)
    elif dataset.startswith((vtab.PREFIX, vtab.ALL)):
        source = _open_task(dataset, split, streaming, image_column, label_column, retry)
    else:
        source = _locate(dataset, split, streaming, image_column, label_column, retry, names)
    is_unnamed = names is not None and source.class_names is None
    for group in names_alike(source.class_names or ()):
        text = "data=%r, split %r: the classes %s differ in case or spaces alone; each counts as a class of its own"
        _log.warning(text, dataset, split, ", ".join(map(repr, group)))
    source = renumbered(source, names, f"data={dataset!r}, split {split!r}")
    if is_unnamed:
        how = "taken as they are" if source.class_names is None else "looked up among the names, which are numbers, too"
        _log.warning("data=%r, split %r, does not name its classes; its numbers are %s", dataset, split, how)
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
    sources, names = {}, None  # the first split's names number the classes of the others
    for split in needed:
        source = _locate(folder, split, False, image, label, retry, names)
        sources[split] = renumbered(source, names, f"data={dataset!r}, split {split!r}")
        names = names or source.class_names
    return vtab.open_vtab(name, part, sources)


def _locate(dataset, split, streaming, image, label, retry, names=None):
    """The source of a folder, or of a hub name.     names: of the classes, where they are known"""
    arguments = (split, streaming, image, label, retry)
    if dataset in HUB:
        return _open_hub(HUB[dataset], *arguments)
    if os.path.isdir(dataset):
        return _open_folder(dataset, *arguments, names)
    folder, colon, config = dataset.rpartition(":")
    if colon and not os.path.exists(dataset) and os.path.isdir(folder):  # as with names of the hub
        return _open_folder(folder, *arguments, names, config)
    if dataset.lower().endswith(".zip") and os.path.isfile(dataset):
        return _open_zip({"": dataset}, dataset, split, image, label, retry, names)
    if os.path.exists(dataset):
        end, listing = os.path.splitext(dataset)[1], dataset.lower().endswith((".csv", ".tsv", ".jsonl", ".ndjson"))
        if dataset.lower().endswith(PACKED) and kind_of(dataset) is None:
            raise ValueError(
                f"data={dataset!r} is a file; data must be the folder that holds it, unpacked: {end} is not read"
            )
        if kind_of(dataset) is None and not listing:
            raise ValueError(
                f"data={dataset!r} is a file of a kind that is not read ({end or 'no ending'}); {_KINDS_READ}"
            )
        raise ValueError(f"data={dataset!r} is a file; data must be the folder that holds it")
    if "://" in dataset or dataset.startswith("datasets/"):
        hub = re.fullmatch(r"(?:https?://(?:www\.)?huggingface\.co/)?datasets/([\w.-]+/[\w.-]+)(/.*)?", dataset)
        other = f"write {hub[1]!r}" if hub else "fetch it, and give the folder"
        raise ValueError(f"data={dataset!r} is an address, and none is opened; {other}")
    owner, slash, name = dataset.partition("/")
    if slash and owner and name and "/" not in name and not dataset.startswith((".", "~")):
        name, _, config = dataset.partition(":")
        return _open_hub(HubName(name, config or None), *arguments)
    hint = did_you_mean(dataset, ["digits", *HUB])
    if os.path.isdir(other := os.path.expanduser(dataset.strip())):
        hint = f"did you mean {other!r}?  "
    raise ValueError(
        f"data={dataset!r} is not allowed: {hint}there is no such folder (in {os.getcwd()}), and data must be a "
        f"folder, a hub name of the form 'owner/name', or one of {', '.join(['digits', *HUB])}"
    )


def _open_hub(hub, split, streaming, image, label, retry):
    label = label or hub.label
    try:
        builder = builder_of(hub.name, hub.config)
    except ConnectionError as error:
        from .fetched import kept_tars

        kept = None if streaming else kept_tars(hub.name, hub.config or "default", split)
        if kept is None:
            raise
        _log.warning("%s; the tar files that were fetched before are used", str(error).partition(", and")[0])
        return _of_tars(kept, retry, image, label)
    return _open_built(builder, hub.name, split, streaming, image, label, retry)


def _of_tars(files, retry, image, label):
    from .tar import TarImages, TarShards, unpacked_tar

    return TarImages(TarShards([unpacked_tar(file) for file in files], None, retry, image, label), retry)


def _open_folder(folder, split, streaming, image, label, retry, names, config=None):
    if os.path.exists(os.path.join(folder, "dataset_dict.json")) or os.path.exists(os.path.join(folder, "state.json")):
        return _open_saved(folder, split, streaming, image, label, retry)
    counts, tables, left_out = _kinds_in(folder)
    kind = max(counts, key=counts.get) if counts else None
    zips = {e.name: e.path for e in entries(folder) if e.name.lower().endswith(".zip") and not is_folder(e)}
    if kind is None and zips:
        from .listed import tables_beside

        if listing := tables_beside(folder)[0]:
            table = os.path.basename(listing[0][0])
            raise ValueError(f"data={folder!r} holds archives, and labels in {table}; unpack them beside it")
        return _open_zip(zips, folder, split, image, label, retry, names)
    if "images" in counts:
        from .listed import ListedFiles, tables_beside

        listing, unused = tables_beside(folder, image, label)
        if listing and (kind == "images" or listing[0][0].lower().endswith(".parquet")):
            source = ListedFiles(folder, split, listing, retry, names)
            _log.warning(
                "data=%r: labels are those of %s", folder, ", ".join(f"{t}, column {c!r}" for t, _, c in listing)
            )
            source.left_out.say(folder)
            return source
        if "parquet" in tables and _names_files(tables["parquet"][0]):
            kind = "parquet"
        if kind == "images":
            asked = {"image_column": image, "label_column": label}
            if wrong := [f"{name}={value!r}" for name, value in asked.items() if value is not None]:
                raise ValueError(
                    f"{wrong[0]} is not allowed: data={folder!r} holds class folders of images, and no table"
                )
            return _open_images(folder, split, retry, names, counts, unused)
    if kind is None:
        packed = any(what.endswith(f"({end})") for what in left_out.counts for end in PACKED)
        advice = "; unpack what is packed" if packed else f"; {_KINDS_READ}" if left_out.counts else ""
        found = f": left out: {left_out}{advice}" if left_out.counts else ""
        raise ValueError(f"data={folder!r} holds no parquet, arrow, tar, zip or image files{found}")
    from datasets import load_dataset_builder  # so late: image files need no `datasets`

    if any(mark in folder for mark in "*?["):
        raise ValueError(
            f"data={folder!r} could not be opened: *, ? and [ would be taken for a pattern; rename the folder"
        )
    try:
        builder = load_dataset_builder(folder, config)
    except Exception as error:
        if "onfig name is missing" in str(error):
            several = " ".join(str(error).split("\n")[:2])
            raise ValueError(f"data={folder!r} holds several configurations: {several}; give FOLDER:CONFIG") from error
        raise ValueError(f"data={folder!r} could not be opened: {error}") from error
    builder = _by_words(builder, kind, folder) or builder
    used = {os.path.realpath(str(file)) for files in (builder.config.data_files or {}).values() for file in files}
    left_out.add(f"{kind} files of no split", sum(os.path.realpath(file) not in used for file in tables[kind]))
    for other in counts.keys() - {kind, "images"}:
        left_out.add(f"{other} files beside the {kind} files", counts[other])
    left_out.add(f"images that no {kind} file names", counts.get("images", 0) if kind == "tar" else 0)
    left_out.say(folder)
    return _open_built(builder, folder, split, streaming, image, label, retry)


def _by_words(builder, kind, folder):
    """A builder with the splits that the files' names say in words that `datasets` does not know (trainset, dev_set).

    It takes all files for "train" where it knows none: those of the test split, too.  None: its splits are right.
    """
    from datasets import load_dataset_builder

    from .folder import said_split

    files = builder.config.data_files or {}
    if {str(split) for split in files} != {"train"} or kind not in ("parquet", "arrow", "tar"):
        return None
    by_split, names = {}, set()
    for file in map(str, files["train"]):
        inside = os.path.relpath(file, folder)
        by_split.setdefault(said_split(os.path.splitext(inside)[0]), []).append(file)
        names.add(re.sub(r"\d+", "", inside))
    if None in by_split or len(by_split) < 2:
        if len(names) > 1 and None in by_split:
            text = "data=%r: the names of its files say no splits that are known; all %d are taken for 'train': %s"
            some = ", ".join(sorted(os.path.basename(file) for file in map(str, files["train"]))[:4])
            _log.warning(text, folder, len(files["train"]), some)
        return None
    return load_dataset_builder({"tar": "webdataset"}.get(kind, kind), data_files=by_split)


def _open_zip(zips, what, split, image, label, retry, names):
    """Class folders of images in archives.     zips: {name: path}, one for all or one for each split"""
    from .folder import judge_folders, same_split, splits_among
    from .zipped import ZippedImages

    if wrong := [column for column in (image, label) if column is not None]:
        raise ValueError(f"{wrong[0]!r} is not allowed: data={what!r} holds class folders of images, and no table")
    found = splits_among([os.path.splitext(name)[0] for name in zips], f"data={what!r}")
    places = {os.path.splitext(name)[0]: path for name, path in zips.items()}
    if len(zips) > 1:
        split = same_split(split, found)
        if split not in found:
            raise _no_split(what, split, found or sorted(zips))
        source = ZippedImages(places[found[split]], None, retry)
    else:
        source = ZippedImages(next(iter(places.values())), split, retry, next(iter(found), "train"))
    judge_folders(source, what, split, names)
    return source


def _open_images(folder, split, retry, names, counts, unused):
    """Class folders of images.  Refuses what looks like something else."""
    from .folder import SPLITS, ImageFiles, judge_folders, same_split, split_folders
    from .listed import other_tables

    if {"parquet", "arrow"} & counts.keys():
        raise ValueError(
            f"data={folder!r} holds {_listed(counts)} files, and the tables have no columns of paths and labels: which "
            f"is meant cannot be told.  Keep them in folders of their own"
        )
    folders = split_folders(folder)
    split = same_split(split, folders)
    beside = [] if folder in folders.values() else entries(folder)
    others = [e.name for e in beside if is_folder(e) and not is_hidden(e.name) and e.path not in folders.values()]
    if split not in folders:
        error, taken = _no_split(folder, split, folders), os.path.basename(next(iter(folders.values())))
        if others and "train" not in folders:
            error = ValueError(
                f"{error}.  {taken!r} was taken for one because of its name; if it is a class as {others[0]!r} is, put "
                f"all classes into one folder, {folder}/train/{taken} and so on"
            )
        raise error
    if (place := os.path.basename(folders[split])).lower() not in SPLITS and folders[split] != folder:
        _log.warning("data=%r: its folder %r was taken for the split %r", folder, place, split)
    try:
        source = ImageFiles(folders[split], retry)
    except ValueError as error:
        if unused := unused or other_tables(folder):
            raise ValueError(f"{error}.  {unused[0]}") from None
        if not others or "has no image files" not in str(error):
            raise
        raise ValueError(
            f"{error}.  {place!r} was taken for the split {split!r} because of its name; if it is a class as "
            f"{others[0]!r} is, put all classes into one folder, {folder}/train/{place} and so on"
        ) from None
    source.left_out.add("folders beside those of the splits", len(others))
    judge_folders(source, folder, split, names, unused)
    return source


def _open_built(builder, name, split, streaming, image, label, retry):
    """From a builder of `datasets`, which knows the files of each split."""
    from .folder import same_split

    files = {str(key): list(value) for key, value in (builder.config.data_files or {}).items()}
    whole, bracket, rest = split.partition("[")  # "train[:10%]" is a part of "train"
    splits = files or builder.info.splits or {whole: None}
    whole = same_split(whole, splits)
    split = whole + bracket + rest
    if whole not in splits or (streaming and split != whole):
        raise _no_split(name, split, splits)
    features, folder = builder.info.features, name if os.path.isdir(name) else None
    if missing := missing_shards(files.get(whole, [])):
        text = "data=%r, split %r: of the files that belong together %d are not there, the first is %s"
        _log.warning(text, name, whole, len(missing), missing[0])
    if streaming:
        return _streamed(files.get(split, []), name, features, image, label, retry, folder)
    return _mapped(builder, files.get(whole, []), name, split, image, label, retry, folder)


def _streamed(files, name, features, image, label, retry, folder):
    from .arrow import ArrowShards, arrow_schema
    from .columns import columns_of, schema_features
    from .parquet import ParquetShards
    from .tar import TarShards

    kinds = {kind_of(f.partition("?")[0]) for f in files}
    if kinds == {"parquet"}:
        shards = ParquetShards(files, name, image, label, features, retry, folder)
        return Chunked(shards, shards.columns.class_names, retry)
    if kinds == {"tar"}:
        shards = TarShards(files, retry=retry, image=image, label=label)
        return Chunked(shards, shards.class_names, retry)
    if kinds == {"arrow"}:
        schemas = [(file, arrow_schema(file)) for file in files]
        columns = columns_of(features or schema_features(schemas[0][1], files[0]), name, schemas, image, label)
        shards = ArrowShards(files, columns, folder)
        return Chunked(shards, shards.columns.class_names, retry)
    endings = sorted({os.path.splitext(f)[1] or f for f in files})
    raise ValueError(
        f"data={name!r} cannot be streamed: its files end in {endings}; streaming needs parquet, arrow or tar shards.  "
        f"Use streaming=False, or `vitedu prepare` once"
    )


def _mapped(builder, files, name, split, image, label, retry, folder):
    from .arrow import arrow_schema
    from .columns import columns_of
    from .fetched import fetch_tars, fetched_tables
    from .parquet import check_repeats, is_remote, parquet_schemas, rows_in

    if (
        files
        and split in (builder.config.data_files or {})
        and {kind_of(f.partition("?")[0]) for f in files} == {"tar"}
    ):
        if any(map(is_remote, files)):
            files = fetch_tars(name, builder.config.name, split, files, retry)
        return _of_tars(files, retry, image, label)
    here = [f for f in files if not is_remote(f)]
    schemas = parquet_schemas(f for f in here if f.endswith(".parquet"))  # first: its messages have the file's name
    check_repeats(f for f in here if f.endswith(".parquet"))
    if here and len(here) == len(files) == len(schemas) and not any(map(rows_in, here)):
        raise ValueError(f"data={name!r}, split {split!r} holds no images: its {len(here)} parquet files have no rows")
    schemas += [(f, arrow_schema(f)) for f in here if f.endswith(".arrow")]
    if len(here) < len(files):
        retry(lambda: check_repeats(fetched_tables(builder, files)), name)
    try:
        retry(builder.download_and_prepare, name)  # to a memory-mapped file in the cache of `datasets`, once
        dataset = builder.as_dataset(split=split)
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:
        if different := _other_columns(schemas):
            raise ValueError(f"data={name!r}, split {split!r} could not be read: {different}") from error
        reason = " ".join(str(error.__cause__ or error).split())
        raise ValueError(f"data={name!r}, split {split!r} could not be read: {reason}") from error
    columns = columns_of(dataset.features, name, schemas, image, label)
    return Table(dataset, columns, f"{name}, {split}", folder or _fetched_to(files))


def _other_columns(schemas) -> str:
    """Which file has other columns than the first, or of another type; "" where all have the same."""
    (first, known), *others = [*schemas] or [("", None)]
    for file, schema in others:
        if {*schema.names} != {*known.names}:
            one, other = ", ".join(known.names), ", ".join(schema.names)
            return f"{file} has the columns {other}, {first} has {one}; write all with the same columns, or stream them"
        for name in known.names:
            if schema.field(name).type != known.field(name).type:
                one, other = known.field(name).type, schema.field(name).type
                return f"{file} has {name!r} of type {other}, {first} of type {one}; write all with one type"
    return ""


def _fetched_to(files) -> str | None:
    """Where `datasets` unpacks image files of the hub; of tables, which could name any path, nowhere."""
    from datasets import config

    tables = {"parquet", "arrow", "tar"}
    return None if {kind_of(f.partition("?")[0]) for f in files} & tables else str(config.HF_DATASETS_CACHE)


def _open_saved(folder, split, streaming, image, label, retry):
    """What `save_to_disk` wrote: one data set, or a folder of splits."""
    from datasets import load_from_disk

    from .arrow import ArrowShards, arrow_schema
    from .columns import find_columns
    from .folder import same_split

    whole = os.path.exists(os.path.join(folder, "state.json"))
    splits = {"train": folder} if whole else {e.name: e.path for e in os.scandir(folder) if e.is_dir()}
    split = same_split(split, splits)
    if split not in splits:
        raise _no_split(folder, split, splits)
    try:
        dataset = load_from_disk(splits[split])
    except Exception as error:
        raise ValueError(f"data={splits[split]!r} could not be opened: {error}") from error
    columns = find_columns(dataset.features, folder, image, label)
    if streaming:
        shards = ArrowShards([f["filename"] for f in dataset.cache_files], columns, folder)
        return Chunked(shards, shards.columns.class_names, retry)
    for file in dataset.cache_files:
        arrow_schema(file["filename"])  # its messages have the file's name
    return Table(dataset, columns, f"{folder}, {split}", folder)


def _kinds_in(folder):
    """({"parquet", "arrow", "tar", "images": how many}, the files of the first three, what is none of them)

    Of a folder of images only the first few hundred files are looked at.
    """
    counts, tables, left_out = {}, {}, LeftOut()
    folder = os.path.realpath(folder)  # that may be a link
    around = os.path.dirname(folder)
    for _, where, names in walk([folder], around, left_out):
        for name in names:
            kind = None if is_hidden(name) else kind_of(name)
            if kind is None:
                left_out.file(name)
                continue
            counts[kind] = counts.get(kind, 0) + 1
            if kind != "images":
                tables.setdefault(kind, []).append(os.path.join(around, where, name))
        if counts.get("images", 0) > 500:
            break
    return counts, tables, left_out


def _names_files(table) -> bool:
    """Does the first row of a parquet file name an image file, where others hold the image itself?"""
    from .parquet import first_row

    return any(
        isinstance(value, dict) and value.get("bytes", b"") is None and isinstance(value.get("path"), str)
        for value in first_row(table).values()
    )


def _listed(counts) -> str:
    return " and ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


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
    if 50 < len(source) < 2 * (source.num_classes or 0):
        text = "data=%r, split %r: %d classes for %d images; are these the names of classes?"
        _log.warning(text, dataset, split, source.num_classes, len(source))
    if source.class_names is None and (labels := getattr(source, "labels", np.zeros(1))).min() > 0:
        text = "data=%r, split %r: its class numbers go from %d to %d, and class 0 has no image; they count from 0 here"
        _log.warning(text, dataset, split, labels.min(), labels.max())


def _no_split(dataset, split, splits):
    from .folder import NoSplit

    known = ", ".join(sorted(map(str, splits)))
    return NoSplit(f"data={dataset!r} has no split {split!r}; its splits are {known}", split)
