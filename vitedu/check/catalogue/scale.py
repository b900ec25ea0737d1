"""Exercises of notebooks/14_pretraining.ipynb: memory under DDP and FSDP2, and where a killed run goes on."""

from __future__ import annotations

import math

from ..slips.exercise import exercise

__all__ = ["fewest_gpus", "resume"]

_EXACT = 1e-9  # counts: a difference of one is a mistake


# ---- fewest_gpus(parameters, kept, memory) -> ddp, fsdp --------------------------------------------------------------


@exercise(
    cases=lambda rng: [
        (1_000, 5_000, 21_000), (1_000, 5_000, 20_999), (86_000, 300_000, 900_000), (632_001, 40_000, 1_000_000),
        (97, 100, 419), (500, 100, 30_000),
    ],
    outputs={"ddp": "(a whole number)", "fsdp": "(a whole number)"}, tolerance=_EXACT, whole=True, level=2, minutes=20,
)  # fmt: skip
def fewest_gpus(parameters, kept, memory):
    per_parameter = 16  # the bytes of one parameter
    free = memory - kept  # what the activations leave
    room = free // per_parameter  # the parameters that fit into one GPU
    ddp = min(room // parameters, 1)
    fsdp = math.ceil(parameters / room)
    return ddp, fsdp


for _name, _why, _lines in (
    ("ddp is the number of GPUs, not whether one is enough", "What do more GPUs give under DDP: room, or speed?",
     {"ddp": "math.ceil(parameters / room)"}),
    ("FSDP is given two GPUs at least", "What if all fits into one?", {"fsdp": "max(2, math.ceil(parameters / room))"}),
    ("the weights alone are counted: 4 bytes a parameter",
     "What else is as large as the weights between two updates?", {"per_parameter": "4"}),
    ("weights and gradients are counted, not what the optimiser keeps",
     "Adam remembers something for every parameter.", {"per_parameter": "8"}),
    ("4 bytes a parameter are missing: the gradients, or one of Adam's two means",
     "Which four numbers does training keep for each parameter?",
     {"per_parameter": "12"}),
    ("the activations are left out", "The images in hand need memory on the same GPU.", {"free": "memory"}),
    ("the activations are cut into parts too, as if they belonged to the weights",
     "Whose are the activations: the model's, or the images' that this GPU has in hand?",
     {"fsdp": "math.ceil((per_parameter * parameters + kept) / memory)"}),
    ("the number of parts is rounded down, and they do not fit",
     "Try 10 parameters where 4 fit into one GPU.", {"fsdp": "max(parameters // room, 1)"}),
    ("the number of GPUs is rounded down", "Try 10 parameters where 4 fit into one GPU.",
     {"fsdp": "max(per_parameter * parameters // free, 1)"}),
    ("more GPUs are to help under DDP", "What does a second GPU hold under DDP?",
     {"ddp": "math.ceil(parameters / room)"}),
    ("DDP is said to fit always", "Compare all that one GPU has to hold with its memory.", {"ddp": "1"}),
    ("DDP is said to fit where it does not, and the other way round", "1 stands for `it fits`.",
     {"ddp": "1 - min(room // parameters, 1)"}),
):  # fmt: skip
    fewest_gpus.slip(_name, _why, **_lines)


# ---- resume(killed_after, every, batch_size, num_images) -> step, epoch, place, again --------------------------------


@exercise(
    cases=lambda rng: [(137, 50, 64, 1437), (100, 25, 12, 700), (29, 10, 7, 141), (74, 20, 16, 120), (19, 30, 5, 60)],
    outputs={name: "(a whole number)" for name in ("step", "epoch", "place", "again")},
    tolerance=_EXACT, whole=True, level=3, minutes=25,
)  # fmt: skip
def resume(killed_after, every, batch_size, num_images):
    step = killed_after // every * every  # the updates in the last checkpoint
    position = step * batch_size  # the position of the next image
    epoch = position // num_images
    place = position % num_images
    again = killed_after * batch_size - position
    return step, epoch, place, again


for _name, _why, _lines in (
    ("the position is that of the killed run, not of the checkpoint",
     "Which images had been used when the checkpoint was written?",
     {"epoch": "killed_after * batch_size // num_images", "place": "killed_after * batch_size % num_images"}),
    ("the rest of every epoch is dropped", "An epoch need not end with a batch: where do its last images go?",
     {"epoch": "step // (num_images // batch_size)", "place": "step % (num_images // batch_size) * batch_size"}),
    ("it goes on where it was killed, as if the last updates had been saved",
     "Which updates are on the disk when the process dies?", {"step": "killed_after"}),
    ("it begins at step 0", "A checkpoint was written before. What does it hold?", {"step": "0"}),
    ("the checkpoint that was to come is taken", "Had that one been written when the process died?",
     {"step": "-(-killed_after // every) * every"}),
    ("the number of the checkpoint is taken for its step", "How many updates lie between two checkpoints?",
     {"step": "killed_after // every"}),
    ("a step is counted as one image", "How many images does one update see?", {"position": "step"}),
    ("the epoch begins anew with the run that goes on", "Positions count all images of the run, before the kill too.",
     {"epoch": "0", "place": "0"}),
    ("the place is counted through all epochs", "How many images has an epoch?", {"place": "position"}),
    ("updates are counted that come again, not images", "How many images does one update see?",
     {"again": "killed_after - step"}),
    ("nothing is said to be seen again", "What became of the updates after the last checkpoint?", {"again": "0"}),
    ("all images since the beginning are said to be seen again", "What is in the checkpoint need not be done again.",
     {"again": "killed_after * batch_size"}),
):  # fmt: skip
    resume.slip(_name, _why, **_lines)
