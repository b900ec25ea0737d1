"""A microscope for one image: choose a token, a block, a head; see whom it asks, and what that does to the answer.

`microscope` is live, in JupyterLab; `draw_microscope` draws what it shows, for a printed page.  Everything is computed
in NumPy; no PyTorch is needed.  Used in notebooks/21_inside.ipynb.

Shapes: `C H W` image, `gh gw` grid of patches, `h` heads, `T` tokens, `K` classes.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np

from vitedu_numpy.extras import advice, naming_extras

from .axes import COLOURS
from .figures import grid_lines
from .figures import image as draw_image

__all__ = ["Microscope", "Slide", "View", "draw_microscope", "microscope"]


class View(NamedTuple):
    """What is seen of one head, as arrays."""

    image: np.ndarray  # (C, H, W) in [-1, 1]
    attention: np.ndarray  # (gh, gw): whom the token asks, among the patches
    gradient: np.ndarray  # (gh, gw): how much the target's logit grows with each of these weights
    class_token: tuple[float, float] | None  # the same two numbers for the class token, where there is one
    logits: np.ndarray  # (K,)
    without: np.ndarray  # (K,): the logits with this head switched off
    names: tuple[str, ...]  # of the K classes
    block: int
    head: int
    query: str | tuple[int, int]  # who asks: "class", or a patch (row, column)
    target: int  # the class whose logit is looked at


class Slide:
    """A model and an image, prepared: a forward pass, then one backward per class and one forward per head, as asked.

    model: a ViT or a Hybrid of either package (one of PyTorch is copied into NumPy); image (C, H, W) or (1, C, H, W) in
    [-1, 1]; names: of the classes, else `model.classes`, else numbers.  `slide.view(block=0, head=2, query=(3, 4))`.
    Raises TypeError for a model without attention, ValueError for another shape, or a wrong number of names.
    """

    def __init__(self, model, image, names=None):
        from vitedu_numpy import inspect

        if isinstance(model, type) or not hasattr(model, "config"):
            raise TypeError(f"model is a {type(model).__name__}; expected a ViT or a Hybrid of either package")
        self.config = model.config
        self.grid, self.first, _ = inspect.layout(self.config)
        if names is not None and not isinstance(names, list | tuple):
            raise TypeError(f"names is a {type(names).__name__}; expected a list of names, one per class")
        names = getattr(model, "classes", None) if names is None else names
        K = self.config.num_classes
        self.names = tuple(f"class {k}" for k in range(K)) if names is None else tuple(map(str, names))
        if len(self.names) != K:
            raise ValueError(f"names has {len(self.names)} entries; expected {K}, one per class")
        self.model = _in_numpy(model)
        image = inspect.as_array(image, "image")
        self.images = image[None] if image.ndim == 3 else image  # (1, C, H, W)
        if self.images.ndim != 4 or len(self.images) != 1:
            raise ValueError(f"image has shape {image.shape}; expected (C, H, W) or (1, C, H, W): one image")
        self.record = inspect.Only("attention/A")
        (self.logits,) = self.model(self.images, self.record)  # (K,)
        self.maps = [A[0] for A in inspect.attention_maps(self.record)]  # L arrays (h, T, T)
        self._gradients, self._without = {}, {}

    def view(self, block=0, head=0, query="class", target=None) -> View:
        """What is to be seen of one head.  query: "class" or (row, column); target: a class, None for the highest."""
        token = self.token(query)
        target = int(self.logits.argmax()) if target is None else target
        without = self.without(block, head)  # refuses an unknown head
        A, dA = self.maps[block][head, token], self.gradients(target)[block][head, token]  # each (T,)
        return View(
            image=self.images[0],
            attention=A[self.first :].reshape(self.grid),
            gradient=dA[self.first :].reshape(self.grid),
            class_token=(float(A[0]), float(dA[0])) if self.first else None,
            logits=self.logits,
            without=without,
            names=self.names,
            block=block,
            head=head,
            query=query,
            target=target,
        )

    def token(self, query) -> int:
        """The number of the token that asks."""
        gh, gw = self.grid
        if isinstance(query, str):
            if query == "class" and self.first:
                return 0
        elif isinstance(query, tuple | list) and len(query) == 2 and query[0] in range(gh) and query[1] in range(gw):
            return self.first + query[0] * gw + query[1]
        allowed = "'class' or " * self.first + f"(row, column) in a grid of {gh} x {gw}"
        raise ValueError(f"query={query!r} is not allowed; query must be {allowed}")

    def gradients(self, target) -> list[np.ndarray]:
        """dA of every block for one class, L arrays (h, T, T); those of the last class asked for are kept."""
        from vitedu_numpy import inspect

        if target not in self._gradients:
            found = inspect.attention_gradients(self.model, self.images, target)
            self._gradients = {target: [dA[0] for dA in found]}
        return self._gradients[target]

    def without(self, block, head) -> np.ndarray:
        """The logits (K,) with one head switched off, kept from the first time on."""
        from vitedu_numpy import inspect

        if (block, head) not in self._without:
            (self._without[block, head],) = inspect.without_heads(self.model, (block, head))(self.images)
        return self._without[block, head]


@naming_extras()
def draw_microscope(view, axes=None, show=6):
    """A `View` on four axes: the patches that are asked, their weights, dlogit/dA, and the logits without the head.

    show: of how many classes, the highest ones.
    """
    if axes is None:
        import matplotlib.pyplot as plt

        axes = _four_axes(plt.figure(figsize=(11, 3), layout="constrained"))
    over, weights, slopes, answers = axes
    _, H, W = view.image.shape
    gh, gw = view.attention.shape
    P = H // gh
    light = np.kron(view.attention / (view.attention.max() or 1), np.ones((P, W // gw)))  # (H, W) in [0, 1]
    asks = "class token" if view.query == "class" else f"patch {tuple(view.query)}"
    draw_image(over, (view.image + 1) * (0.15 + 0.85 * light) - 1, f"block {view.block}, head {view.head}\n{asks} asks")
    grid_lines(over, H, W, P, color="0.5")
    rest = ["", ""] if view.class_token is None else [f"\n(class token: {x:+.2g})" for x in view.class_token]
    most = np.abs(view.gradient).max() or 1
    slope = f"d({view.names[view.target]})/dA"
    for ax, x, title, options in (
        (weights, view.attention, "A" + rest[0], {"vmin": 0, "cmap": "viridis"}),
        (slopes, view.gradient, slope + rest[1], {"vmin": -most, "vmax": most, "cmap": "RdBu_r"}),
    ):
        shown = ax.imshow(x, interpolation="nearest", **options)
        ax.figure.colorbar(shown, ax=ax, shrink=0.7)
        ax.set(xticks=[], yticks=[], title=title)
    if view.query != "class":
        row, column = view.query
        for ax, side in ((over, P), (weights, 1), (slopes, 1)):
            corner = (column * side - 0.5, row * side - 0.5)
            ax.add_patch(_rectangle(corner, side))
    chosen = np.argsort(-view.logits, kind="stable")[:show]
    if view.target not in chosen:
        chosen = [*chosen[:-1], view.target]
    places = np.arange(len(chosen))
    answers.barh(places, view.logits[chosen], color="0.75", label="all heads")
    answers.plot(view.without[chosen], places, "D", color=COLOURS[1], label="without this head")
    answers.set(yticks=places, xlabel="logit", title="the answer")
    answers.set_yticklabels([view.names[k] for k in chosen])
    answers.axvline(0, color="0.3", lw=0.8)
    answers.invert_yaxis()
    answers.legend(frameon=False, fontsize=8)
    return axes


def microscope(model, image, names=None) -> Microscope:
    """The microscope itself, for JupyterLab: as the last line of a cell it shows itself.  Arguments as in `Slide`.

    Raises ModuleNotFoundError where ipywidgets is not installed.
    """
    return Microscope(Slide(model, image, names))


class Microscope:
    """Sliders, and the picture of what they choose.  `view`: the arrays that are shown; `controls`: the sliders."""

    def __init__(self, slide):
        widgets = _ipywidgets()
        self.slide = slide
        (gh, gw), c = slide.grid, slide.config

        def slider(name, largest):
            return widgets.IntSlider(description=name, min=0, max=largest, continuous_update=False)

        asks = (["class token"] if slide.first else []) + ["patch"]
        self.controls = {
            "block": slider("block", c.depth - 1),
            "head": slider("head", c.heads - 1),
            "asks": widgets.Dropdown(description="who asks", options=asks),
            "row": slider("row", gh - 1),
            "column": slider("column", gw - 1),
            "target": widgets.Dropdown(
                description="class", options=[(name, k) for k, name in enumerate(slide.names)],
                value=int(slide.logits.argmax()),
            ),
        }  # fmt: skip
        self.picture = widgets.Image(format="png", layout={"width": "880px", "max_width": "100%"})
        self.box = widgets.VBox([widgets.VBox(list(self.controls.values())), self.picture])
        for control in self.controls.values():
            control.observe(lambda change: self.redraw(), names="value")
        self.redraw()

    def redraw(self) -> None:
        """Look again, and draw what is seen."""
        chosen = {name: control.value for name, control in self.controls.items()}
        of_class = chosen["asks"] == "class token"
        for name in ("row", "column"):
            self.controls[name].disabled = of_class
        query = "class" if of_class else (chosen["row"], chosen["column"])
        self.view = self.slide.view(chosen["block"], chosen["head"], query, chosen["target"])
        self.picture.value = _png(self.view)

    def _repr_mimebundle_(self, **options):
        """What JupyterLab asks for."""
        return self.box._repr_mimebundle_(**options)


# ---- parts ----------------------------------------------------------------------------------------------------------


def _in_numpy(model):
    """The model itself where it is NumPy's, else its copy there; as for evaluation."""
    if hasattr(model, "replica"):
        return model.replica().eval()
    from vitedu_numpy.inspect import as_array
    from vitedu_numpy.models import build

    state = {name: as_array(value) for name, value in model.state_dict().items()}
    twin = build(model.config, rng=0, dtype=np.result_type(*state.values()))
    twin.load_state_dict(state)
    return twin.eval()


def _ipywidgets():
    try:
        import ipywidgets
    except ModuleNotFoundError as error:
        hint = "start JupyterLab again after it; draw_microscope(Slide(...).view(...)) needs none"
        raise ModuleNotFoundError(f"the microscope: {advice(error)}; {hint}", name=error.name) from error
    return ipywidgets


def _four_axes(figure):
    return figure.subplots(1, 4, width_ratios=(1, 1.15, 1.15, 1))


def _rectangle(corner, side):
    """The outline of the patch that asks."""
    from matplotlib.patches import Rectangle

    return Rectangle(corner, side, side, fill=False, ec=COLOURS[1], lw=2)


@naming_extras()
def _png(view) -> bytes:
    """The picture as a file; without pyplot, so that no figure stays open."""
    from matplotlib.figure import Figure

    figure, file = Figure(figsize=(11, 3), layout="constrained", dpi=160), io.BytesIO()  # twice the 880 pixels
    draw_microscope(view, _four_axes(figure))
    figure.savefig(file, format="png")
    return file.getvalue()
