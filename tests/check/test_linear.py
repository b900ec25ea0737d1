"""The checks of notebooks/02_linear.ipynb: the linear layer, its backward, central differences."""

from __future__ import annotations

import numpy as np
import pytest

# ---- right answers in other styles -----------------------------------------------------------------------------------


def forward_by_loops(x, weight, bias):
    y = np.zeros((*x.shape[:-1], len(weight)))
    for row in np.ndindex(x.shape[:-1]):
        for o in range(len(weight)):
            y[row][o] = sum(x[row][i] * weight[o, i] for i in range(x.shape[-1])) + bias[o]
    return y


def backward_by_loops(dy, x, weight):
    dx, dweight, dbias = np.zeros_like(x), np.zeros_like(weight), np.zeros(len(weight))
    for row in np.ndindex(x.shape[:-1]):
        dx[row] = weight.T @ dy[row]
        dweight += np.outer(dy[row], x[row])
        dbias += dy[row]
    return dx, dweight, dbias


def backward_by_einsum(dy, x, weight):
    front = tuple(range(dy.ndim - 1))
    return np.einsum("...o,oi->...i", dy, weight), np.tensordot(dy, x, (front, front)), dy.sum(axis=front)


def tied_by_einsum(dy, x, weight):
    a, da = np.einsum("...i,oi->...o", x, weight), np.einsum("...i,oi->...o", dy, weight)
    front = tuple(range(x.ndim - 1))
    dweight = np.tensordot(a, dy, (front, front)) + np.tensordot(da, x, (front, front))
    return np.einsum("...o,oi->...i", da, weight), dweight


def difference_in_place(f, x, h):
    flat, gradient = x.reshape(-1), []
    for i in range(x.size):
        flat[i] += h
        above = f(x)
        flat[i] -= 2 * h
        gradient.append((above - f(x)) / (2 * h))
        flat[i] += h
    return np.reshape(gradient, x.shape)


RIGHT = [
    ("linear", forward_by_loops),
    ("linear", lambda x, weight, bias: np.einsum("...i,oi->...o", x, weight) + bias),
    ("linear", lambda x, weight, bias: np.inner(x, weight) + bias),
    ("linear_backward", backward_by_loops),
    ("linear_backward", backward_by_einsum),
    ("linear_backward", lambda *args: list(backward_by_einsum(*args))),
    ("central_difference", difference_in_place),
    ("tied_linear_backward", tied_by_einsum),
]

