"""Whatever bytes a reader is given, it ends: with a value, or with an error of ours that names the file.

A raw error of a library (struct, zlib, pyarrow, json), a MemoryError or a hang is a defect.  Most inputs are whole
files with a few bytes changed, since random bytes alone never come further than the first check.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tarfile
import warnings
import zipfile
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import features

from vitedu import ViTConfig, from_pretrained
from vitedu.data import Retry, open_source
from vitedu.data.decode import FORMATS, decode
from vitedu.data.sample import UnreadableImage
from vitedu.engine.report import read_metrics
from vitedu.engine.run_folder import read_classes, read_recipe
from vitedu.models import build
from vitedu.recipes import get_recipe
from vitedu.weights import save_npz, save_safetensors

ONCE = Retry(tries=1)
CONFIG = ViTConfig(image_size=8, patch_size=4, width=6, depth=1, heads=2, mlp_dim=5, num_classes=3, gelu="erf")


def how_it_ends(read) -> Exception | None:
    """None: with a value; else the ValueError, TypeError, KeyError or OSError.  Any other fails the test by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
        except (ValueError, TypeError, KeyError, OSError) as error:
            return error
    return None


def ends_well(read, *names) -> None:
    """A value, or an error of Python's or our own kind whose text has one of the names."""
    error = how_it_ends(read)
    if error is not None:
        home = type(error).__module__
        assert home == "builtins" or home.startswith("vitedu"), f"a raw {home}.{type(error).__name__}: {error}"
        assert not isinstance(error, UnicodeError), f"a raw {error!r}"
        assert any(str(name) in str(error) for name in names), f"{error!r} names none of {names}"


def changed(whole: bytes):
    """The file with some bytes set, left out or put in."""
    place = st.integers(0, max(0, len(whole) - 1))
    change = st.tuples(st.sampled_from(["set", "cut", "insert", "remove"]), place, st.binary(min_size=1, max_size=8))

    def apply(changes):
        data = whole
        for kind, at, new in changes:
            end = at + len(new) if kind in ("set", "remove") else at
            data = data[:at] if kind == "cut" else data[:at] + (b"" if kind == "remove" else new) + data[end:]
        return data

    return st.lists(change, min_size=1, max_size=4).map(apply)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def small_file(tmp_path_factory, save, name) -> bytes:
    path = tmp_path_factory.mktemp("whole") / name
    save(build(CONFIG, 0), path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    return small_file(tmp_path_factory, save_npz, "whole.npz")


@pytest.fixture(scope="module")
def safetensors(tmp_path_factory):
    return small_file(tmp_path_factory, save_safetensors, "whole.safetensors")


# ---- weights ---------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_npz_with_other_bytes(data, npz, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(data.draw(changed(npz)))
    ends_well(lambda: from_pretrained(path), "x.npz")


@given(
    st.dictionaries(
        st.sampled_from(["embedding/kernel", "cls", "head/kernel", "vitedu/config", "params/x", "../x", ""]),
        st.tuples(
            st.sampled_from(["<f4", "<f8", "<i8", "|b1", "<U3", "|O", "<c8", "|V2", "<f2"]),
            st.lists(st.sampled_from([0, 1, 2, 7, 2**31, 2**62, -1]), max_size=4),
            st.binary(max_size=40),
        ),
        max_size=4,
    )
)
def test_npz_with_headers_that_lie(tmp_path_factory, members):
    """What a header claims and what follows it have nothing to do with each other."""
    import zipfile

    path = tmp_path_factory.getbasetemp() / "headers.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, (dtype, shape, content) in members.items():
            header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {tuple(shape)!r}, }}\n".encode()
            start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
            archive.writestr(f"{name}.npy", start + header + content)
    ends_well(lambda: from_pretrained(path), "headers.npz")


@given(data=st.data())
def test_safetensors_with_other_bytes(data, safetensors, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data.draw(changed(safetensors)))
    ends_well(lambda: from_pretrained(path), "x.safetensors")


@given(changes=st.dictionaries(st.sampled_from([*asdict(CONFIG), "kind", "stages"]), JSON | st.integers(0, 2**40)))
def test_safetensors_with_other_settings(changes, safetensors, tmp_path):
    """The arrays as they are; settings that claim to be of any model."""
    size = int.from_bytes(safetensors[:8], "little")
    header = json.loads(safetensors[8 : 8 + size])
    settings = json.loads(header["__metadata__"]["vitedu/config"]) | changes
    header["__metadata__"]["vitedu/config"] = json.dumps(settings)
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + safetensors[8 + size :])
    ends_well(lambda: from_pretrained(path), "x.safetensors")


SETTINGS = ("architecture", "model_args", "hidden_act", "num_attention_heads", "pretrained_cfg", "global_pool", "mean")


