"""Variables of the environment are input, too: what cannot be meant is refused by the variable's name."""

from __future__ import annotations

import pytest

from vitedu.check import progress
from vitedu.commands.arguments import is_first
from vitedu.data.tar import cache_folder
from vitedu.engine.distributed import processes
from vitedu.plan.gpus import known_gpus
from vitedu.recipes import Execution

LAUNCHED = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"RANK": "x"}, ("RANK='x'", "an integer from 0 to 0")),
        ({"RANK": "1"}, ("RANK='1'", "from 0 to 0")),  # of one process: it would wait for the other until a time-out
        ({"WORLD_SIZE": "x"}, ("WORLD_SIZE='x'", "that is positive")),
        ({"WORLD_SIZE": "0"}, ("WORLD_SIZE='0'", "that is positive")),
        ({"LOCAL_RANK": "x"}, ("LOCAL_RANK='x'", ">= 0")),
        ({"MASTER_PORT": "x"}, ("MASTER_PORT='x'", "from 0 to 65535")),
        ({"MASTER_PORT": "70000"}, ("MASTER_PORT='70000'", "from 0 to 65535")),
        ({"MASTER_PORT": None}, ("MASTER_PORT is not set, but RANK='0'", "torchrun")),
        ({"MASTER_ADDR": ""}, ("MASTER_ADDR is not set",)),
        ({"RANK": None, "WORLD_SIZE": "2"}, ("RANK is not set, but WORLD_SIZE='2'",)),  # two runs that know nothing
    ],
    ids=str,
)
def test_what_a_launcher_says(changes, texts, monkeypatch, refused):
    for name, value in (LAUNCHED | changes).items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with refused(ValueError, *texts), processes(Execution(device="cpu")):
        pass


def test_who_prints(monkeypatch, refused):
    monkeypatch.setenv("RANK", "1")
    assert not is_first()
    monkeypatch.setenv("RANK", "first")
    with refused(ValueError, "RANK='first'", "an integer >= 0", "variable of the environment"):
        is_first()


def test_where_progress_is_kept(monkeypatch, tmp_path, refused):
    """`OFF` once was a file of that name in whatever folder one was in."""
    for given in ("OFF", "no", str(tmp_path)):
        monkeypatch.setenv("VITEDU_PROGRESS", given)
        with refused(ValueError, f"VITEDU_PROGRESS={given!r}", "'off', or the path of a .json file"):
            progress.file()


def test_files_and_folders(monkeypatch, tmp_path, refused):
    monkeypatch.setenv("VITEDU_GPUS", str(tmp_path / "none.toml"))
    with refused(FileNotFoundError, "VITEDU_GPUS=", "none.toml", "a .toml or .json file"):
        known_gpus()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VITEDU_CACHE", str(tmp_path / "file"))
    with refused(ValueError, "VITEDU_CACHE=", "a folder"):
        cache_folder()
