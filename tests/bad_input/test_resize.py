"""Positions that do not fit their grid."""

from __future__ import annotations

import numpy as np
import pytest

import vitedu.weights.resize
import vitedu_numpy.weights.resize

E_POS = np.zeros((1 + 6, 4))


@pytest.mark.parametrize("package", [vitedu_numpy, vitedu])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((E_POS, (2, 2), (4, 4)), ("E_pos", "(7, 4)", "(5, D)", "2 x 2")),
        ((E_POS, (2, 3), (4, 4), False), ("E_pos", "(7, 4)", "(6, D)")),
        ((E_POS[0], (2, 3), (4, 4)), ("E_pos", "(4,)", "(7, D)")),
        ((E_POS, (2, 3), (4, 0)), ("new_grid", "(4, 0)", "positive")),
        ((E_POS, (2, 3), (4,)), ("new_grid", "(4,)", "a pair")),
        ((E_POS, (2, 3), (4, 4), True, "bicubic"), ("method='bicubic'", "cubic")),
    ],
)
def test_resize_positions(package, arguments, words):
    with pytest.raises(ValueError) as error:
        package.weights.resize.resize_positions(*arguments)
    for word in words:
        assert word in str(error.value)
