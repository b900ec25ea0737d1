"""Fine-tuning: begun from given weights, stopped and gone on with, searched over learning rates."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import SMALL, finish, losses, run, start, weights, with_run
from test_failures import failed

from vitedu import BiT, ViT, cli, from_pretrained
from vitedu.data import load_digits
from vitedu.engine.export import make_model
from vitedu.engine.finetune import finetune, recipe_for
from vitedu.engine.report import read_metrics
from vitedu.engine.run_folder import read_recipe
from vitedu.engine.start import begin_from, digest, weights_at
from vitedu.recipes import DataRecipe, Execution, FineTuning
from vitedu.weights import save_safetensors
from vitedu_numpy.config import BiTConfig, ViTConfig

# 8 pixels and 2x2 patches, trained on 7 classes with a pre-logits layer; then digits at 12 pixels, 10 classes.
TRAINED = ViTConfig(8, 2, 16, 2, 2, 24, num_classes=7, channels=1, representation_size=12, head_bias=-3.0)
DIGITS = DataRecipe("digits", "train", "test", crop="pad", pad=1, flip=False, eval_resize=None)
TUNING = FineTuning(
    "small", DIGITS, run=Execution(device="cpu", precision="float64", threads=1, log_every=1, checkpoint_every=4),
    image_size=12, rates=(0.01, 0.1, 0.03), dev_part=0.2, steps=12, batch_size=24, learning_rate=0.03, warmup_steps=3,
)  # fmt: skip


def trained_model(seed=5):
    model = ViT(TRAINED, seed)
    with torch.no_grad():
        for value in model.parameters():  # nothing at its first value, the head above all
            value += 0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(seed))
    return model


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "trained.safetensors"
    save_safetensors(trained_model(), path)
    return str(path)


@pytest.fixture(scope="module")
def recipe(weights_file):
    return recipe_for(TUNING, weights_file)[0]


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """The run, never stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(recipe, out)
    return out


# ---- the start -------------------------------------------------------------------------------------------------------


def test_a_run_begins_with_what_from_pretrained_gives_and_a_head_at_zero(recipe, weights_file):
    model = make_model(recipe)
    begin_from(model, recipe)
    expected = from_pretrained(weights_file, num_classes=10, image_size=12, drop_pre_logits=True).state_dict()
    found = model.state_dict()
    assert found.keys() == expected.keys()
    assert found["position_embedding.E_pos"].shape == (37, 16)  # 4x4 patches became 6x6
    for name, value in expected.items():
        wanted = torch.zeros_like(value) if name.startswith("head.") else value
        assert torch.equal(found[name], wanted), name


def test_the_head_is_reset_even_for_as_many_classes(weights_file):
    """from_pretrained would keep it; a new task's seven classes are not the old ones."""
    recipe = recipe_for(replace(TUNING, num_classes=10), weights_file)[0]
    recipe = replace(recipe, model=replace(recipe.model, num_classes=7))
    model = make_model(recipe)
    begin_from(model, recipe)
    assert not model.head.weight.any()
    assert not model.head.bias.any()


def test_the_first_loss_is_that_of_a_head_at_zero(whole):
    """Every class equally likely: log 10, whatever the image (float64, a sum over 24 images)."""
    assert losses(whole)[0] == pytest.approx(np.log(10), rel=1e-12)


def test_a_resnet_begins_from_a_resnet(tmp_path):
    config = BiTConfig((1, 1), 5, image_size=8, channels=1, base_width=4, groups=2, stem="small")
    model = BiT(config, 1)
    save_safetensors(model, tmp_path / "bit.safetensors")
    recipe, num_images = recipe_for(
        replace(TUNING, by_rule=True, decay="stair", milestones=None, image_size=None),
        str(tmp_path / "bit.safetensors"),
    )
    assert num_images == 1437
    assert recipe.data.train_resize == 160
    assert (recipe.model.num_classes, recipe.model.image_size, recipe.milestones) == (10, 128, (0.4, 0.6, 0.8))
    begun = make_model(recipe)
    begin_from(begun, recipe)
    assert torch.equal(begun.root.weight, model.root.weight)


# ---- the plain loop --------------------------------------------------------------------------------------------------


