"""From a request to a plan.  Taught in notebooks/14_pretraining.ipynb.

Arithmetic, but for the counting in `memory.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vitedu_numpy.models.names import list_models, named_config
from vitedu_numpy.validate import (
    check_choices,
    check_flags,
    check_kind,
    did_you_mean,
    is_count,
    is_number,
    plain_numbers,
    require,
)

from ..accounting.compute import exaflops
from ..accounting.formulas import macs_by_part, parameters_by_part
from ..paper import JFT_IMAGES, TABLE_2
from ..recipes import Recipe, get_recipe, is_recipe_file, list_recipes
from ..recipes.paper import IMAGENET, IMAGENET21K, NUM_IMAGES
from ..recipes.recipe import check_shares
from .gpus import GPUS, Gpu, known_gpus
from .memory import count_step, memory_parts, network_bytes

__all__ = ["Plan", "PlanRequest", "paper_utilisation", "plan"]

_GIB = 2**30
VIT, NARROW, RESNET = 0.4, 0.23, 0.25  # parts of the peak, see `utilisation_of`
BETWEEN_NODES = 25.0  # 1e9 bytes/s: a 200 Gbit/s card for each GPU

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

    recipe: str = "vit_b16-imagenet21k"  # a recipe, a file with one, or a model: then give epochs and num_images
    gpus: int = 8  # per node
    nodes: int = 1
    gpu: str = "a100-80gb"  # one of GPUS or of gpu_list; another name with gpu_flops and gpu_memory
    gpu_list: str | None = None  # a TOML file with GPUs of one's own; None: that of the variable VITEDU_GPUS, if any
    gpu_flops: float | None = None  # FLOP/s at best, in place of the data sheet's
    gpu_memory: float | None = None  # GiB, in place of the data sheet's
    link: float | None = None  # 1e9 bytes/s that a GPU sends; None: data sheet in a node, 25 between nodes
    num_images: int | None = None  # training images; None: known for the paper's data sets
    epochs: float | None = None  # None: the recipe's
    batch_size: int | None = None  # images per update, over all GPUs; None: the recipe's
    micro_batch: int | None = None  # images a GPU takes at once; None: the most that fits
    parallel: str | None = None  # "ddp" or "fsdp"; None: the recipe's
    precision: str | None = None  # "bf16" or "float32"; None: the recipe's, where that is open as training chooses
    recompute: bool = False  # activation checkpointing: less memory, a fourth forward
    utilisation: float | None = None  # part of the peak FLOP/s that is reached; None: by the kind of model
    usable_memory: float = 0.9  # part of the GPU's memory that tensors can have; the rest: CUDA, libraries, gaps
    images_per_core: float = 700.0  # images/s that a CPU core decodes and crops (simplejpeg and OpenCV: 681 measured)
    price_per_gpu_hour: float | None = None  # in any currency

    def __post_init__(self):
        plain_numbers(self)
        for name in ("recipe", "gpu"):
            require(isinstance(getattr(self, name), str), name, getattr(self, name), "a name")
        check_choices(self, parallel=(None, "ddp", "fsdp"), precision=(None, "bf16", "float32"))
        check_flags(self, "recompute")
        for name in ("gpus", "nodes"):
            require(is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        for name in ("num_images", "batch_size", "micro_batch"):
            value = getattr(self, name)
            require(value is None or is_count(value), name, value, "a positive integer or None")
        for name in ("utilisation", "usable_memory"):
            value = getattr(self, name)
            left_open = value is None and name == "utilisation"
            require(left_open or (is_number(value) and 0 < value <= 1), name, value, "a number in (0, 1]")
        for name in ("epochs", "price_per_gpu_hour", "gpu_flops", "gpu_memory", "link"):
            value = getattr(self, name)
            require(value is None or (is_number(value) and value > 0), name, value, "a positive number or None")
        flops, memory = self.gpu_flops, self.gpu_memory  # TFLOP/s, or bytes, would plan a million times too much
        require(flops is None or flops >= 1e9, "gpu_flops", flops, "FLOP/s, 1e9 at least, such as 312e12")
        require(memory is None or memory < 2**20, "gpu_memory", memory, "GiB, below 2^20, such as 80")
        per_core = self.images_per_core
        require(is_number(per_core) and per_core > 0, "images_per_core", per_core, "a positive number")
        _card(self)


@dataclass(frozen=True)
class Plan:
    """What `plan` answers."""

    request: PlanRequest
    recipe: Recipe  # with the request's changes
    gpu: Gpu
    flops: float  # of a GPU at best
    utilisation: float
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
    kilowatt_hours: float | None  # of the GPUs alone, at their full power; None: it is not known
    cost: float | None
    network_bytes: dict[str, int]  # "ddp", "fsdp" -> bytes that each GPU sends per update
    link: float | None  # bytes/s of the slowest link on the way; None: one GPU, or not known

    @property
    def world_size(self) -> int:
        """Number of GPUs."""
        return self.request.gpus * self.request.nodes

    @property
    def update_seconds(self) -> float:
        """Of an update, if nothing has to be waited for."""
        return self.recipe.batch_size / self.images_per_second

    @property
    def network_seconds(self) -> float | None:
        """That the sums of an update need on the slowest link; None: one GPU, or the link is not known."""
        return None if self.link is None else self.network_bytes[self.recipe.run.parallel] / self.link

    @property
    def hidden_seconds(self) -> float:
        """Of computing, which the network can be busy beside: DDP the last micro-batch's backward, FSDP all."""
        how = self.recipe.run.parallel
        return self.update_seconds * (1 if how == "fsdp" else 2 / 3 / self.micro_steps[how])

    @property
    def fits(self) -> bool:
        """Whether the chosen way of sharing the work fits into the memory."""
        how = self.recipe.run.parallel
        return 0 < self.micro_batch[how] <= self.largest_micro_batch[how]


