"""What a plan refuses, warns of and assumes: as training does, by the network, by the kind of model, by own GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vitedu.models import named_config
from vitedu.plan import PlanRequest, format_plan, known_gpus, plan
from vitedu.plan.gpus import LIST, gpu_named
from vitedu.plan.memory import Counted
from vitedu.plan.planner import utilisation_of
from vitedu.recipes import get_recipe
from vitedu.recipes.recipe import check_shares


@pytest.fixture(autouse=True)
def uncounted(monkeypatch):
    """Memory is not what is asked here; to count it takes seconds."""
    monkeypatch.setattr("vitedu.plan.planner.count_step", lambda *a, **k: Counted(1000, 1000, 1, 1, 1))


# ---- what training refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "request_", "says"),
    [
        ("vit_b16-imagenet", dict(gpus=3), "batch_size=4096 is not allowed; batch_size must be a multiple of the 3"),
        ("vit_b16-imagenet", dict(gpus=8192), "batch_size=4096 is not allowed"),
        ("vit_b16-augreg-imagenet21k", dict(gpus=4096), "batch_size=4096 is not allowed; batch_size must be such that"),
        ("vit_b16-augreg-imagenet21k", dict(micro_batch=3), "micro_batch=3 is not allowed"),
    ],
)
def test_a_plan_refuses_what_training_refuses(recipe, request_, says):
    """The same function is asked: `check_shares`."""
    request = PlanRequest(recipe, **request_)
    with pytest.raises(ValueError, match=says):
        plan(request)
    chosen = get_recipe(recipe)
    chosen = replace(chosen, run=replace(chosen.run, micro_batch=request.micro_batch))
    with pytest.raises(ValueError, match=says):
        check_shares(chosen, request.gpus)


def test_a_gpu_without_bfloat16_is_planned_as_it_trains():
    """A V100: "auto" takes float32 there, an eighth of what its float16 would have; bfloat16 is not on offer."""
    found = plan(PlanRequest("vit_b16-imagenet", gpu="v100"))
    assert (found.recipe.run.precision, found.flops) == ("float32", 15.7e12)
    with pytest.raises(ValueError, match="precision='bf16' is not allowed; precision must be 'float32' on v100, which"):
        plan(PlanRequest("vit_b16-imagenet", gpu="v100", precision="bf16"))


def test_a_model_without_a_recipe_says_all_that_it_wants():
    with pytest.raises(ValueError, match="epochs must be given, and num_images, for a model without a recipe"):
        plan(PlanRequest("vit_s16"))
    with pytest.raises(ValueError, match="num_images must be given: vit_s16 names no data"):
        plan(PlanRequest("vit_s16", epochs=90))


def test_more_is_held_out_than_there_is():
    recipe = get_recipe("vit_digits")
    too_many = replace(recipe, data=replace(recipe.data, train_images=2000))
    with pytest.raises(ValueError, match=r"train_images=2000 is not allowed; train_images must be at most 1437"):
        plan(PlanRequest(gpus=1), too_many)


def test_mixup_gets_even_micro_batches():
    """Whatever fits, pairs stay together."""
    found = plan(PlanRequest("vit_b16-augreg-imagenet21k", gpus=2))
    assert all(n % 2 == 0 for n in found.micro_batch.values())


# ---- the network ---------------------------------------------------------------------------------------------------


def test_network_by_hand():
    """DDP on 8 GPUs: 2 x 7/8 of 4 bytes a parameter, at 300 GB/s."""
    found = plan(PlanRequest("vit_b16-imagenet21k"))
    sent = 2 * 4 * found.parameters * 7 // 8
    assert found.network_bytes["ddp"] == sent
    assert found.network_seconds == pytest.approx(sent / 300e9)
    assert found.hidden_seconds == pytest.approx(found.update_seconds * 2 / 3 / found.micro_steps["ddp"])
    assert "TOO SLOW" not in format_plan(found)
    assert "network             0.0024 s per update: 0.67 GiB at 300 GB/s" in format_plan(found)


def test_a_network_that_is_too_slow_is_said():
    """256 GPUs have 16 images each: an update takes a hundredth of a second, the sums of 0.8 GB need more."""
    text = format_plan(plan(PlanRequest("vit_b16-imagenet21k", nodes=32, gpu="h100")))
    assert "THE NETWORK IS TOO SLOW: its 0.033 s do not fit beside the last backward" in text
    assert "25 GB/s from GPU to GPU, between nodes" in text
    faster = format_plan(plan(PlanRequest("vit_b16-imagenet21k", nodes=32, gpu="h100", link=450)))
    assert "TOO SLOW" not in faster


def test_one_gpu_has_no_network():
    found = plan(PlanRequest("vit_digits", gpus=1))
    assert found.network_seconds is None
    assert "\nnetwork" not in format_plan(found)


# ---- utilisation by kind -------------------------------------------------------------------------------------------


def test_utilisation_by_kind():
    assert utilisation_of(named_config("vit_b16")) == 0.4
    assert utilisation_of(named_config("vit_s16")) == 0.23
    assert utilisation_of(named_config("bit_r50x1")) == 0.25
    assert 0.25 < utilisation_of(named_config("r50_b16")) < 0.4  # the time of both its parts
    assert plan(PlanRequest("bit_r50x1-jft")).utilisation == 0.25
    assert plan(PlanRequest("bit_r50x1-jft", utilisation=0.5)).utilisation == 0.5


def test_the_resnets_number_is_the_papers():
    """Table 2: 9,900 TPUv3-core-days for BiT-L R152x4; its authors trained it for 40 epochs of JFT."""
    from vitedu.accounting.compute import exaflops
    from vitedu.accounting.formulas import macs_by_part
    from vitedu.paper import JFT_IMAGES, TABLE_2

    days = TABLE_2.row(name="BiT-L R152x4").core_days
    flops = 1e18 * exaflops(sum(macs_by_part(named_config("R152x4")).values()), 40, JFT_IMAGES)
    assert flops / (days * 86_400 * 61.5e12) == pytest.approx(0.25, rel=0.02)


# ---- GPUs of one's own ---------------------------------------------------------------------------------------------

CARDS = """
[L40S]
bf16 = 362
float32 = 91.6
gib = 48
watts = 350
link = 32
driver = "NVIDIA L40S"

