"""How a layer is checked: against central differences, twice, and without a forward."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_model, relative_error

# Central differences at h = 1e-5 in float64 are good to about 1e-9 relative (the truncation error h^2 f'''/6 and the
# rounding error 1e-16 |f| / h are both near 1e-10); a mistake in a formula is rarely below 1e-3.
TOLERANCE = 1e-7


def _assert_right(errors: dict[str, float]) -> None:
    wrong = {name: error for name, error in errors.items() if not error <= TOLERANCE}  # `not <=`: NaN is wrong too
    assert errors
    assert not wrong, f"gradients differ from central differences by (relative error) {wrong}"


@pytest.fixture
def assert_right():
    """assert_right(errors): every relative error that `check_pair` or `check_model` returned is small."""
    return _assert_right


@pytest.fixture
def check_layer(scramble):
    """check_layer(layer, x, samples=None, needs_forward=True, **options): all that is asked of a `Module`'s backward.

    options go to the layer's forward; needs_forward=False: its backward asks for nothing that forward saw.
    """

    def check(layer, x, samples=None, needs_forward=True, **options):
        scramble(layer)
        _assert_right(check_model(layer, x, samples=samples, verbose=False, **options))

        x_before = x.copy()
        y = layer(x, **options)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        dy_before = dy.copy()
        layer.zero_grad()
        dx = layer.backward(dy)
        assert dx.shape == x.shape
        once = {name: gradient.copy() for name, gradient in layer.gradients().items()}
        assert np.array_equal(x, x_before), "the layer changed its input"
        assert np.array_equal(dy, dy_before), "backward changed the gradient that it was given"

        layer(x, **options)
        layer.backward(dy)
        for name, twice in layer.gradients().items():  # up to rounding: what all blocks share is a sum already
            error = relative_error(twice, 2 * once[name])
            assert error <= 1e-14, f"two backward passes do not add up in {name}"

        if needs_forward:
            with pytest.raises(RuntimeError, match="without a forward"):
                layer.backward(dy)

    return check
