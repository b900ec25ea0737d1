"""The checks of notebooks/14_pretraining.ipynb on memory under DDP and FSDP2, and on a run that goes on."""

from __future__ import annotations

import itertools

import pytest

# ---- right answers in other styles -----------------------------------------------------------------------------------


def by_trying(parameters, kept, memory):
    """GPU after GPU, until the largest part of the parameters fits beside the activations."""
    parts = next(n for n in itertools.count(1) if 16 * -(-parameters // n) + kept <= memory)
    return int(parts == 1), parts


def by_walking(killed_after, every, batch_size, num_images):
    """Update by update, with a checkpoint now and then."""
    epoch = place = 0
    saved = (0, 0, 0)
    for step in range(1, killed_after + 1):
        for _ in range(batch_size):
            place += 1
            if place == num_images:
                epoch, place = epoch + 1, 0
        if step % every == 0:
            saved = (step, epoch, place)
    return *saved, (killed_after - saved[0]) * batch_size


RIGHT = [("fewest_gpus", by_trying), ("resume", by_walking)]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- mistakes in other words -----------------------------------------------------------------------------------------


def weights_and_gradients(parameters, kept, memory):
    parts = next(n for n in itertools.count(1) if 8 * -(-parameters // n) + kept <= memory)
    return int(parts == 1), parts


def activations_cut(parameters, kept, memory):
    return int(16 * parameters + kept <= memory), -(-(16 * parameters + kept) // memory)


def saved_at_every_step(killed_after, every, batch_size, num_images):
    return killed_after, *divmod(killed_after * batch_size, num_images), 0


def in_updates(killed_after, every, batch_size, num_images):
    step = killed_after - killed_after % every
    return step, *divmod(step * batch_size, num_images), killed_after % every


AGAIN = [
    ("fewest_gpus", weights_and_gradients, "not what the optimiser keeps"),
    ("fewest_gpus", activations_cut, "the activations are cut"),
    ("resume", saved_at_every_step, "as if the last updates had been saved"),
    ("resume", in_updates, "updates are counted that come again"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
