"""The experiments themselves: equal cost, each runs, each permutation loses nothing, recorded results are whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vitedu.accounting.compute import count
from vitedu.accounting.formulas import macs_by_part
from vitedu.data.procedural import Stream
from vitedu.experiments import (
    fitting,
    get_experiment,
    list_experiments,
    recorded,
    recorded_names,
    recorded_table,
    recorded_tables,
)
from vitedu.experiments.cifar_size import pictures, small
from vitedu.experiments.data_size import RATES, SEEN, UNSEEN, transfer
from vitedu.experiments.experiment import plain
from vitedu.experiments.fitting import as_batch, as_bytes, features, fit_stream, scores
from vitedu.experiments.locality import VIEWS, drop_patches, permute, shuffle_patches
from vitedu.experiments.models import small_models
from vitedu.models import build
from vitedu_numpy.config import TrainConfig


@pytest.mark.parametrize("num_classes", [10, len(SEEN)])
def test_equal_parameters_and_equal_compute(num_classes):
    """ViT and BiT to 3 %, by formulas and by PyTorch's own counter; the hybrid of `locality` to 6 %."""
    models = small_models(num_classes)
    cost = {}
    for name, config in models.items():
        counted = count(config)
        macs = sum(macs_by_part(config, shortcut=True).values())  # what is computed: the head reads one token
        cost[name] = counted.parameters, counted.macs, macs
        assert sum(p.numel() for p in build(config, 0).parameters()) == counted.parameters
    for name, tolerance in (("BiT", 0.03), ("hybrid", 0.06)):
        for vit, other in zip(cost["ViT"][:2], cost[name][:2], strict=True):
            assert abs(other / vit - 1) < tolerance


def test_data_size_compares_equals():
    """The same steps, images, stream and early stopping; what differs is the model, and the rate it was tuned to."""
    experiment = get_experiment("data_size")
    vit, bit, untuned = (c.settings for c in experiment.conditions)
    assert set(vit) == set(bit) == {"model", "rate"}
    assert bit["model"] == untuned["model"]
    sizes = experiment.full.sizes
    assert sizes[-1] / sizes[0] == 1000
    assert len(sizes) == 5
    assert experiment.full.steps * experiment.full.batch_size >= sizes[-1]  # the last size is seen once, not in part
    rates = get_experiment("data_size_rates")
    assert not set(rates.full.seeds) & set(experiment.full.seeds)
    assert len(rates.full.sizes) > 1
    assert not set(SEEN) & set(UNSEEN)


@pytest.fixture(scope="module")
def small_cifar(tmp_path_factory):
    """CIFAR-10's layout: ten folders of pictures of 32 x 32 pixels, whose brightness tells their class and number."""
    folder = tmp_path_factory.mktemp("cifar")
    for split, number in (("train", 5), ("test", 3)):
        for label in range(10):
            (folder / split / f"class{label}").mkdir(parents=True)
            for i in range(number):
                picture = Image.new("RGB", (32, 32), (20 * label, 40 * i, 100))
                picture.save(folder / split / f"class{label}" / f"{i}.png")
    return str(folder)


@pytest.mark.parametrize("name", list_experiments())
def test_every_experiment_runs(name, small_cifar, monkeypatch):
    """Two updates: first and last condition give every metric, finite."""
    experiment = get_experiment(name)
    monkeypatch.setenv("VITEDU_CIFAR10", small_cifar)
    budget = replace(experiment.fast, steps=2, batch_size=4, images=60)
    for condition in experiment.conditions[:: max(len(experiment.conditions) - 1, 1)]:
        budget = replace(budget, images=5) if name.startswith("cifar") else budget  # as many as are held out
        (found,) = experiment.measure(condition.settings, 30, [0], budget, "cpu")
        assert set(found.values) == set(experiment.metrics)
        assert all(np.isfinite(value) for value in found.values.values())
        assert found.steps in (1, 2)


def test_pictures_are_parts_of_a_data_set(small_cifar, monkeypatch):
    """No picture is in two parts, every one is in a part; the order is the seed's; means of 2 x 2 pixels."""
    monkeypatch.delenv("VITEDU_CIFAR10", raising=False)
    with pytest.raises(ValueError, match="VITEDU_CIFAR10 is not set; it must name a folder of CIFAR-10"):
        pictures("train")
    monkeypatch.setenv("VITEDU_CIFAR10", small_cifar)
    train, tune, test = map(pictures, ("train", "tune", "test"))
    assert (len(train.labels), len(tune.labels), len(test.labels)) == (45, 5, 30)
    seen = {tuple(p[:, 0, 0]) for part in (train, tune) for p in part.pixels}
    assert seen == {(20 * label, 40 * i, 100) for label in range(10) for i in range(5)}
    images, factors = train.draw(np.arange(45))
    np.testing.assert_array_equal(np.rint((images[:, 0, 0, 0] + 1) * 127.5), 20 * factors["label"])
    np.testing.assert_array_equal(train.draw(np.arange(7))[0], images[:7])  # the first n, whatever n is
    assert (replace(train, seed=1).draw(np.arange(45))[1]["label"] != factors["label"]).any()
    with pytest.raises(ValueError, match="image 45 is not there; this part of the data has 45 images"):
        train.draw(np.arange(46))
    checks = (np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8)[None, :, :, None]
    assert (small(checks) == 128).all()  # 127.5, rounded to even
    with pytest.raises(ValueError, match="images are 30 x 30; expected sides that are multiples of 16 pixels"):
        small(np.zeros((1, 30, 30, 3), np.uint8))


