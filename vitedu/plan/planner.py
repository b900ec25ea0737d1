"""From a request to a plan.  Taught in notebooks/14_pretraining.ipynb.

Arithmetic, but for the counting in `memory.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vitedu_numpy.validate import check_choices, is_count, is_number, require

from ..accounting.compute import exaflops
from ..accounting.formulas import macs_by_part, parameters_by_part
from ..models import named_config
from ..paper import JFT_IMAGES, TABLE_2
from ..recipes import Recipe, get_recipe, list_recipes
from ..recipes.paper import IMAGENET, IMAGENET21K, NUM_IMAGES
from .gpus import GPUS
from .memory import count_step, memory_parts, network_bytes

__all__ = ["Plan", "PlanRequest", "paper_utilisation", "plan"]

_GIB = 2**30

# Training images of the data sets that recipes name.
_IMAGES = {
    IMAGENET.dataset: NUM_IMAGES["imagenet"],
    IMAGENET21K.dataset: NUM_IMAGES["imagenet21k"],
    "cifar10": 50_000,
    "digits": 1437,
}


@dataclass(frozen=True)
class PlanRequest:
    """What is to be trained, on what.  Raises ValueError when a field is out of its range."""

    recipe: str = "vit_b16-imagenet21k"  # a recipe, or a model: then give epochs and num_images
    gpus: int = 8  # per node
    nodes: int = 1
    gpu: str = "a100-80gb"  # one of GPUS
    num_images: int | None = None  # training images; None: known for the paper's data sets
    epochs: float | None = None  # None: the recipe's
    batch_size: int | None = None  # images per update, over all GPUs; None: the recipe's
    micro_batch: int | None = None  # images a GPU takes at once; None: the most that fits
    parallel: str | None = None  # "ddp" or "fsdp"; None: the recipe's
    precision: str | None = None  # "bf16" or "float32"; None: the recipe's, where that is open bf16
    recompute: bool = False  # activation checkpointing: less memory, a fourth forward
    utilisation: float = 0.4  # part of the peak FLOP/s that is reached
    usable_memory: float = 0.9  # part of the GPU's memory that tensors can have; the rest: CUDA, libraries, gaps
    images_per_core: float = 700.0  # images/s that a CPU core decodes and crops (simplejpeg and OpenCV: 681 measured)
    price_per_gpu_hour: float | None = None  # in any currency

    def __post_init__(self):
        check_choices(self, gpu=tuple(GPUS), parallel=(None, "ddp", "fsdp"), precision=(None, "bf16", "float32"))
        for name in ("gpus", "nodes"):
            require(is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        for name in ("num_images", "batch_size", "micro_batch"):
            value = getattr(self, name)
            require(value is None or is_count(value), name, value, "a positive integer or None")
        for name in ("utilisation", "usable_memory"):
            value = getattr(self, name)
            require(is_number(value) and 0 < value <= 1, name, value, "a number in (0, 1]")
        for name in ("epochs", "price_per_gpu_hour"):
            value = getattr(self, name)
            require(value is None or (is_number(value) and value > 0), name, value, "a positive number or None")
        per_core = self.images_per_core
        require(is_number(per_core) and per_core > 0, "images_per_core", per_core, "a positive number")


@dataclass(frozen=True)
class Plan:
    """What `plan` answers."""

    request: PlanRequest
    recipe: Recipe  # with the request's changes
    num_images: int
    parameters: int
    memory: dict[str, dict[str, int]]  # "ddp", "fsdp" -> part -> bytes per GPU, at `micro_batch`
    largest_micro_batch: dict[str, int]  # "ddp", "fsdp" -> images that fit at once; 0: not even one
    micro_batch: dict[str, int]  # "ddp", "fsdp" -> images that a GPU takes at once
    micro_steps: dict[str, int]  # "ddp", "fsdp" -> forwards and backwards per update
    images_per_second: float  # over all GPUs; what the loader must deliver
    loader_cores: int  # per node
    steps: int
    exaflops: float  # 1e18 FLOPs, at 3 forwards per image
    days: float
    gpu_hours: float
    kilowatt_hours: float  # of the GPUs alone, at their full power
    cost: float | None
    network_bytes: dict[str, int]  # "ddp", "fsdp" -> bytes that each GPU sends per update

    @property
    def world_size(self) -> int:
        """Number of GPUs."""
        return self.request.gpus * self.request.nodes

    @property
    def fits(self) -> bool:
        """Whether the chosen way of sharing the work fits into the memory."""
        how = self.recipe.run.parallel
        return 0 < self.micro_batch[how] <= self.largest_micro_batch[how]


def plan(request: PlanRequest, recipe: Recipe | None = None) -> Plan:
    """The cost of `request`.     recipe: one that has no name in `list_recipes`, used in place of `request.recipe`

    Masked patch prediction is planned as if it classified.
    Raises ValueError for an unknown recipe, or when the number of images or epochs is not known.
    """
    recipe = _changed(recipe or _find(request), request)
    config, gpu, world = recipe.model, GPUS[request.gpu], request.gpus * request.nodes
    num_images = _number_of_images(request, recipe)
    require(world <= recipe.batch_size, "gpus", request.gpus, f"such that each of {world} has one image of a batch")
    half = recipe.run.precision == "bf16"
    peak = gpu.bf16 if half else gpu.float32
    require(peak is not None, "precision", recipe.run.precision, f"'bf16' on {request.gpu}")

    parameters = sum(parameters_by_part(config).values())
    counted = count_step(config, half, recipe.run.recompute)
    usable = request.usable_memory * gpu.gib * _GIB
    share = math.ceil(recipe.batch_size / world)
    memory, largest, micro, micro_steps, network = {}, {}, {}, {}, {}
    for how in ("ddp", "fsdp"):
        for accumulate in (False, True):  # accumulation takes memory: only where a GPU's share does not fit at once
            fixed, per_image = memory_parts(recipe, parameters, counted, how, world, accumulate)
            largest[how] = max(0, int((usable - sum(fixed.values())) // sum(per_image.values())))
            if largest[how] >= share and (request.micro_batch or recipe.run.micro_batch or share) >= share:
                break
        micro[how] = request.micro_batch or recipe.run.micro_batch or _divisor(share, max(1, largest[how]))
        micro[how] = min(micro[how], share)
        micro_steps[how] = math.ceil(share / micro[how])
        memory[how] = fixed | {part: micro[how] * n for part, n in per_image.items()}
        network[how] = network_bytes(parameters, how, world, micro_steps[how])

    macs = sum(macs_by_part(config).values())
    forwards = 4 if recipe.run.recompute else 3
    images_per_second = world * peak * 1e12 * request.utilisation / (2 * forwards * macs)
    steps = recipe.updates(num_images)
    hours = steps * recipe.batch_size / images_per_second / 3600
    price = request.price_per_gpu_hour
    return Plan(
        request=request,
        recipe=recipe,
        num_images=num_images,
        parameters=parameters,
        memory=memory,
        largest_micro_batch=largest,
        micro_batch=micro,
        micro_steps=micro_steps,
        images_per_second=images_per_second,
        loader_cores=math.ceil(images_per_second / request.nodes / request.images_per_core),
        steps=steps,
        exaflops=exaflops(macs, 1, steps * recipe.batch_size),
        days=hours / 24,
        gpu_hours=hours * world,
        kilowatt_hours=hours * world * gpu.watts / 1000,
        cost=None if price is None else hours * world * price,
        network_bytes=network,
    )


def _find(request) -> Recipe:
    if request.recipe in list_recipes():
        return get_recipe(request.recipe)
    try:
        config = named_config(request.recipe)
    except ValueError:
        allowed = f"a recipe ({', '.join(list_recipes())}) or a model that `list_models()` has"
        raise ValueError(f"recipe={request.recipe!r} is not allowed; recipe must be {allowed}") from None
    require(request.epochs is not None, "epochs", None, "given, for a model without a recipe")
    return Recipe(request.recipe, config, epochs=request.epochs)


def _changed(recipe, request) -> Recipe:
    run, r = recipe.run, request
    run = replace(
        run,
        parallel=r.parallel or run.parallel,
        precision=r.precision or ("bf16" if run.precision == "auto" else run.precision),  # "auto" on these GPUs
        recompute=r.recompute or run.recompute,
    )
    length = dict(epochs=r.epochs, steps=None) if r.epochs is not None else {}
    recipe = replace(recipe, run=run, batch_size=r.batch_size or recipe.batch_size, **length)
    require(run.precision in ("bf16", "float32"), "precision", run.precision, "'bf16' or 'float32'")
    return recipe


def _number_of_images(request, recipe) -> int:
    data = recipe.data
    known = JFT_IMAGES if not data.dataset and "-jft" in recipe.name else _IMAGES.get(data.dataset)
    total = request.num_images or known
    if total is None and recipe.steps is not None:
        return 0  # nothing depends on it
    require(total is not None, "num_images", None, f"given: how many images {data.dataset!r} has is not known here")
    return min(total, data.train_images or total) - (data.hold_out if request.num_images is None else 0)


def _divisor(share, largest) -> int:
    """The largest number of images, of those that fit, that divides a GPU's share of the batch."""
    return max(n for n in range(1, min(share, largest) + 1) if share % n == 0)


# ---- against the paper ---------------------------------------------------------------------------------------------


def paper_utilisation() -> dict[str, float]:
    """Recipe -> part of a TPUv3 core's peak that the paper's core-days (Table 2) mean, by our count of its FLOPs."""
    runs = {  # recipe -> its model and data in Table 2
        "vit_h14-jft": ("ViT-H/14", "JFT-300M"),
        "vit_l16-jft": ("ViT-L/16", "JFT-300M"),
        "vit_l16-imagenet21k": ("ViT-L/16", "ImageNet-21k"),
    }
    found = {}
    for name, (printed, pretrained_on) in runs.items():
        core_days = TABLE_2.row(name=printed, pretrained_on=pretrained_on).core_days
        recipe, data = get_recipe(name), name.split("-")[1]
        macs = sum(macs_by_part(recipe.model).values())
        flops = 1e18 * exaflops(macs, recipe.epochs, NUM_IMAGES[data])
        found[name] = flops / (core_days * 86_400 * 1e12 * GPUS["tpuv3-core"].bf16)
    return found
