"""The checks of notebooks/06_encoder.ipynb: class token, positions, pooling."""

from __future__ import annotations

import numpy as np
import pytest

# ---- right answers in other styles -----------------------------------------------------------------------------------


def class_token_by_loops(x, x_class):
    return [[list(x_class), *(list(patch) for patch in image)] for image in x]


def class_token_filled_in(x, x_class):
    B, N, D = x.shape
    tokens = np.empty((B, N + 1, D), np.float32)
    tokens[:, 0], tokens[:, 1:] = x_class, x
    return tokens


def class_token_torch(x, x_class):
    torch = pytest.importorskip("torch")
    x, x_class = torch.from_numpy(x), torch.from_numpy(x_class)
    return torch.cat([x_class.expand(len(x), 1, -1), x], dim=1)


def embed_on_a_copy(x, x_class, E_pos):
    x = x.copy()
    x += E_pos[1:]
    return np.insert(x, 0, x_class + E_pos[0], axis=1)


def class_token_backward_by_loops(dtokens):
    dx_class = np.zeros(dtokens.shape[-1])
    for image in dtokens:
        dx_class += image[0]
    return np.delete(dtokens, 0, axis=1), dx_class


def class_token_backward_autograd(dtokens):
    torch = pytest.importorskip("torch")
    B, T, D = dtokens.shape
    x = torch.zeros((B, T - 1, D), dtype=torch.float64, requires_grad=True)
    x_class = torch.zeros(D, dtype=torch.float64, requires_grad=True)
    tokens = torch.cat([x_class.expand(B, 1, D), x], dim=1)
    return torch.autograd.grad(tokens, [x, x_class], torch.from_numpy(dtokens))


def pool_by_loops(encoded, classifier):
    if classifier == "token":
        return np.array([image[0] for image in encoded])
    return np.array([sum(image) / len(image) for image in encoded])


def shuffle_by_loops(images, patch_size, order):
    P, per_row = patch_size, images.shape[3] // patch_size
    out = np.empty_like(images)
    for n, m in enumerate(order):
        (i, j), (k, l) = divmod(n, per_row), divmod(int(m), per_row)
        out[:, :, i * P : i * P + P, j * P : j * P + P] = images[:, :, k * P : k * P + P, l * P : l * P + P]
    return out


def positions_by_loops(E_pos, order):
    out = E_pos.copy()
    for n, m in enumerate(order):
        out[n + 1] = E_pos[m + 1]
    return out


RIGHT = [
    ("embed", embed_on_a_copy),
    ("class_token", class_token_by_loops),
    ("class_token", class_token_filled_in),
    ("class_token", class_token_torch),
    ("class_token_backward", class_token_backward_by_loops),
    ("class_token_backward", class_token_backward_autograd),
    ("pool", pool_by_loops),
    ("position_embedding_backward", lambda dz: (dz.copy(), np.einsum("btd->td", dz.astype(np.float32)))),
    ("shuffle_patches", shuffle_by_loops),
    ("shuffle_positions", positions_by_loops),
    ("shuffle_positions", lambda E_pos, order: E_pos[[0, *(1 + order)]]),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def insert_at(place):
    return lambda x, x_class: np.insert(x, place, x_class, axis=1)


def overwrite_first(x, x_class):
    x[:, 0] = x_class
    return x


def add_to_all(x, x_class):
    x += x_class
    return x


def one_for_the_batch(x, x_class):
    token = x_class.reshape(1, 1, -1)
    return np.concatenate((token, x), axis=1)


def not_reshaped(x, x_class):
    return np.concatenate((x_class, x), axis=1)


def embed_positions_first(x, x_class, E_pos):
    return np.insert(x + E_pos[1:], 0, x_class, axis=1)


def embed_class_last(x, x_class, E_pos):
    B, N, D = x.shape
    z = np.empty((B, N + 1, D))
    z[:, :N], z[:, N] = x, x_class
    return z + E_pos


def embed_twice(x, x_class, E_pos):
    return np.insert(x, 0, x_class, axis=1) + E_pos + E_pos


def embed_by_image(x, x_class, E_pos):
    z = np.insert(x, 0, x_class, axis=1)
    for b in range(len(z)):
        z[b] += E_pos[b]
    return z


def scatter(images, patch_size, order):
    P, per_row = patch_size, images.shape[3] // patch_size
    out = np.empty_like(images)
    for n, m in enumerate(order):
        (i, j), (k, l) = divmod(n, per_row), divmod(int(m), per_row)
        out[:, :, k * P : k * P + P, l * P : l * P + P] = images[:, :, i * P : i * P + P, j * P : j * P + P]
    return out


def scatter_positions(E_pos, order):
    out = E_pos.copy()
    out[1 + order] = E_pos[1:]
    return out


AGAIN = [
    ("class_token", lambda x, x_class: insert_at(x.shape[1])(x, x_class), "comes last"),
    ("class_token", overwrite_first, "takes the place of the first patch"),
    ("class_token", add_to_all, "added to every patch"),
    ("class_token", one_for_the_batch, "one class token for the whole batch"),
    ("class_token", not_reshaped, "as it is"),
    ("class_token", lambda x, x_class: np.pad(x, ((0, 0), (1, 0), (0, 0))), "all zeros"),
    ("class_token_backward", lambda d: (d[:, 1:], d[:, :1].squeeze(1)), "not summed over the batch"),
    ("class_token_backward", lambda d: (d[:, 1:], d[:, 0].sum(0) / len(d)), "mean over the batch"),
    ("class_token_backward", lambda d: (np.delete(d, -1, 1), np.einsum("bd->d", d[:, -1])), "as if the class token"),
    ("class_token_backward", lambda d: (d[:, 1:], np.einsum("btd->d", d)), "summed over all tokens"),
    ("class_token_backward", lambda d: (d.copy(), d.sum(0)[0]), "still holds the class token's gradient"),
    ("embed", embed_positions_first, "the class token gets no position"),
    ("embed", embed_class_last, "the class token comes last"),
    ("embed", embed_twice, "added twice"),
    ("embed", embed_by_image, "went to the images"),
    ("embed", lambda x, x_class, E_pos: np.insert(x, 0, x_class, axis=1), "E_pos is not used"),
    ("pool", lambda z, classifier: z[:, 0], "the class token is read in both cases"),
    ("pool", lambda z, classifier: sum(z.swapaxes(0, 1)) / z.shape[1], "the mean is taken in both cases"),
    ("pool", lambda z, c: z[:, 0] if c == "token" else np.delete(z, 0, 1).mean(1), "leaves out the first token"),
    ("pool", lambda z, c: z[:, -1] if c == "token" else z.mean(1), "reads the last token"),
    ("position_embedding_backward", lambda dz: (dz, dz.copy()), "not summed over the batch"),
    ("position_embedding_backward", lambda dz: (dz, sum(dz) / len(dz)), "mean over the batch"),
    ("position_embedding_backward", lambda dz: (dz, np.einsum("btd->bd", dz)), "over the tokens instead of the images"),
    ("shuffle_patches", scatter, "the inverse order"),
    ("shuffle_patches", lambda images, patch_size, order: images.copy(), "nothing moved"),
    ("shuffle_positions", scatter_positions, "the inverse order"),
    ("shuffle_positions", lambda E_pos, order: np.take(E_pos, order, axis=0), "shuffled with the others"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
