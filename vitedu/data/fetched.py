"""Tar shards of the hub, fetched once to this machine.  Taught in notebooks/14_pretraining.ipynb.

`datasets` would make a table of them, and ends every name at its first dot: of `img_1.0.jpg` and `img_1.1.jpg` one is
lost without a word.  So the files themselves are kept, beside their tables of contents, and read as local ones are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil

from vitedu_numpy.weights.files import replacing

from .retry import Retry
from .tar import cache_folder

__all__ = ["fetch_tars", "fetched_tables", "kept_tars"]


def fetch_tars(name: str, config: str, split: str, files, retry: Retry) -> list[str]:
    """The paths of these files on this machine.  What is there already is not fetched again.

    Each URL names a state of the file, `hf://datasets/owner/name@revision/...`.  Raises ShardError for a file that
    stays missing.
    """
    from tqdm import tqdm

    bar = tqdm(list(files), f"fetching {name}", unit="file", disable=len(files) < 2 or None)
    paths = [retry(lambda url=url: _fetch(url), url) for url in bar]
    place = _record(name, config, split)
    with replacing(place) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(paths, file)
    return paths


def fetched_tables(builder, files) -> list[str]:
    """The parquet files among these, on this machine, where `datasets` will look for them; [] once it has its table.

    So they can be looked at before `datasets` writes out what they claim to hold.
    """
    far = [file for file in map(str, files) if file.partition("?")[0].endswith(".parquet")]
    if not far or os.path.exists(builder.cache_dir):
        return []
    from datasets import DownloadConfig, DownloadManager

    cache = getattr(builder, "_cache_downloaded_dir", None)
    settings = DownloadConfig(cache, token=builder.token, storage_options=builder.storage_options, use_etag=False)
    return DownloadManager(download_config=settings).download(far)


def kept_tars(name: str, config: str, split: str) -> list[str] | None:
    """What `fetch_tars` gave the last time, where there is no network; None: nothing, or not all of it."""
    try:
        with open(_record(name, config, split), encoding="utf-8") as file:
            paths = json.load(file)
    except (OSError, ValueError):
        return None
    return paths if paths and all(map(os.path.exists, paths)) else None


def _fetch(url) -> str:
    import fsspec

    path = os.path.join(
        _folder(), hashlib.sha256(url.encode()).hexdigest()[:32], url.partition("?")[0].rpartition("/")[2]
    )
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with fsspec.open(url, "rb") as far, replacing(path) as temporary, open(temporary, "wb") as near:
            shutil.copyfileobj(far, near, 2**22)
            size = getattr(far, "size", None)
            if size is not None and near.tell() != size:
                raise ConnectionError(f"{url} came incomplete: {near.tell():,} of {size:,} bytes")
    return path


def _record(name, config, split) -> str:
    os.makedirs(_folder(), exist_ok=True)
    return os.path.join(_folder(), hashlib.sha256(f"{name}:{config}:{split}".encode()).hexdigest()[:32] + ".json")


def _folder() -> str:
    return os.path.join(cache_folder(), "hub")
