"""How PyTorch's distributed checkpoints are written and read here: hashed on the way out, harmless on the way in.

Described in docs/reliability.md.  PyTorch pickles `.metadata` (where every tensor lies) and all that is no tensor; a
pickle may name any function and have it called.  Here it may name only what a checkpoint needs, and none of that acts.
"""

from __future__ import annotations

import io
import pickle
import re
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import torch
import torch.distributed.checkpoint.filesystem as files
import torch.distributed.checkpoint.metadata as facts
from torch.distributed.checkpoint import DefaultLoadPlanner, FileSystemReader, FileSystemWriter

from .manifest import MANIFEST, Hashed, describe
from .run_folder import write_json

__all__ = ["Planner", "Reader", "Writer", "read_metadata"]

# What `.metadata` may name: records of sizes and places, and PyTorch's types of numbers.
_PATHS = {("pathlib", name) for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")}
_PATHS |= {("pathlib._local", name) for _, name in _PATHS}  # Python 3.13
_ALLOWED = {
    "torch.distributed.checkpoint.metadata": {
        *("Metadata", "MetadataIndex", "TensorStorageMetadata", "BytesStorageMetadata", "ChunkStorageMetadata"),
        *("TensorProperties", "StorageMeta", "_MEM_FORMAT_ENCODING"),
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "torch": {"Size", *(str(kind).partition(".")[2] for kind in vars(torch).values() if isinstance(kind, torch.dtype))},
    "collections": {"OrderedDict"},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in _PATHS:
            return PurePosixPath  # only a name here, and one that every system can read
        if name not in _ALLOWED.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no checkpoint needs; refused, not run")
        return super().find_class(module, name)


def read_metadata(folder) -> facts.Metadata:
    """Where the tensors of a checkpoint lie, from its `.metadata`; nothing in it is run.

    Raises OSError, or ValueError that says what is wrong with the file.
    """
    with open(Path(folder) / ".metadata", "rb") as file:
        try:
            found = _Unpickler(file).load()
        except Exception as error:  # a damaged pickle may raise anything
            raise ValueError(f".metadata: {str(error) or type(error).__name__}") from error
    places = getattr(found, "storage_data", None)
    if not isinstance(found, facts.Metadata) or not isinstance(places, dict):
        raise ValueError(f".metadata holds a {type(found).__name__}; expected the contents of a checkpoint")
    for place in places.values():
        name = getattr(place, "relative_path", None)
        if not isinstance(name, str) or not re.fullmatch(r"__\d+_\d+\.distcp", name):
            raise ValueError(f".metadata names the file {str(name)[:80]!r}, which is no part of a checkpoint; refused")
        if getattr(place, "transform_descriptors", None):
            raise ValueError(".metadata asks for transformations of the files, which no checkpoint needs; refused")
    return found


class Reader(FileSystemReader):
    """Reads tensors as numbers.  metadata: what `read_metadata` has found."""

    def __init__(self, path, metadata):
        super().__init__(path)
        self.metadata = metadata

    def read_metadata(self):
        if self.metadata.storage_meta is None:
            self.metadata.storage_meta = facts.StorageMeta()
        self.metadata.storage_meta.load_id = self.load_id
        return self.metadata

    def read_data(self, plan, planner):
        with _refusing("a tensor"):
            return super().read_data(plan, planner)


class Planner(DefaultLoadPlanner):
    """What is no tensor (a learning rate, a step) is read as numbers, texts, lists and dicts alone."""

    def load_bytes(self, read_item, value):
        with _refusing(read_item.dest_index.fqn):
            found, again = torch.load(value, weights_only=True), io.BytesIO()
        torch.save(found, again)  # PyTorch's own planner would unpickle anything: it is given what we have written
        again.seek(0)
        super().load_bytes(read_item, again)


@contextmanager
def _refusing(what):
    """PyTorch's own words would advise to read it all the same."""
    try:
        yield
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        raise ValueError(f"{what} asks for {asked[1] if asked else 'more than numbers'}; refused, not run") from None


class _Files(files.FileSystem):
    def __init__(self):
        super().__init__()
        self.written = {}

    @contextmanager
    def create_stream(self, path, mode):
        if mode != "wb":
            with super().create_stream(path, mode) as stream:
                yield stream
            return
        with Hashed(path) as stream:
            yield stream
        self.written[Path(path).name] = stream.described()


class Writer(FileSystemWriter):
    """Writes a checkpoint, and at its end the list of its files with their digests (`manifest.py`).

    Every process hashes its own file while it writes it, in the background; what it has found travels to the first one
    together with PyTorch's own results.  beside: {name: value} of JSON files that belong into the checkpoint.
    """

    def __init__(self, path, beside):
        super().__init__(path)
        self.fs, self.beside = _Files(), beside

    def write_data(self, plan, planner):
        results = super().write_data(plan, planner).wait()
        future = torch.futures.Future()
        future.set_result([*results, self.fs.written])
        return future

    def finish(self, metadata, results):
        digests = {}
        for found in results:
            digests |= found.pop()
        super().finish(metadata, results)
        for name, value in self.beside.items():
            write_json(self.path / name, value)
        for name in (".metadata", *self.beside):
            digests[name] = describe(self.path / name)
        write_json(self.path / MANIFEST, {"files": dict(sorted(digests.items()))})