@given(settings=st.dictionaries(st.sampled_from(SETTINGS), JSON))
def test_settings_beside_a_file_of_timm(settings, tmp_path_factory):
    from vitedu.weights import save_timm

    folder = tmp_path_factory.getbasetemp() / "timm_folder"
    if not folder.exists():
        folder.mkdir()
        save_timm(build(CONFIG, 0), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(settings))
    ends_well(lambda: from_pretrained(folder), "timm_folder")


# ---- images ----------------------------------------------------------------------------------------------------------


def encoded(kind) -> bytes:
    from PIL import Image

    pixels = np.add.outer(7 * np.arange(23), 5 * np.arange(31))[..., None] * np.array([1, 2, 3])
    file = io.BytesIO()
    Image.fromarray((pixels % 256).astype(np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "AVIF" or features.check("avif")])
@given(data=st.data())
def test_images_with_other_bytes(data, kind):
    given_bytes, found = data.draw(changed(encoded(kind))), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(UnreadableImage):
            found.append(decode(given_bytes))
    assert all(pixels.dtype == np.uint8 and pixels.shape[2] == 3 for pixels in found)


@given(
    st.sampled_from([b"%!PS-Adobe-3.0 EPSF-3.0\n", b"BM", b"II*\0", b"P6 ", b"GIF89a", b"\xff\xd8\xff"]), st.binary()
)
def test_images_of_nothing(start, rest):
    with contextlib.suppress(UnreadableImage):
        decode(start + rest)


# ---- tar files and tables --------------------------------------------------------------------------------------------


def everything(folder, **options):
    source = open_source(str(folder), "train", retry=ONCE, in_memory=False, **options)
    return source.read(np.arange(len(source)))


NAMES = st.sampled_from(["a.png", "a.cls", "a.json", "b.png", "b.CLS", "c.1.png", "c.1.cls", "../a.png", "__x/a.png",
                         "/etc/a.cls", "a", ".a.png", "é.png", "a.seg.png"])  # fmt: skip
CONTENTS = st.sampled_from(
    [b"", b"1", b"-1", b"cat", b"1.0", b"9" * 30, b"\xff", b'{"label": 2}', b"[1]", b"{", b"null"]
)


def tar_of(members) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content, kind, size in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content) if size is None else size, "/etc/passwd"
            tar.addfile(member, io.BytesIO(content + bytes(size or 0)))
    return file.getvalue()


KIND_OF_MEMBER = st.sampled_from([tarfile.REGTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])


@given(st.lists(st.tuples(NAMES, CONTENTS, KIND_OF_MEMBER, st.none()), max_size=8), st.data())
def test_tar_files(tmp_path_factory, members, data):
    folder = tmp_path_factory.mktemp("tars")
    whole = tar_of(members)
    (folder / "train-0.tar").write_bytes(data.draw(st.just(whole) | changed(whole)))
    ends_well(lambda: everything(folder, streaming=True), "train-0.tar", folder)


def zip_of(members, method) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


ZIPPED = st.sampled_from(["train/a/1.png", "train/b/1.png", "test/a/1.png", "x/train/a/1.png", "1.png", "../a/1.png",
                          "a/", "__MACOSX/a/1.png", "a/b/c/1.png", "images/1.png", "é/1.PNG", "a\\1.png",
                          "labels.csv", "train/metadata.jsonl", "../x.parquet"])  # fmt: skip
LISTED = st.sampled_from([b"path,label\n1.png,x\n", b'{"file_name": "1.png", "label": 1}\n', b"a,b\n\xff", b"PAR1"])


@given(st.dictionaries(ZIPPED, CONTENTS | LISTED, max_size=6), st.sampled_from([0, 8]), st.data())
def test_zip_files(tmp_path_factory, members, method, data):
    path = tmp_path_factory.mktemp("zips") / "x.zip"
    whole = zip_of(members, method)
    path.write_bytes(data.draw(st.just(whole) | changed(whole)))
    ends_well(lambda: everything(path), "x.zip")


@pytest.fixture(scope="module")
def arrow(tmp_path_factory):
    from datasets import Dataset, Features, Image, Value

    folder = tmp_path_factory.mktemp("arrow")
    columns = {"image": [{"bytes": encoded("PNG"), "path": "a.png"}] * 3, "label": [0, 1, 0]}
    Dataset.from_dict(columns, Features({"image": Image(), "label": Value("int64")})).save_to_disk(folder)
    return folder


@given(data=st.data(), streaming=st.booleans())
def test_arrow_with_other_bytes(data, streaming, arrow):
    path = arrow / "data-00000-of-00001.arrow"
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(changed(whole)))
        ends_well(lambda: everything(arrow, streaming=streaming), path.name, arrow)
    finally:
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def parquet():
    return parquet_of([{"bytes": encoded("PNG"), "path": "a.png"}] * 3, [0, 1, 0])


