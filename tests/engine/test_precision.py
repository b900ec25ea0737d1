"""precision="auto": what is taken, why, and that a run keeps it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import SMALL, run, with_run

from vitedu.engine import precision
from vitedu.engine.distributed import World
from vitedu.engine.export import export_run
from vitedu.engine.precision import choose_precision, seconds_per_product
from vitedu.engine.run_folder import read_precision
from vitedu.models import named_config
from vitedu.recipes import Execution, get_recipe, list_recipes

AUTO = with_run(SMALL, precision="auto")
CPU = World(0, 1, torch.device("cpu"))


def pretend(monkeypatch, half: float, single: float) -> None:
    """A processor that takes so many seconds in bfloat16 and in float32."""
    monkeypatch.setattr(precision, "seconds_per_product", lambda config, is_half: half if is_half else single)


def test_the_quicker_one_is_taken(monkeypatch, tmp_path):
    pretend(monkeypatch, half=0.0012, single=0.0030)
    found, why = choose_precision(tmp_path, AUTO, CPU)
    assert (found, why) == ("bf16", "here a step's products take 1.2 ms in bfloat16, 3.0 ms in float32")
    pretend(monkeypatch, half=0.0094, single=0.0011)  # a processor with AVX2 alone
    assert choose_precision(tmp_path, AUTO, CPU)[0] == "float32"
    pretend(monkeypatch, half=0.0029, single=0.0030)  # too close to be worth the coarser numbers
    assert choose_precision(tmp_path, AUTO, CPU)[0] == "float32"


def test_what_the_recipe_names_is_not_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "seconds_per_product", None)
    for named in ("bf16", "float32", "float64"):
        assert choose_precision(tmp_path, with_run(SMALL, precision=named), CPU)[0] == named


@pytest.mark.parametrize(("has_it", "expected"), [(True, "bf16"), (False, "float32")])
def test_a_gpu_is_asked_and_imitation_does_not_count(monkeypatch, tmp_path, has_it, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_it or including_emulation)
    assert choose_precision(tmp_path, AUTO, World(0, 1, torch.device("cuda")))[0] == expected


def test_the_others_do_not_decide(monkeypatch, tmp_path):
    """Process 1 adds 0 to the first one's choice, and measures nothing."""
    monkeypatch.setattr(precision, "seconds_per_product", None)
    monkeypatch.setattr(World, "count", lambda world, number: number + 1)  # the first has taken number 1, float32
    assert choose_precision(tmp_path, AUTO, World(1, 2, torch.device("cpu")))[0] == "float32"


def test_a_run_says_it_and_keeps_it(tmp_path):
    """Two processes agree; a resume on one takes what stands in the folder, even if it would choose otherwise."""
    out = tmp_path / "run"
    first = run(replace(AUTO, steps=4), out, world=2)
    taken = read_precision(out)
    assert taken in ("bf16", "float32")
    said = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert said.count(f"precision {taken}: here a step's products take") == 1
    assert json.loads((out / "versions.json").read_text())["precision"].startswith(f"{taken}: here")

    other = "float32" if taken == "bf16" else "bf16"
    record = json.loads((out / "recipe.json").read_text())
    (out / "recipe.json").write_text(json.dumps(record | {"precision": other}))
    (out / "checkpoints" / "step_00000004").rename(tmp_path / "away")  # so there is something to do
    (out / "model.safetensors").rename(tmp_path / "away.safetensors")  # which would not be replaced
    again = run(replace(AUTO, steps=4), out)
    assert f"precision {other}: the run was begun with it" in (tmp_path / "run.log").read_text(encoding="utf-8")
    assert read_precision(out) == other
    assert not np.array_equal(again, first)  # it was really computed so
    np.testing.assert_allclose(again, first, rtol=0.02)  # bfloat16 has 8 bits: 0.4 % a rounding
    assert export_run(out, tmp_path / "weights.safetensors") == 4


def test_on_resume_the_recipe_may_say_otherwise(tmp_path):
    out = tmp_path / "run"
    run(replace(AUTO, steps=4), out)
    run(with_run(replace(AUTO, steps=4), precision="float64"), out)
    assert read_precision(out) == "float64"
    run(replace(AUTO, steps=4), out)
    assert read_precision(out) == "float64"  # "auto": as it was last


def test_a_folder_from_before_has_it_in_its_recipe(tmp_path):
    """The record of what was taken is newer than "bf16", the default that recipes had."""
    out = tmp_path / "run"
    run(replace(SMALL, steps=2, warmup_steps=1), out)
    record = json.loads((out / "recipe.json").read_text())
    del record["precision"]
    (out / "recipe.json").write_text(json.dumps(record))
    assert read_precision(out) == "float64"
    (out / "recipe.json").write_text(json.dumps(record | {"precision": "int8"}))
    with pytest.raises(
        ValueError, match=r"recipe.json has precision='int8'; allowed is 'bf16', 'float32' or 'float64'"
    ):
        read_precision(out)
    assert read_precision(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", ["vit_h14", "r50_b16", "bit_r50x1"])
def test_the_measurement_is_short_for_every_kind_of_model(name):
    """Both ways, largest ViT included; its random numbers are none, so a run's are not touched."""
    before = torch.get_rng_state()
    assert all(0 < seconds_per_product(named_config(name), half, repeats=1) < 10 for half in (True, False))
    assert torch.equal(torch.get_rng_state(), before)


def test_recipes_leave_it_open():
    assert Execution().precision == "auto"
    fixed = {name for name in list_recipes() if get_recipe(name).run.precision != "auto"}
    assert fixed == {"vit_digits"}  # too small to gain anything