def test_a_run_is_the_plain_loop(recipe, whole, weights_file):
    """SGD with momentum, cosine, clipping at 1, written here; images are enlarged as `transforms.py` does, 8 to 12."""
    from vitedu.data.crops import resize

    digits = load_digits()
    pixels = np.round((digits.train_images.astype(np.float64) + 1) * 127.5).astype(np.uint8)
    order = np.random.default_rng([0, 0]).permutation(len(pixels))
    model = from_pretrained(weights_file, num_classes=10, image_size=12, drop_pre_logits=True).double()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    found = []
    for step in range(12):
        images, labels = [], []
        for position in range(24 * step, 24 * step + 24):
            rng = np.random.Generator(np.random.Philox(key=np.array([0, position], np.uint64)))
            down, across = rng.integers(0, 3, 2)
            large = resize(pixels[order[position], 0][:, :, None].copy(), (12, 12))[:, :, 0]
            images.append(np.pad(large.astype(np.float64), 1)[None, down : down + 12, across : across + 12])
            labels.append(digits.train_labels[order[position]])
        p = min(max((step - 3) / 9, 0), 1)
        optimizer.param_groups[0]["lr"] = 0.03 * (1 + np.cos(np.pi * p)) / 2 * min(1, step / 3)
        optimizer.zero_grad()
        logits = model(torch.from_numpy(np.stack(images)) / 127.5 - 1)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(np.array(labels)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        found.append(float(loss.detach()))
    # float64 in two orders of summing: 1e-10, as in test_trajectory.py
    np.testing.assert_allclose(losses(whole), found, rtol=1e-10)


def test_two_processes_begin_and_end_alike(recipe, whole, tmp_path):
    """Sharded by FSDP2, in micro-batches; float64 sums in another order: 1e-10, as in test_processes.py."""
    found = run(with_run(recipe, parallel="fsdp", micro_batch=5), tmp_path / "run", world=2)
    np.testing.assert_allclose(found, losses(whole), rtol=1e-10)


# ---- stop and go on --------------------------------------------------------------------------------------------------


def test_killed_and_gone_on_with_is_equal_to_the_bit(recipe, whole, tmp_path):
    out = tmp_path / "run"
    (process,) = start(with_run(recipe, checkpoint_every=5), out)
    wanted, end = out / "checkpoints" / "step_00000005", time.monotonic() + 60
    while not wanted.exists() and time.monotonic() < end and process.exitcode is None:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert wanted.exists()
    assert not (out / "model.safetensors").exists()  # it was killed before its end
    finish(start(with_run(recipe, checkpoint_every=5), out), out)
    np.testing.assert_array_equal(losses(out), losses(whole))
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(weights(out)[name], value, err_msg=name)


def test_going_on_with_other_weights_is_refused(recipe, whole, tmp_path):
    """The same weights in another place are the same run; one number changed is another."""
    other = trained_model()
    moved, changed = str(tmp_path / "moved.safetensors"), str(tmp_path / "changed.safetensors")
    save_safetensors(other, moved)
    with torch.no_grad():
        other.encoder.blocks[1].mlp.fc1.weight[3, 4] += 1e-3
    save_safetensors(other, changed)
    record = json.loads((whole / "recipe.json").read_text())
    model = make_model(recipe)
    assert record["begun_from"] == begin_from(model, recipe) == digest(model)
    assert len(record["begun_from"]) == 64
    finish(start(replace(recipe, start=moved), whole), whole)
    text = failed(start(replace(recipe, start=changed), whole), whole)
    assert "holds another run" in text
    assert "the digest of the weights it begins from was" in text
    text = failed(start(replace(recipe, start=None), whole), whole)
    assert "holds another run" in text
    assert re.search(r"undo: start was '.+', is None", text)  # what can be typed again, not a digest of it
    assert read_recipe(whole)[0].steps == 12


def test_a_runs_folder_is_a_start(whole, recipe):
    """It means the weights at the run's end; fine-tuned again, the head starts anew again."""
    assert weights_at(str(whole)) == str(whole / "model.safetensors")
    again = recipe_for(TUNING, str(whole))[0]
    assert again.model == recipe.model
    model = make_model(again)
    begin_from(model, again)
    for name, value in weights(whole).items():
        wanted = np.zeros_like(value) if name.startswith("head.") else value
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), wanted, err_msg=name)


# ---- the grid --------------------------------------------------------------------------------------------------------