def parquet_of(images, labels) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table({"image": images, "label": labels}), file)
    return file.getvalue()


@given(data=st.data())
def test_parquet_with_other_bytes(data, parquet, tmp_path):
    (tmp_path / "train-0.parquet").write_bytes(data.draw(changed(parquet)))
    ends_well(lambda: everything(tmp_path, streaming=True), "train-0.parquet", tmp_path)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "bytes": st.none() | st.binary(max_size=9),
                "path": st.sampled_from([None, "a.png", "/etc/passwd", "../x", "\0"]),
            }
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(
        [[0, 1, 2], [0, None, 1], [-1, 0, 1], ["a", "b", "a"], [0.5, 1.0, 2.0], [True, False, True], [[1]] * 3]
    ),
)
def test_rows_of_a_table(tmp_path_factory, images, labels):
    folder = tmp_path_factory.mktemp("rows")
    (folder / "train-0.parquet").write_bytes(parquet_of(images, labels[: len(images)]))
    ends_well(lambda: everything(folder, streaming=True), "train-0.parquet", folder)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "tsv"])
@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.booleans(),
    st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]),  # marks of UTF-16 and UTF-8
)
def test_tables_beside_images(tmp_path_factory, ending, rest, has_head, mark):
    folder = tmp_path_factory.mktemp("beside")
    (folder / "cat").mkdir()
    (folder / "cat" / "a.png").write_bytes(encoded("PNG"))
    head = {"csv": b"path,label\ncat/a.png,", "tsv": b"path\tlabel\n", "jsonl": b'{"path": "cat/a.png", "label": '}[
        ending
    ]
    (folder / f"train.{ending}").write_bytes(mark + head * has_head + rest)
    ends_well(lambda: everything(folder), f"train.{ending}", folder)


# ---- what runs leave behind ------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()), max_size=5))
def test_lines_of_metrics(tmp_path_factory, lines):
    """No line stops the others: damaged ones are left out."""
    path = tmp_path_factory.getbasetemp() / "metrics.jsonl"
    good = b'{"step": 1, "images": 8, "loss": 0.5}\n'
    path.write_bytes(good + b"\n".join(lines) + b"\n" + good)
    found = read_metrics(path)
    assert found[0] == found[-1] == json.loads(good)


@given(path=st.lists(st.sampled_from(["model", "data", "run", "width", "depth", "steps", "name", "extra"]), max_size=2),
       value=JSON)  # fmt: skip
def test_recipes(tmp_path_factory, path, value):
    folder = tmp_path_factory.getbasetemp() / "run_folder"
    folder.mkdir(exist_ok=True)
    recipe = get_recipe("vit_digits")
    record = {"model_kind": "ViTConfig", "num_images": 10, "recipe": asdict(recipe)}
    place = record["recipe"]
    for name in path[:-1]:
        place = place[name] if isinstance(place.get(name), dict) else place
    if path:
        place[path[-1]] = value
    else:
        record = value
    (folder / "recipe.json").write_text(json.dumps(record))
    ends_well(lambda: read_recipe(folder), "recipe.json")


OF_A_FILE = {
    "toml": b'base = "vit_digits"\nepochs = 3\nclip_norm = "none"\n[model]\nwidth = 48\n[data]\ndataset = "x"\n',
    "json": b'{"base": "vit_digits", "epochs": 3, "clip_norm": "none", '
    b'"model": {"width": 48}, "data": {"dataset": "x"}}',
}


@pytest.mark.parametrize("ending", OF_A_FILE)
@given(data=st.data())
def test_recipes_in_files(data, ending, tmp_path):
    path = tmp_path / f"mine.{ending}"
    path.write_bytes(OF_A_FILE[ending])
    if sys.version_info >= (3, 11) or ending == "json":
        assert get_recipe(path).model.width == 48
    path.write_bytes(data.draw(changed(OF_A_FILE[ending])))
    ends_well(lambda: get_recipe(path), path.name)


@given(
    fields=st.dictionaries(
        st.sampled_from(["base", "epochs", "steps", "model", "data", "run", "notes", "warmup_steps"]), JSON, max_size=3
    )
)
def test_recipes_in_files_of_any_fields(fields, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"base": "vit_digits"} | fields))
    ends_well(lambda: get_recipe(path), path.name)


@pytest.mark.parametrize(
    ("name", "read"), [("recipe.json", read_recipe), ("recipe.json", get_recipe), ("classes.json", read_classes)]
)
def test_json_that_is_deeper_than_python_recurses(name, read, tmp_path):
    (tmp_path / name).write_text("[" * 100_000)
    error = how_it_ends(lambda: read(tmp_path))
    assert name in str(error)
