"""What people bring from a notebook: flipped views, NumPy's numbers, other units, a record that was used before.

Each stands for a kind: the right call in another form, which must give the right result, or a slip that would go in
without a word, which must be named.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy.config import ViTConfig
from vitedu_numpy.layers.layernorm import layernorm, layernorm_backward
from vitedu_numpy.layers.linear import linear, linear_backward

CONFIG = ViTConfig(image_size=(4, 6), patch_size=2, width=6, depth=2, heads=2, mlp_dim=5, num_classes=3)
TRAINING = vitedu_numpy.TrainConfig(steps=1, batch_size=2, learning_rate=0.1)
IMAGES = np.linspace(-1, 1, 2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)
LABELS = np.array([0, 2])


# ---- arrays in another form ------------------------------------------------------------------------------------------

FORMS = {
    "flipped": lambda x: x[..., ::-1],
    "big-endian": lambda x: x.astype(">f4"),
    "long double": lambda x: x.astype(np.longdouble),
    "read-only": lambda x: np.broadcast_to(x[:1], x.shape),
    "a list of images": list,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_images_in_another_form(form, package):
    """A flip is a view with a stride below 0, which PyTorch does not read: it was said to "hold no numbers"."""
    given = form(IMAGES)
    plain = np.ascontiguousarray(np.stack(list(given))).astype(np.float32)
    model, again = package.ViT(CONFIG, 0), package.ViT(CONFIG, 0)
    assert package.fit(model, given, LABELS[::-1], TRAINING) == package.fit(again, plain, LABELS[::-1].copy(), TRAINING)
    assert package.evaluate(model, given, LABELS) == package.evaluate(model, plain, LABELS)


def test_a_table_of_pandas(package):
    """The features' columns have names and the labels an index of their own: neither is a number of an image."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), np.arange(8) % 2
    plain = package.few_shot_accuracy(x, y, x, y, shots=(1,))
    frame, series = pandas.DataFrame(x, columns=list("abc"), index=range(8, 16)), pandas.Series(y, index=range(8, 16))
    assert package.few_shot_accuracy(frame, series, frame, series, shots=(1,)) == plain


def test_a_state_in_another_order_of_bytes(package):
    state = {name: np.asarray(value).astype(">f4") for name, value in package.ViT(CONFIG, 0).state_dict().items()}
    model = package.ViT(CONFIG, 1)
    model.load_state_dict(state)
    assert all(np.array_equal(np.asarray(value), state[name]) for name, value in model.state_dict().items())


def test_what_holds_no_numbers(package, refused):
    """NumPy makes an array of one object of each; its dtype would say nothing of what was given."""
    model = package.ViT(CONFIG, 0)
    for given in ((image for image in IMAGES), {"images": IMAGES}, None, {1, 2}):
        with refused(TypeError, f"images is a {type(given).__name__}, and holds no numbers"):
            model(given)
    with refused(TypeError, "images ", "dtype object"):
        model(IMAGES.astype(object))


def test_images_with_a_gradient():
    """As a saliency map leaves them: to train on, they are numbers."""
    images = torch.tensor(IMAGES, requires_grad=True)
    assert len(vitedu.fit(vitedu.ViT(CONFIG, 0), images, LABELS, TRAINING)["loss"]) == 1
    with pytest.raises(TypeError, match="images is a Tensor that is no array"):
        vitedu_numpy.ViT(CONFIG, 0)(images)


# ---- NumPy's numbers -------------------------------------------------------------------------------------------------


def test_settings_of_numpys_numbers(package):
    """`labels.max() + 1` is a number of classes; what is kept is Python's, for it goes into files."""
    config = package.ViTConfig(**asdict(CONFIG) | dict(num_classes=LABELS.max() + 1, dropout=np.float64(0.5)))
    sized = package.ViTConfig(**asdict(CONFIG) | dict(image_size=(np.int64(4), np.int32(6))))
    training = package.TrainConfig(steps=np.int64(3), batch_size=np.int64(2), learning_rate=np.float64(0.1))
    assert sized == CONFIG
    for value in (config.num_classes, training.steps, training.batch_size, *sized.image_size):
        assert type(value) is int
    assert type(config.dropout) is type(training.learning_rate) is float
    assert package.losses.one_hot(LABELS, LABELS.max() + 1).shape == (2, 3)
    assert package.evaluate(package.ViT(config, 0), IMAGES, LABELS, batch_size=np.int64(1)) == 0.5
    assert vitedu.plan.PlanRequest(num_images=np.int64(10**6)).num_images == 10**6