@pytest.mark.parametrize("kind", ["ViT", "BiT"])
def test_side_by_side_is_alone(kind):
    """As on a GPU, two seeds in one program: each becomes what it becomes alone, to float32's rounding."""
    stream, config = Stream(classes=SEEN), small_models(len(SEEN))[kind]
    images, factors = replace(stream, part="tune").draw(np.arange(40))
    options = dict(checks=2)
    args = config, stream, 30, TrainConfig(4, 8, 1e-3, warmup_steps=1), (images, factors["label"])
    both = fit_stream(*args, seeds=[3, 4], **options)
    for together, seed in zip(both, [3, 4], strict=True):
        (alone,) = fit_stream(*args, seeds=[seed], **options)
        assert together.loss == pytest.approx(alone.loss, rel=1e-4)
        assert together.held_out == pytest.approx(alone.held_out, abs=0.051)  # two of 40 images may be a draw
        if together.step == alone.step:
            for name, value in alone.model.state_dict().items():
                # Adam's first updates are +- the rate whatever the gradient's size: where it is 0, rounding decides.
                assert (together.model.state_dict()[name] - value).abs().median() < 1e-5, name
    assert both[0].loss != both[1].loss


def test_early_stopping_keeps_the_best(rng):
    """A rate that is far too high from the middle on: the weights returned are those of the best look."""
    stream, config = Stream(classes=(0, 1, 2), clutter=0, texture=False), small_models(3)["ViT"]
    images, factors = replace(stream, part="tune").draw(np.arange(100))
    held_out = images, factors["label"]
    training = TrainConfig(30, 16, 0.3, warmup_steps=30)  # it climbs to the end
    (found,) = fit_stream(config, stream, 100, training, held_out, checks=6)
    assert found.step < 30
    right = (found.model(as_batch(as_bytes(images))).argmax(1).numpy() == factors["label"]).mean()
    assert right == pytest.approx(found.held_out)


def test_a_fixed_permutation_is_nothing_to_a_vit(monkeypatch):
    """Rows of E_pos in the order of the patches: every number of training, early stopping and test is what it was."""
    stream, config = Stream(classes=(0, 1, 2), clutter=0, texture=False), small_models(3)["ViT"]
    images, factors = replace(stream, part="tune").draw(np.arange(200))
    held_out, training = (images, factors["label"]), TrainConfig(80, 32, 3e-3, warmup_steps=8)
    (drawn,) = fit_stream(config, stream, 100, training, held_out, checks=4)
    assert drawn.held_out > 0.4  # of three classes: something was learned

    def build_permuted(config, seed):
        model = build(config, seed)
        with torch.no_grad():
            E_pos = model.position_embedding.E_pos.view(17, -1)
            E_pos[1:] = E_pos[1:][np.random.default_rng(0).permutation(16)]  # the order of `permute`
        return model

    monkeypatch.setattr(fitting, "build", build_permuted)
    view = VIEWS["patches permuted"]
    (permuted,) = fit_stream(config, stream, 100, training, held_out, view=view, checks=4)
    assert permuted.loss == pytest.approx(drawn.loss, rel=0.01)  # sums in another order, carried on by Adam
    assert permuted.step == drawn.step
    assert permuted.held_out == pytest.approx(drawn.held_out, abs=0.011)  # two of 200 images may be a draw
    answers = [scores(drawn.model, images).argmax(1), scores(permuted.model, permute(images, 4)).argmax(1)]
    assert (answers[0] == answers[1]).float().mean() > 0.98


def test_features_are_what_the_head_reads():
    images, _ = Stream().draw(np.arange(7))
    for name, config in small_models(10).items():
        model, record = build(config, 1).eval(), {}
        torch.nn.init.normal_(getattr(model, "vit", model).head.weight)
        with torch.no_grad():
            model(torch.from_numpy(images), record)
        # The class token alone is computed in another order of sums: float32 rounding.
        torch.testing.assert_close(features(model, images), record["pre_logits"], rtol=1e-4, atol=1e-5, msg=name)


def test_a_dead_model_is_at_chance():
    """Huge weight decay leaves a ViT whose features are the same for all images: one answer, one class in twelve."""
    model = build(small_models(len(SEEN))["ViT"], 0).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    assert transfer(model, UNSEEN, "test", 50) == pytest.approx(1 / 12)