def test_a_killed_grid_goes_on_where_it_stopped(weights_file, tmp_path):
    """Killed in its second run: the first is not trained again, and the choice is that of a grid never stopped."""
    script = (
        "import sys; sys.path.insert(0, 'tests/engine'); import test_finetune as t;"
        f"t.finetune(t.TUNING, {weights_file!r}, sys.argv[1], grid=True)"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "out")], cwd=root, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    second, end = tmp_path / "out" / "grid" / "0.1" / "checkpoints" / "step_00000004", time.monotonic() + 120
    while not second.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert second.exists()
    first = tmp_path / "out" / "grid" / "0.01" / "metrics.jsonl"
    before = first.read_text()
    assert not (tmp_path / "out" / "recipe.json").exists()  # the last run had not begun

    results = finetune(TUNING, weights_file, tmp_path / "out", grid=True)
    assert first.read_text() == before
    found = json.loads((tmp_path / "out" / "grid.json").read_text())
    assert found["held_out_images"] == 287  # a fifth of 1437
    assert [line["learning_rate"] for line in found["runs"]] == [0.01, 0.1, 0.03]
    best = max(found["runs"], key=lambda line: (line["accuracy"], -line["loss"]))
    assert found["chosen"] == best["learning_rate"]
    for line in found["runs"]:
        recipe, num_images = read_recipe(tmp_path / "out" / line["folder"])
        assert (recipe.learning_rate, recipe.data.hold_out, num_images) == (line["learning_rate"], 287, 1150)
        last = read_metrics(tmp_path / "out" / line["folder"] / "metrics.jsonl")[-1]
        assert (line["accuracy"], line["loss"]) == (last["eval_accuracy"], last["eval_loss"])
    with open(tmp_path / "out" / "grid.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows if row["chosen"] == "1"] == [found["chosen"]]

    recipe, num_images = read_recipe(tmp_path / "out")  # the last run: the chosen rate, all images
    assert (recipe.learning_rate, recipe.data.hold_out, num_images) == (found["chosen"], 0, 1437)
    assert 0 <= results["eval_accuracy"] <= 1
    assert isinstance(from_pretrained(weights_at(str(tmp_path / "out"))), ViT)


def test_a_rate_that_diverges_has_lost(weights_file, tmp_path):
    data = replace(DIGITS, train_images=60)
    tuning = replace(TUNING, data=data, rates=(1e200, 0.03), steps=4, warmup_steps=0, clip_norm=None)
    finetune(tuning, weights_file, tmp_path / "out", grid=True)
    found = json.loads((tmp_path / "out" / "grid.json").read_text())
    assert "the loss is" in found["runs"][0]["diverged"] or "the gradient" in found["runs"][0]["diverged"]
    assert found["chosen"] == 0.03
    searched, num_images = read_recipe(tmp_path / "out" / "grid" / "0.03")
    assert (searched.data.hold_out, num_images) == (12, 48)  # the search sees the 60 images and no others
    assert read_recipe(tmp_path / "out")[1] == 60
    with pytest.raises(FloatingPointError, match=r"not finite at any of the rates"):
        finetune(replace(tuning, rates=(1e200, 1e190)), weights_file, tmp_path / "none", grid=True)


# ---- what does not fit -----------------------------------------------------------------------------------------------


def test_too_few_images_for_a_batch(weights_file, tmp_path):
    few = replace(TUNING, data=replace(DIGITS, train_images=20))
    with pytest.raises(ValueError, match=r"batch_size=24 is not allowed; batch_size must be at most 20, the images"):
        finetune(few, weights_file, tmp_path / "few")
    enough = replace(TUNING, data=replace(DIGITS, train_images=26))
    with pytest.raises(ValueError, match=r"batch_size=24 is not allowed: of 26 images 5 are held out"):
        finetune(enough, weights_file, tmp_path / "few", grid=True)
    with pytest.raises(ValueError, match=r"rates=\(0.1,\) is not allowed with grid"):
        finetune(replace(TUNING, rates=(0.1,)), weights_file, tmp_path / "few", grid=True)
    assert not (tmp_path / "few").exists()


def test_splits_with_other_class_names(weights_file, tmp_path):
    for place in ("train/cat", "train/dog", "test/cat", "test/dogs"):
        folder = tmp_path / "data" / place
        folder.mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((12, 12), 40 * i, np.uint8)).save(folder / f"{i}.png")
    tuning = replace(TUNING, batch_size=4, steps=2, warmup_steps=0)
    with pytest.raises(ValueError, match=r"has the class 'dogs', which is not among the 2 classes"):
        finetune(tuning, weights_file, tmp_path / "out", str(tmp_path / "data"))