def plan(request: PlanRequest, recipe: Recipe | None = None) -> Plan:
    """The cost of `request`.     recipe: one that has no name in `list_recipes`, used in place of `request.recipe`

    Masked patch prediction is planned as if it classified.
    Raises ValueError for an unknown recipe, when the number of images or epochs is not known, and for what
    `vitedu train` would refuse (`check_shares`).
    """
    check_kind("request", request, PlanRequest)
    if recipe is not None:
        check_kind("recipe", recipe, Recipe)
    gpu, world = _card(request), request.gpus * request.nodes
    recipe = _changed(recipe or _find(request), request, gpu)
    config = recipe.model
    num_images = _number_of_images(request, recipe)
    run = replace(recipe.run, micro_batch=request.micro_batch or recipe.run.micro_batch)
    check_shares(replace(recipe, run=run), world, num_images or None)
    half = recipe.run.precision == "bf16"
    peak = gpu.bf16 if half else gpu.float32
    require(peak is not None, "precision", recipe.run.precision, f"'bf16' on {request.gpu}")
    flops = 1e12 * peak
    utilisation = request.utilisation or utilisation_of(config)

    parameters = sum(parameters_by_part(config).values())
    counted = count_step(config, half, recipe.run.recompute)
    usable = request.usable_memory * gpu.gib * _GIB
    share = recipe.batch_size // world
    memory, largest, micro, micro_steps, network = {}, {}, {}, {}, {}
    for how in ("ddp", "fsdp"):
        for accumulate in (False, True):  # accumulation takes memory: only where a GPU's share does not fit at once
            fixed, per_image = memory_parts(recipe, parameters, counted, how, world, accumulate)
            largest[how] = max(0, int((usable - sum(fixed.values())) // sum(per_image.values())))
            if largest[how] >= share and (request.micro_batch or recipe.run.micro_batch or share) >= share:
                break
        micro[how] = (
            request.micro_batch
            or recipe.run.micro_batch
            or _divisor(share, max(1, largest[how]), step=2 if recipe.data.mixup else 1)
        )
        micro[how] = min(micro[how], share)
        micro_steps[how] = math.ceil(share / micro[how])
        memory[how] = fixed | {part: micro[how] * n for part, n in per_image.items()}
        network[how] = network_bytes(parameters, how, world, micro_steps[how])

    macs = sum(macs_by_part(config).values())
    images_per_second = world * flops * utilisation / flops_per_image(recipe)
    steps = recipe.updates(num_images)
    hours = steps * recipe.batch_size / images_per_second / 3600
    price = request.price_per_gpu_hour
    return Plan(
        request=request,
        recipe=recipe,
        gpu=gpu,
        flops=flops,
        utilisation=utilisation,
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
        kilowatt_hours=None if gpu.watts is None else hours * world * gpu.watts / 1000,
        cost=None if price is None else hours * world * price,
        network_bytes=network,
        link=_link(request, gpu),
    )


def flops_per_image(recipe) -> float:
    """2 FLOPs a MAC; three forwards, a fourth where blocks are computed again."""
    return 2 * (4 if recipe.run.recompute else 3) * sum(macs_by_part(recipe.model).values())


def hours(recipe, request, num_images: int | None) -> float | None:
    """How long `plan` says the recipe takes on the request's GPUs, without its count of memory; None: it depends."""
    if num_images is None and recipe.steps is None:
        return None
    gpu = _card(request)
    single = recipe.run.precision == "float32" or not gpu.has_bf16
    flops = 1e12 * (gpu.float32 if single and gpu.float32 else gpu.bf16)
    images = recipe.updates(num_images or 0) * recipe.batch_size
    speed = request.gpus * request.nodes * flops * (request.utilisation or utilisation_of(recipe.model))
    return images * flops_per_image(recipe) / speed / 3600


def images_in(dataset: str) -> int | None:
    """Training images of a data set that recipes name; None: not known."""
    return _IMAGES.get(dataset)


def images_of(recipe) -> int | None:
    """Images that a recipe trains on, by what is known of its data; None: it is not."""
    data = recipe.data
    total = JFT_IMAGES if not data.dataset and "-jft" in recipe.name else images_in(data.dataset)
    return None if total is None else min(total - data.hold_out, data.train_images or total)


def utilisation_of(config) -> float:
    """Part of the peak FLOP/s that such a model reaches, before anybody has measured: 0.4, 0.23, 0.25.

    ViTs of Base's width and more: the paper's runs reached 32 to 43 % (`paper_utilisation`), one H100 37 %.  Narrower
    ones: 23 %, S/16 on that H100.  ResNets: 25 %, what the paper's core-days for BiT-L R152x4 mean at the 40 epochs
    that BiT's authors trained it.  A hybrid takes the time of both its parts.
    """
    kind = type(config).__name__
    if kind == "BiTConfig":
        return RESNET
    transformer = VIT if config.width >= 768 else NARROW
    if kind != "HybridConfig":
        return transformer
    parts = macs_by_part(config)
    inner = sum(macs_by_part(config.vit).values())
    total = sum(parts.values())
    return total / ((total - inner) / RESNET + inner / transformer)


def _card(request) -> Gpu:
    """The GPU that is asked for, with the request's changes."""
    known, r = known_gpus(request.gpu_list), request
    gpu = known.get(r.gpu.lower())
    if gpu is None:
        hint = did_you_mean(r.gpu, known)
        own = "another, with gpu_flops and gpu_memory"
        ok = r.gpu_flops is not None and r.gpu_memory is not None
        require(ok, "gpu", r.gpu, f"one of {', '.join(known)}, or {own}{'; ' + hint.strip() if hint else ''}")
        return Gpu(r.gpu_flops / 1e12, r.gpu_flops / 1e12, r.gpu_memory)
    own = {} if r.gpu_flops is None else {"bf16": r.gpu_flops / 1e12, "float32": r.gpu_flops / 1e12}
    return replace(gpu, **own, **({} if r.gpu_memory is None else {"gib": r.gpu_memory}))


def _link(request, gpu) -> float | None:
    if request.gpus * request.nodes == 1:
        return None
    found = request.link or (BETWEEN_NODES if request.nodes > 1 else gpu.link)
    return None if found is None else 1e9 * found


def _find(request) -> Recipe:
    if request.recipe in list_recipes() or is_recipe_file(request.recipe):
        return get_recipe(request.recipe)
    try:
        config = named_config(request.recipe)
    except ValueError:
        hint = did_you_mean(request.recipe, [*list_recipes(), *list_models()])
        allowed = f"a file, a recipe ({', '.join(list_recipes())}) or a model that `list_models()` has"
        raise ValueError(f"recipe={request.recipe!r} is not allowed; {hint}recipe must be {allowed}") from None
    require(request.epochs is not None, "epochs", None, "given, and num_images, for a model without a recipe")
    return Recipe(request.recipe, config, epochs=request.epochs)


def _changed(recipe, request, gpu) -> Recipe:
    run, r = recipe.run, request
    auto = "bf16" if gpu.has_bf16 else "float32"  # as training chooses on such a GPU
    run = replace(
        run,
        parallel=r.parallel or run.parallel,
        precision=r.precision or (auto if run.precision == "auto" else run.precision),
        recompute=r.recompute or run.recompute,
    )
    length = dict(epochs=r.epochs, steps=None) if r.epochs is not None else {}
    recipe = replace(recipe, run=run, batch_size=r.batch_size or recipe.batch_size, **length)
    require(run.precision in ("bf16", "float32"), "precision", run.precision, "'bf16' or 'float32'")
    ok = run.precision == "float32" or gpu.has_bf16
    require(ok, "precision", run.precision, f"'float32' on {r.gpu}, which has no bfloat16")
    return recipe


def _number_of_images(request, recipe) -> int:
    data = recipe.data
    known = JFT_IMAGES if not data.dataset and "-jft" in recipe.name else images_in(data.dataset)
    total = request.num_images or known
    if total is None and recipe.steps is not None:
        return 0  # nothing depends on it
    why = f"how many images {data.dataset!r} has is not known here" if data.dataset else f"{recipe.name} names no data"
    require(total is not None, "num_images", None, f"given: {why}")
    left = total - (data.hold_out if request.num_images is None else 0)
    require(left > 0, "hold_out", data.hold_out, f"less than the {total} images")
    some = data.train_images
    require(some is None or some <= left, "train_images", some, f"at most {left}: there are no more to choose from")
    return some or left


def _divisor(share, largest, step=1) -> int:
    """The largest number of images, of those that fit, that divides a GPU's share; a multiple of `step`."""
    return max((n for n in range(step, min(share, largest) + 1, step) if share % n == 0), default=step)


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