def test_permutations_lose_nothing(rng):
    """The same pixels elsewhere: fixed for all images, or for each its own; squares stay whole."""
    x = rng.standard_normal((5, 3, 16, 16)).astype(np.float32)
    for side in (1, 4):
        y = permute(x, side)
        np.testing.assert_array_equal(np.sort(y.reshape(5, 3, -1)), np.sort(x.reshape(5, 3, -1)))
        np.testing.assert_array_equal(permute(x[2:3], side)[0], y[2])  # whatever stands beside it
    y = permute(x, 4)
    squares = {y[0, :, r : r + 4, c : c + 4].tobytes() for r in range(0, 16, 4) for c in range(0, 16, 4)}
    assert squares == {x[0, :, r : r + 4, c : c + 4].tobytes() for r in range(0, 16, 4) for c in range(0, 16, 4)}
    twin = np.repeat(x[:1], 5, axis=0)
    assert len(np.unique(permute(twin, 4).reshape(5, -1), axis=0)) == 1
    assert len(np.unique(shuffle_patches(twin, 4).reshape(5, -1), axis=0)) == 5
    np.testing.assert_array_equal(np.sort(shuffle_patches(x, 8).reshape(5, -1)), np.sort(x.reshape(5, -1)))


def test_dropped_patches(rng):
    x = rng.standard_normal((6, 3, 16, 16)).astype(np.float32)
    for part in (0.25, 0.5, 0.75):
        y = drop_patches(x, 4, part)
        gone = (y != x).any(axis=1)
        assert gone.reshape(6, -1).mean(axis=1) == pytest.approx(part)
        mean = x.mean(axis=(0, 2, 3))
        np.testing.assert_allclose(y.transpose(0, 2, 3, 1)[gone], np.tile(mean, (gone.sum(), 1)), rtol=1e-6)


@pytest.mark.parametrize("name", recorded_names())
def test_recorded_results(name):
    """They belong to the experiment as it is declared now, and say how much of it was carried out."""
    results, experiment = recorded(name), get_experiment(name)
    assert results.about["experiment"] == name
    assert results.about["version"] == experiment.version, "measured by another `measure` than today's"
    assert results.about["command"].startswith("vitedu experiment ")
    assert not results.about["fast"]
    assert results.about["finished"] == len({(r.condition, r.n, r.seed) for r in results.rows})
    assert {r.metric for r in results.rows} == set(experiment.metrics)
    assert {r.condition for r in results.rows} <= {c.name for c in experiment.conditions}
    assert results.about["prediction"] == experiment.prediction
    seeds = tuple(results.about["budget"]["seeds"])
    budget = experiment.budget(seeds=seeds)
    wanted = {"steps": budget.steps, "batch_size": budget.batch_size, "images": budget.images, "sizes": [*budget.sizes]}
    assert wanted == {key: results.about["budget"][key] for key in wanted}
    assert results.about["conditions"].items() <= {c.name: plain(c.settings) for c in experiment.conditions}.items()


def test_rates_are_the_best_of_the_grid():
    results = recorded("data_size_rates")
    assert results.about["finished"] == results.about["cells"] == 16
    for model, rate in RATES.items():
        score = {}
        for condition in get_experiment("data_size_rates").conditions:
            name, _, tried = condition.name.partition(", ")
            if name == model:
                sizes = get_experiment("data_size_rates").full.sizes
                score[float(tried)] = sum(results.mean("held-out", condition.name, n)[0] for n in sizes)
        assert max(score, key=score.get) == rate


def test_not_recorded():
    with pytest.raises(ValueError, match="name='x' has no recorded results"):
        recorded("x")


def test_recorded_tables():
    """Numbers are numbers, what was not measured is None, words stay words, a comma inside quotes too."""
    first = recorded_table("vit_cifar10")[0]
    assert (first["step"], first["images"], first["loss"], first["eval_accuracy"]) == (50, 6400, 2.283, None)
    assert all(row["images"] == 128 * row["step"] for row in recorded_table("bit_cifar10_long"))
    assert {row["attention"] for row in recorded_table("moving_digits")} == {"joint", "factorised"}
    assert "student, no noise" in {row["condition"] for row in recorded_table("noisy_student")}
    for name in recorded_tables():
        rows = recorded_table(name)
        assert rows
        assert all(row.keys() == rows[0].keys() for row in rows)


def test_no_such_table():
    with pytest.raises(ValueError, match=r"name='vit_cifar' is no recorded table; did you mean 'vit_cifar10'\?"):
        recorded_table("vit_cifar")
    with pytest.raises(ValueError, match=r"name='\.\./cifar_size' is no recorded table; there are bit_cifar10, "):
        recorded_table("../cifar_size")
    with pytest.raises(ValueError, match="name=3 is no recorded table; there are"):
        recorded_table(3)
