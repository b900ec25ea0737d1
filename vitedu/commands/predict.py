"""`vitedu predict FROM photo.jpg ...`: what photographs show."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
import sys
from typing import Annotated

from .arguments import Usage, read, writable

__all__ = ["predict"]


def predict(arguments) -> int:
    """Returns 0 if every image could be read, else 1; the others are predicted all the same."""
    import tyro

    def predict(
        model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FROM")],
        images: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IMAGE")] = (),
        *,
        top: int = 5,
        out: str = "",
    ):
        """The likeliest classes of images, by name.

        Args:
            model: a run's folder, a file of weights, a name such as vit_cifar10, or a hub name.
            images: image files.
            top: so many classes of each.
            out: where to draw the images with bars; its ending says the format.
        """
        return model, images, top, out

    source, paths, top, out = read(predict, arguments, "vitedu predict")
    if out:
        from ..engine.runs import picture_endings

        writable(out, folder=False, endings=picture_endings())
    if not paths:
        raise Usage("IMAGE is missing; `vitedu predict FROM photo.jpg` names what a photograph shows")
    if top < 1:
        raise Usage(f"top={top} is not allowed; top must be a positive integer")
    from ..data.sample import UnreadableImage
    from ..evaluation.load import load

    model, found = load(source), []
    for path in paths:
        try:
            found.append(model.predict(path, top))
        except IsADirectoryError:
            print(f"vitedu: {path}: this is a folder; name the images in it, as {path}/*.jpg does", file=sys.stderr)
        except OSError as error:
            print(f"vitedu: {path}: {error.strerror or error}", file=sys.stderr)
        except UnreadableImage as error:
            print(f"vitedu: {error}", file=sys.stderr)
        else:
            print(found[-1])
    if out and found:
        from ..data.decode import decode
        from ..show.figures import save_predictions

        pixels = []
        for prediction in found:
            with open(prediction.image, "rb") as file:
                pixels.append(decode(file.read()))
        save_predictions(pixels, [(p.image, p.names, p.probabilities) for p in found], out)
        print(f"picture: {out}")
    return 0 if len(found) == len(paths) else 1