IN_FLOAT32 = [
    ("linear", lambda x, weight, bias: x @ weight.T + bias),
    ("linear_backward", backward_by_einsum),
    ("tied_linear_backward", tied_by_einsum),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer"), IN_FLOAT32)
def test_right_answers_in_float32(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


def test_right_answers_in_torch_pass(assert_right):
    torch = pytest.importorskip("torch")

    def leaves(*arrays):
        return [torch.from_numpy(a).requires_grad_() for a in arrays]

    def by_autograd(dy, x, weight):
        x, weight, bias = leaves(x, weight, np.zeros(len(weight)))
        torch.nn.functional.linear(x, weight, bias).backward(torch.from_numpy(dy))
        return x.grad, weight.grad, bias.grad

    def tied_by_autograd(dy, x, weight):
        x, weight = leaves(x, weight)
        (x @ weight.T @ weight).backward(torch.from_numpy(dy))
        return x.grad, weight.grad

    assert_right("linear", lambda *args: torch.nn.functional.linear(*leaves(*args)))
    assert_right("linear_backward", by_autograd)
    assert_right("tied_linear_backward", tied_by_autograd)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def overwritten(dy, x, weight):
    for row in np.ndindex(x.shape[:-1]):
        dweight = np.outer(dy[row], x[row])
        dbias = dy[row]
    return dy @ weight, dweight, dbias


def means(dy, x, weight):
    dx, dweight, dbias = backward_by_loops(dy, x, weight)
    R = dy.size // dy.shape[-1]
    return dx, dweight / R, dbias / R


def per_image(dy, x, weight):
    return dy @ weight, np.einsum("...ro,...ri->...oi", dy, x), dy.reshape(-1, dy.shape[-1]).sum(0)


def one_sided(f, x, h):
    here, gradient = f(x), np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        moved = np.array(x)
        moved[i] += h
        gradient[i] = (f(moved) - here) / h
    return gradient


def moving_along(f, x, h):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += h
        above = f(x)
        x[i] -= 2 * h
        gradient[i] = (above - f(x)) / (2 * h)
    return gradient


def same_array_twice(f, x, h):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        above, below = x, x
        above[i] += h
        below[i] -= h
        gradient[i] = (f(above) - f(below)) / (2 * h)
    return gradient


def by_rows(f, x, h):
    gradient = np.zeros_like(x)
    for i in range(x.shape[0]):
        e = np.zeros_like(x)
        e[i] = h
        gradient[i] = (f(x + e) - f(x - e)) / 2 / h
    return gradient


def folded(*arrays):
    return [a.reshape(-1, a.shape[-1]) for a in arrays]


AGAIN = [
    ("linear", lambda x, w, b: np.einsum("...i,oi->...o", x, w), "bias is not added"),
    ("linear", lambda x, w, b: x @ w + b, "without its transpose"),
    ("linear", lambda x, w, b: x @ np.reshape(w, w.shape[::-1]) + b, "reshaped where it should be transposed"),
    ("linear", lambda x, w, b: (x.reshape(-1, x.shape[-1]) @ w.T) + b, "in one long list"),
    ("linear", lambda x, w, b: np.einsum("oi,...ri->...or", w, x) + b[:, None], "outputs stand before the rows"),
    ("linear_backward", overwritten, "last row alone"),
    ("linear_backward", means, "dweight and dbias are averaged"),
    ("linear_backward", per_image, "every entry of the axes in front"),
    ("linear_backward", lambda dy, x, w: (dy @ w.T, 0, 0), "dx is made with the transpose"),
    ("linear_backward", lambda dy, x, w: (dy @ w, dy @ x, 0), "`dy` is not transposed in the gradient of the weight"),
    (
        "linear_backward",
        lambda dy, x, w: (dy @ w, np.einsum("ri,ro->io", *map(np.vstack, folded(x, dy))), per_image(dy, x, w)[2]),
        "in dweight, the gradient of the weight is transposed",
    ),
    (
        "linear_backward",
        lambda dy, x, w: (*backward_by_loops(dy, x, w)[:2], dy),
        "the gradient of the bias is not summed",
    ),
    ("linear_backward", lambda dy, x, w: (*backward_by_loops(dy, x, w)[:2], dy.sum(0)), "over the first axis only"),
    ("central_difference", one_sided, "a forward difference"),
    ("central_difference", moving_along, "stays h too low"),
    ("central_difference", same_array_twice, "the same array"),
    ("central_difference", by_rows, "a whole row is moved"),
    ("central_difference", lambda f, x, h: np.ones(x.shape) * (f(x + h) - f(x - h)) / (2 * h), "moved at once"),
    ("central_difference", lambda f, x, h: h * h * difference_in_place(f, x, h), "divides by 2 and then multiplies"),
    ("central_difference", lambda f, x, h: 2 * difference_in_place(f, x, h), "divided by h"),
    (
        "tied_linear_backward",
        lambda dy, x, w: (dy @ w.T @ w, backward_by_loops(dy @ w.T, x, w)[1]),
        "only what the first use",
    ),
    (
        "tied_linear_backward",
        lambda dy, x, w: (dy @ w.T @ w, backward_by_loops(x @ w.T, dy, w)[1]),
        "only what the second use",
    ),
    ("tied_linear_backward", lambda dy, x, w: (dy @ w.T, tied_by_einsum(dy, x, w)[1]), "stops halfway"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_an_unknown_wrong_answer_shows_the_first_element_that_differs(unknown):
    def my_linear_backward(dy, x, weight):
        dx, dweight, dbias = backward_by_loops(dy, x, weight)
        dweight[2, 1] = 0
        return dx, dweight, dbias

    message = unknown("linear_backward", my_linear_backward)
    assert "dweight[2, 1] of dweight (O, I) = (5, 3) is 0; expected" in message
    assert "1 of 15 numbers differ" in message


def test_a_wrong_shape_is_read_out_in_letters(unknown):
    message = unknown("linear", lambda x, weight, bias: np.sin(x))
    assert "y has shape (7, 3); expected (7, 5), which reads (..., O)." in message


def test_a_crash_shows_the_line_and_the_shapes(unknown):
    def my_linear(x, weight, bias):
        return weight @ x + bias

    message = unknown("linear", my_linear)
    assert "it stopped at `return weight @ x + bias` with ValueError" in message
    assert "(7, 3), (5, 3), (5,)" in message


def test_a_crash_is_known_in_other_words(assert_named):
    """`np.dot` and `@` say the same of axes that do not fit, each in its own words."""
    assert_named("linear", lambda x, weight, bias: x @ weight + bias, "the weight is used without its transpose")
    assert_named("linear", lambda x, weight, bias: np.dot(x, weight) + bias, "the weight is used without its transpose")


def test_the_function_to_differentiate_is_not_shown_as_an_address(unknown):
    message = unknown("central_difference", lambda f, x, h: np.sin(x))
    assert "0x" not in message
    assert "f, [1.4128, 1.1066, 1.2295, 1.0436, 1.4351], 0.1" in message  # small enough to be done by hand