def test_weights_of_another_kind(recipe, whole, weights_file, tmp_path):
    model = make_model(replace(recipe, start=None))
    save_safetensors(BiT(BiTConfig((1,), 10, channels=1, base_width=4, groups=2, stem="small"), 0), tmp_path / "b")
    with pytest.raises(ValueError, match=r"holds a BiT; the recipe's model is a ViT"):
        begin_from(model, replace(recipe, start=str(tmp_path / "b")))
    wider = replace(recipe, model=replace(recipe.model, depth=3, gelu="tanh"))
    with pytest.raises(ValueError, match=r"model.depth is 2 there, 3 here; model.gelu is 'erf' there, 'tanh' here"):
        begin_from(make_model(replace(wider, start=None)), wider)
    with pytest.raises(ValueError, match=r"is a checkpoint of training"):
        weights_at(str(whole / "checkpoints" / "step_00000012"))
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is a run that has not come to its end"):
        weights_at(str(unfinished))
    with pytest.raises(ValueError, match=r"image_size=9 is not allowed; image_size must be a multiple of patch_size=2"):
        recipe_for(replace(TUNING, image_size=9), weights_file)
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        recipe_for(TUNING, "nowhere")


# ---- on the command line ---------------------------------------------------------------------------------------------


def test_the_command(weights_file, tmp_path, capsys):
    """All fields can be changed; a mistake is answered with what is right."""

    def vitedu(*arguments):
        return cli.main([str(argument) for argument in arguments]), *capsys.readouterr()

    out = tmp_path / "run"
    code, said, _ = vitedu(
        "finetune", weights_file, "--recipe", "digits", "--out", out, "--steps", 3, "--warmup-steps", 1, "--batch-size",
        16, "--run.device", "cpu", "--run.precision", "float32", "--rates", 0.1, 0.2, "--grid",
    )  # fmt: skip
    assert code == 0
    assert "eval_accuracy" in said
    assert json.loads((out / "grid.json").read_text())["chosen"] in (0.1, 0.2)
    assert read_recipe(out)[0].batch_size == 16

    code, said, _ = vitedu("probe", out, "--data", "digits", "--shots", 1, 5, "--out", tmp_path / "probe.json")
    assert code == 0
    assert said.splitlines()[1].startswith("5-shot")
    accuracy = json.loads((tmp_path / "probe.json").read_text())["accuracy"]
    assert {name: len(values) for name, values in accuracy.items()} == {
        "1-shot": 3,
        "5-shot": 3,
        "20-NN": 1,
        "linear": 1,
    }
    assert min(accuracy["20-NN"] + accuracy["linear"]) > np.mean(accuracy["1-shot"])  # from all 1437 images, not ten

    for arguments, code, message in (
        ((weights_file, "--recipe", "digit", "--out", "x"), 2, "did you mean 'digits'?"),
        ((weights_file, "--data", "my/data", "--out", "x"), 2, "no recipe is made for it"),
        ((weights_file, "--recipe", "digits", "--out", "x", "--step", 3), 2, "--steps"),
        ((weights_file, "--recipe", "digits", "--out", "x", "--steps", 3), 2, "warmup_steps=15 is not allowed"),
    ):
        found, said, error = vitedu("finetune", *arguments)
        assert (found, message in " ".join((said + error).split())) == (code, True), said + error
    code, _, error = vitedu("finetune")
    assert code == 2
    assert "usage: vitedu finetune FROM --out FOLDER" in error
    assert "hyper-rule" in vitedu("recipes")[1]


def test_features_of_the_probe_are_those_the_head_reads(weights_file):
    """The same numbers as least squares on features computed here."""
    from vitedu import few_shot_accuracy
    from vitedu.engine.probe import probe

    model = from_pretrained(weights_file)
    digits, features = load_digits(), []
    model.head.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0].double()))
    with torch.no_grad():
        model.eval().double()
        # The engine reads bytes.
        for images in (digits.train_images, digits.test_images):
            model(torch.from_numpy(np.round((images.astype(np.float64) + 1) * 127.5) / 127.5 - 1))
    expected = few_shot_accuracy(features[0], digits.train_labels, features[1], digits.test_labels, shots=(5,))
    found = probe(weights_file, "digits", shots=(5,), run=Execution(device="cpu", precision="float64", threads=1))
    np.testing.assert_allclose(found["5-shot"], np.array(expected[5]), atol=1 / 360)  # features are float32 there


def test_small_is_not_begun_from_anything(reference):
    """A run with new weights says nothing of a digest, as before."""
    assert "begun_from" not in json.loads((reference / "recipe.json").read_text())
    assert SMALL.start is None