def test_dtypes_of_the_other_package(refused):
    """The names are the same; PyTorch's loss takes either, NumPy's only what NumPy can make arrays of."""
    for dtype in (torch.float64, "float64", np.float64):
        assert vitedu.losses.one_hot(LABELS, 3, dtype=dtype).dtype == torch.float64
    for make in (lambda d: vitedu_numpy.ViT(CONFIG, 0, d), lambda d: vitedu_numpy.losses.one_hot(LABELS, 3, dtype=d)):
        with refused(ValueError, "dtype=torch.float64 is not allowed", "'float32' or 'float64'"):
            make(torch.float64)


# ---- none at all -----------------------------------------------------------------------------------------------------


def test_no_images(package, array, refused):
    """A model gives no answers for none; their mean loss would be 0 / 0, and was NaN without a word."""
    assert package.ViT(CONFIG, 0)(IMAGES[:0]).shape == (0, 3)
    nothing = array(np.ones((0, 3), np.float32))
    for name in ("cross_entropy", "softmax_cross_entropy", "binary_cross_entropy", "sigmoid_cross_entropy"):
        with refused(ValueError, "has shape (0, 3)", "neither of them 0"):
            getattr(package.losses, name)(nothing, nothing)


# ---- units -----------------------------------------------------------------------------------------------------------


def test_units(package, refused):
    with refused(ValueError, "warmup_steps=0.1", "a number of steps, 0 or at least 1"):
        package.learning_rate(0, base=0.1, total_steps=10, warmup_steps=0.1)
    with refused(ValueError, "gpu_flops=312 ", "such as 312e12"):
        vitedu.plan.PlanRequest(gpu_flops=312)
    with refused(ValueError, "gpu_memory=85899345920", "GiB"):
        vitedu.plan.PlanRequest(gpu_memory=80 * 2**30)


# ---- backward, with what is of another forward -----------------------------------------------------------------------


def test_as_many_rows_in_another_order(refused):
    """(4, 2) and (2, 4) rows are eight: they went through, mixed up."""
    x, weight = np.ones((2, 4, 6)), np.ones((5, 6))
    y, cache = linear(x, weight, np.zeros(5))
    assert linear_backward(y, cache)[0].shape == x.shape
    for dy in (y.swapaxes(0, 1), y.reshape(-1, 5)):
        with refused(ValueError, f"dy of shape {dy.shape} does not fit cache", "a forward that took (2, 4, 6)"):
            linear_backward(dy, cache)
    y, cache = layernorm(x, np.ones(6), np.zeros(6))
    with refused(ValueError, "dy of shape (8, 6) does not fit cache"):
        layernorm_backward(y.reshape(-1, 6), cache)


@pytest.mark.parametrize("name", ["PositionEmbedding", "ClassToken"])
def test_a_gradient_of_another_shape(name, refused):
    """One column was repeated over all, or kept as a gradient that no optimiser can use."""
    arguments = dict(PositionEmbedding=(4, 6, np.random.default_rng(0)), ClassToken=(6,))[name]
    layer = getattr(vitedu_numpy, name)(*arguments)
    y = layer(np.ones((2, 4, 6), np.float32))
    with refused(ValueError, "grad has shape", "expected", "as its parameter"):
        layer.backward(y[..., :1])
    for dy in (y[0], 1.0, None):
        with refused((ValueError, TypeError), "expected", "(B, T, D)"):
            layer.backward(dy)
    assert all(p.grad is None for _, p in layer.named_parameters())
    layer.backward(y)
    assert all(p.grad.shape == p.value.shape for _, p in layer.named_parameters())


def test_a_check_of_ones_own_pair(refused):
    """Before anything is compared: a forward without a cache, a backward that forgets an input, f(x) for f()."""
    inputs = {"x": np.ones(3)}
    with refused(ValueError, "forward gave a ndarray", "(y, cache)"):
        vitedu_numpy.check_pair(lambda x: x, lambda dy, cache: dy, inputs, 0)
    with refused(ValueError, "backward gave 2 gradients", "expected 1, of x"):
        vitedu_numpy.check_pair(lambda x: (x, x), lambda dy, cache: (dy, dy), inputs, 0)
    with refused(ValueError, "f=<function", "a function without arguments, such as lambda: loss(x)"):
        vitedu_numpy.numerical_gradient(lambda x: x.sum(), np.ones(3))
    with refused(ValueError, "x=", "float64 that may be written"):
        vitedu_numpy.numerical_gradient(lambda: 0.0, np.broadcast_to(1.0, (3,)))
    with refused(ValueError, "rng='0' is not allowed", "a generator or a seed"):
        vitedu_numpy.check_pair(lambda x: (x, x), lambda dy, cache: dy, inputs, "0")