[old]
bf16 = 10
gib = 8
"""


@pytest.fixture
def cards(tmp_path):
    path = tmp_path / "cards.toml"
    path.write_text(CARDS)
    return str(path)


def test_a_list_of_ones_own(cards, monkeypatch):
    found = plan(PlanRequest("vit_b16-imagenet21k", gpu="l40s", gpu_list=cards))
    assert (found.flops, found.gpu.gib, found.link) == (362e12, 48, 32e9)
    assert "energy              not known" in format_plan(
        plan(PlanRequest("vit_digits", gpu="old", gpus=1, gpu_list=cards, precision="bf16"))
    )
    assert gpu_named("NVIDIA L40S") is None
    monkeypatch.setenv(LIST, cards)  # for every command, and for `mfu`
    assert gpu_named("NVIDIA L40S") == "l40s"
    assert "l40s" in known_gpus()
    assert plan(PlanRequest("vit_digits", gpu="L40S", gpus=1)).gpu.watts == 350


def test_flops_of_ones_own():
    found = plan(PlanRequest("vit_b16-imagenet21k", gpu="mine", gpu_flops=2e14, gpu_memory=48, gpus=1))
    assert (found.flops, found.gpu.gib) == (2e14, 48)
    faster = plan(PlanRequest("vit_b16-imagenet21k", gpu="h100", gpu_flops=4e14, gpus=1))
    assert faster.images_per_second == pytest.approx(2 * found.images_per_second)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a]\nbf16 = 1\ngib = 1\nwats = 3", r"unknown key 'wats' in \[a\]; did you mean 'watts'\?"),
        ("[a]\nbf16 = 1", r"\[a\] lacks gib"),
        ("[a]\nbf16 = -1\ngib = 2", "bf16=-1 is not allowed; bf16 must be a positive number"),
        ("a = 1", r"a=1 is not allowed; each GPU must be a table \[a\]"),
    ],
)
def test_a_list_that_is_wrong(text, says, tmp_path):
    path = tmp_path / "cards.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"cards\.toml: {says}"):
        known_gpus(str(path))


def test_an_unknown_gpu():
    with pytest.raises(
        ValueError, match=r"gpu='H1000' is not allowed; gpu must be one of h200, .*gpu_flops and gpu_memory"
    ):
        PlanRequest(gpu="H1000")
    assert plan(PlanRequest("vit_digits", gpu="H100", gpus=1)).flops == 67e12  # capitals are no matter
