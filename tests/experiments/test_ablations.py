"""The eight ablations: one thing changes at a time, and each tool does what its name says."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from vitedu.data.procedural import Stream
from vitedu.experiments import ablations, get_experiment, recorded
from vitedu.experiments.ablations import ABLATIONS, FAST, OPTIMIZERS, SHAPES, CoupledAdam, quarter, total_rate
from vitedu.experiments.experiment import plain
from vitedu.experiments.fitting import accuracy, fit_stream, training
from vitedu.experiments.models import small_models
from vitedu.experiments.results import Row
from vitedu.models import build
from vitedu.show.experiments import draw_panel
from vitedu.training.losses import one_hot
from vitedu_numpy.config import TrainConfig

# ---- the declarations ------------------------------------------------------------------------------------------------

CHANGED = {  # what differs between conditions, besides the model
    "positions": set(), "head": {"rate"}, "regularisation": {"weight decay", "label smoothing"},
    "decay": {"weight decay", "optimizer"}, "warm_up": {"rate", "warm-up"}, "optimizer": {"rate", "optimizer"},
    "shape": set(), "scale": {"rate"},
}  # fmt: skip
CHANGED_IN_MODEL = {
    "positions": {"position_embedding", "position_at"}, "head": {"classifier"}, "regularisation": {"dropout"},
    "decay": set(), "warm_up": set(), "shape": {"depth", "width", "mlp_dim", "patch_size"},
}  # fmt: skip


def differing(dicts) -> set[str]:
    """Keys that do not have one value in all."""
    keys = set().union(*dicts)
    return {key for key in keys if len({repr(d.get(key, "-")) for d in dicts}) > 1}


@pytest.mark.parametrize("experiment", ABLATIONS, ids=lambda e: e.name)
def test_one_thing_changes(experiment):
    settings = [dict(c.settings) for c in experiment.conditions]
    models = [plain(s.pop("model")) for s in settings]
    assert differing(settings) == CHANGED[experiment.name]
    if experiment.name in CHANGED_IN_MODEL:  # the others compare kinds of models
        assert differing(models) == CHANGED_IN_MODEL[experiment.name]
    assert len(experiment.full.seeds) == 3


def test_the_base_of_every_line_is_the_same_model():
    """Fig. 8 in small: five lines through one point."""
    names = {line: [c for c in get_experiment("shape").conditions if c.name.startswith(f"{line},")] for line in SHAPES}
    common = set.intersection(*({c.settings["model"] for c in conditions} for conditions in names.values()))
    assert common == {ablations.BASE}


def test_the_base_of_every_line_came_out_the_same():
    """The same cell five times: every number of it is equal, seed by seed."""
    results = recorded("shape")
    base = [c.name for c in get_experiment("shape").conditions if c.settings["model"] == ablations.BASE]
    assert len(base) == len(SHAPES)
    for metric in get_experiment("shape").metrics:
        first, *others = (results.values(metric, name) for name in base)
        assert others == [first] * len(others)


# ---- decay, warm-up, quarters ----------------------------------------------------------------------------------------


def test_coupled_adam_is_pytorchs_adam_with_weight_decay(rng):
    """... on kernels; norms, biases, class token and positions are not decayed."""
    config = small_models(5)["ViT"]
    ours, theirs = build(config, 0), build(config, 0)
    optimizer = CoupledAdam(ours, 0.01, weight_decay=0.3)
    kernels = [p for n, p in theirs.named_parameters() if n.endswith("weight") and p.ndim >= 2]
    rest = [p for p in theirs.parameters() if all(p is not k for k in kernels)]
    reference = torch.optim.Adam([{"params": kernels, "weight_decay": 0.3}, {"params": rest}], lr=0.01)
    before = [p.detach().clone() for p in ours.parameters()]
    for step in range(5):
        optimizer.lr = reference.param_groups[0]["lr"] = reference.param_groups[1]["lr"] = 0.01 / (1 + step)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            p.grad = torch.from_numpy(rng.standard_normal(p.shape)).float()
            q.grad = p.grad.clone()
        optimizer.step()
        reference.step()
    for p, q, was in zip(ours.parameters(), theirs.parameters(), before, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)  # fused and plain kernels round otherwise
        assert not torch.equal(p, was)


def test_coupled_and_decoupled_are_two_algorithms():
    """One step from a gradient of 0: decoupled, a little shorter; coupled, a whole step of Adam, however small."""
    for kind, expected in ((OPTIMIZERS["adam"], 1 - 0.01 * 1e-3), (CoupledAdam, 1 - 0.01)):
        layer = torch.nn.Linear(1, 1)
        torch.nn.init.ones_(layer.weight)
        optimizer = kind(layer, 0.01, weight_decay=1e-3)
        for p in layer.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        assert float(layer.weight.detach()) == pytest.approx(expected, rel=1e-5)  # eps beside a gradient of 1e-3


def test_sgd_has_no_decay_here():
    with pytest.raises(ValueError, match=r"weight_decay=0.1 is not allowed; weight_decay must be 0 with 'sgd'"):
        OPTIMIZERS["sgd"](torch.nn.Linear(1, 1), 0.1, weight_decay=0.1)


def planned(condition, budget, monkeypatch) -> TrainConfig:
    """The plan that `fit` trains a condition with; nothing is trained."""
    told = []
    monkeypatch.setattr(ablations, "fit_stream", lambda config, stream, n, plan, *rest, **options: told.append(plan))
    ablations.fit(condition.settings, 10, [0], budget, "cpu")
    return told[0]


def test_with_and_without_warm_up_the_rates_sum_to_the_same(monkeypatch):
    experiment = get_experiment("warm_up")
    budget = replace(experiment.full, images=10)
    plans = {c.name: planned(c, budget, monkeypatch) for c in experiment.conditions}
    for rate in (2e-3, 4e-3, 8e-3, 1.6e-2):
        without, with_it = plans[f"no warm-up, {rate:g}"], plans[f"10 % warm-up, {rate:g}"]
        assert (without.warmup_steps, with_it.warmup_steps) == (0, 64)
        assert without.learning_rate == rate
        assert total_rate(with_it) == pytest.approx(total_rate(without), rel=1e-12)
        # A cosine that begins after the warm-up loses half a step in all, however long the warm-up is.
        assert with_it.learning_rate == pytest.approx(rate * 641 / 640, rel=1e-12)


def test_a_plan_says_what_a_condition_says(monkeypatch):
    conditions = {c.name: c for c in get_experiment("regularisation").conditions}
    budget = replace(FAST, images=10, steps=40)
    plain_plan = planned(conditions["none"], budget, monkeypatch)
    assert plain_plan == training(budget, 4e-3)
    both = planned(conditions["decay 3, dropout 0.1, smoothing 0.1"], budget, monkeypatch)
    assert both == replace(plain_plan, weight_decay=3.0, label_smoothing=0.1)


def test_quarters():
    """Row by row: 0 1 above, 2 3 below; the middle of 16 pixels is at 8."""
    places = {"row": np.array([3.0, 3.0, 12.0, 12.0]), "column": np.array([3.0, 12.0, 3.0, 12.0])}
    assert quarter(places).tolist() == [0, 1, 2, 3]
    _, factors = Stream("test", **ablations.ANYWHERE).draw(np.arange(2000))
    counts = np.bincount(quarter(factors), minlength=4)
    assert counts.min() > 400  # of 500 in the mean, standard deviation 19: chance is a quarter


# ---- options of fit_stream -------------------------------------------------------------------------------------------

STREAM = Stream(classes=(0, 1, 2), clutter=0, texture=False)
CONFIG = replace(small_models(3)["ViT"], width=16, depth=1, heads=2, mlp_dim=16)
PLAN = TrainConfig(12, 16, 3e-3, warmup_steps=2)


def looked_at(count=50):
    images, factors = replace(STREAM, part="tune").draw(np.arange(count))
    return images, factors["label"]


def test_dropout_is_off_in_the_looks_and_leaves_the_callers_numbers_alone():
    config, held_out = replace(CONFIG, dropout=0.5), looked_at()
    found = []
    for seed in (1, 2):  # of the caller, which must not matter
        torch.manual_seed(seed)
        before = torch.random.get_rng_state()
        (one,) = fit_stream(config, STREAM, 40, PLAN, held_out, seeds=[7], checks=3)
        assert torch.equal(torch.random.get_rng_state(), before)
        assert accuracy(one.model, *held_out) == pytest.approx(one.held_out)
        found.append(one)
    assert found[0].loss == found[1].loss
    assert asdict(PLAN)["seed"] == 0  # the seeds count, not the plan's
    states = [f.model.state_dict() for f in found]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    (other,) = fit_stream(CONFIG, STREAM, 40, PLAN, held_out, seeds=[7], checks=3)
    assert other.loss != found[0].loss  # so dropout did something


def test_smoothed_targets_have_a_loss_of_their_own():
    """No prediction is right to a smoothed target: the loss stays above its entropy."""
    s, K = 0.3, 3
    plan = replace(PLAN, steps=150, learning_rate=1e-2)
    (plainly,) = fit_stream(CONFIG, STREAM, 16, plan, looked_at(), seeds=[0])
    (smoothed,) = fit_stream(CONFIG, STREAM, 16, replace(plan, label_smoothing=s), looked_at(), seeds=[0])
    p = one_hot([0], K, s)[0].numpy()
    entropy = -float((p * np.log(p)).sum())
    assert plainly.loss < 0.1 < entropy  # 16 images are soon known by heart
    assert entropy < smoothed.loss < entropy + 0.1


@pytest.mark.parametrize("name", ["sgd", "coupled"])
def test_another_optimiser_trains_one_model_after_another(name):
    """Several seeds are each what it is alone, to the bit."""
    kind = OPTIMIZERS[name]
    together = fit_stream(CONFIG, STREAM, 40, PLAN, looked_at(), seeds=[3, 4], checks=2, optimizer=kind)
    adam = fit_stream(CONFIG, STREAM, 40, PLAN, looked_at(), seeds=[3], checks=2)[0]
    for found, seed in zip(together, [3, 4], strict=True):
        (alone,) = fit_stream(CONFIG, STREAM, 40, PLAN, looked_at(), seeds=[seed], checks=2, optimizer=kind)
        assert found.loss == alone.loss
        states = found.model.state_dict(), alone.model.state_dict()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert (together[0].loss == adam.loss) == (name == "coupled")  # without decay the two are one


def test_a_function_of_all_factors_as_target():
    held_out = looked_at()
    _, factors = replace(STREAM, part="tune").draw(np.arange(50))
    config = replace(CONFIG, num_classes=2)
    even = lambda factors: factors["label"] % 2  # noqa: E731
    target = held_out[0], even(factors)
    (found,) = fit_stream(config, STREAM, 40, PLAN, target, seeds=[0], target=even)
    assert found.loss < math.log(2) + 0.05
    assert 0.4 < found.held_out <= 1


# ---- pictures --------------------------------------------------------------------------------------------------------


def rows(values):
    """values: {condition: {metric: (a number for each seed)}}"""
    return [
        Row("x", condition, 10, seed, metric, value, 1, 1.0)
        for condition, metrics in values.items()
        for metric, numbers in metrics.items()
        for seed, value in enumerate(numbers)
    ]


def lines_of(ax):
    """{label: (xs, means)} of the lines with error bars"""
    return {bars.get_label(): tuple(map(list, bars[0].get_data())) for bars in ax.containers}


def test_a_number_in_the_name_is_the_place_along_x():
    table = rows({
        "a, 0.1": {"acc": (0.5, 0.7)}, "a, 0.01": {"acc": (0.2, 0.4)}, "b, c, 1e-3": {"acc": (0.9, 0.9)},
    })  # fmt: skip
    _, ax = plt.subplots()
    draw_panel(ax, table, ("acc",), "number", xlabel="learning rate")
    found = lines_of(ax)
    assert list(found) == ["a", "b, c"]
    xs, means = found["a"]
    assert xs == pytest.approx([0.01, 0.1], rel=0.02)  # moved aside a little, so that bars do not hide each other
    assert means == pytest.approx([0.3, 0.6])
    assert (ax.get_xlabel(), ax.get_xscale()) == ("learning rate", "log")
    plt.close(ax.figure)


def test_a_metric_is_the_place_along_x():
    table = rows({
        "deep, 1": {"acc": (0.5, 0.7), "cost": (3.0, 3.0)}, "deep, 2": {"acc": (0.8, 0.8), "cost": (9.0, 9.0)},
        "wide, 1": {"acc": (0.1, 0.3), "cost": (5.0, 5.0)},
    })  # fmt: skip
    _, ax = plt.subplots()
    draw_panel(ax, table, ("acc",), "cost")
    found = lines_of(ax)
    assert list(found) == ["deep", "wide"]
    assert found["deep"][0] == pytest.approx([3, 9], rel=0.02)
    assert found["deep"][1] == pytest.approx([0.6, 0.8])
    assert ax.get_xlabel() == "cost"
    plt.close(ax.figure)
    with pytest.raises(ValueError, match=r"x='size' with 6 rows of \('acc',\)"):
        draw_panel(None, table, ("acc",), "size")