# ---- records ---------------------------------------------------------------------------------------------------------


def test_a_record_that_is_none(package, refused):
    for given in ([], "record", LABELS):
        with refused(TypeError, f"record is a {type(given).__name__}", "a dict that is filled, or None"):
            package.ViT(CONFIG, 0)(IMAGES, given)


def test_a_record_of_two_forwards(package, refused):
    """A shallower model, another batch: block 1 is still of the first, and the rollout was a product of both."""
    record = {}
    package.ViT(CONFIG, 0)(IMAGES, record)
    assert package.inspect.rollout(record, np.int64(2)).shape == (2, 7, 7)
    package.ViT(replace(CONFIG, depth=1), 0)(IMAGES[:1], record)
    with refused(ValueError, "record['block01/attention/A'] has 2 images", "one forward", "record = {}"):
        package.inspect.rollout(record)


def test_looking_inside(package, array, refused):
    inspect = package.inspect
    record, every = {}, package.ViT(replace(CONFIG, position_at="every"), 0)
    every(IMAGES, record)
    for block in (0.5, "0", True, 2):
        with refused(ValueError, f"block={block!r}", "0 ... 1"):
            inspect.position_vectors(every, block)
    for names in ("tokens", 3, []):
        with refused(ValueError, f"names={names!r}", "a list of keys"):
            inspect.layer_features(record, names=names)
    with refused(TypeError, "model is a MaskedPatchViT", "no logits of classes"):
        inspect.attention_gradients(package.MaskedPatchViT(CONFIG, 0), IMAGES, 0)
    with refused(ValueError, "maps has shape (0, 2)"):
        inspect.to_pixels(np.ones((0, 2)), (4, 4))


def test_a_figure_that_has_no_place(tmp_path, refused):
    """Both errors spoke of a temporary file, whose ending was "tmp" and which nobody had named."""
    figure = vitedu.show.draw_filters(np.ones((2, 3, 2, 2))).figure
    with refused(ValueError, "path='figure' is not allowed", ".png"):
        vitedu.figures.save_figure(figure, "figure")
    with refused(FileNotFoundError, "path='", "is in no folder"):
        vitedu.figures.save_figure(figure, str(tmp_path / "none" / "figure.png"))


def test_drawing(refused):
    show = vitedu.show
    image, flat = IMAGES[0], np.ones((4, 6))
    for mask in (0 * flat, -flat, np.nan * flat):
        with refused(ValueError, "mask holds values from", "one above 0"):
            show.draw_rollout(image, mask)
    with refused(ValueError, "image holds values up to", "127.5"):
        show.draw_rollout((image + 1) * 127.5, flat)
    with refused(ValueError, "components[0] is all zeros"):
        show.draw_filters(np.zeros((2, 3, 2, 2)))
    with refused(ValueError, "columns=0 is not allowed"):
        show.draw_filters(np.ones((2, 3, 2, 2)), columns=0)
    with refused(ValueError, "probabilities holds values from 40 to 60", "[0, 1]"):
        vitedu.figures.bars(show.draw_filters(np.ones((2, 3, 2, 2))), ["cat", "dog"], [60, 40])
    for query in ("class", (9, 9), (0.0, 1.0)):
        with refused(ValueError, f"query={query!r}", "a grid of 3 x 3"):
            show.draw_query_maps(np.ones((2, 3, 3)), query=query)


# ---- other doors -----------------------------------------------------------------------------------------------------


def test_a_model_that_knows_no_images(refused):
    """One just built has no transform: a file of a photo means nothing to it."""
    for model in (vitedu.ViT(CONFIG, 0), vitedu_numpy.ViT(CONFIG, 0)):
        with refused(TypeError, "model is a ViT without a transform", "vitedu.load"):
            vitedu.evaluation.predict(model, "photo.jpg")


def test_states_that_are_no_dict(package, refused):
    with refused(TypeError, "arrays is a NoneType", "Mapping"):
        package.from_official(None, CONFIG)
    with refused(TypeError, "named is a list", "Mapping"):
        package.to_official(list(package.ViT(CONFIG, 0).state_dict().items()), CONFIG)
