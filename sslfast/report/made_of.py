"""What a study is made of, as the first screen of its report says it in few lines."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..data.found import found_parts
from ..study.image_size import sides_of

__all__ = ["MadeOf", "made_of", "seen_as"]

_FITS = {
    "crop": "of those that are not {shape}, the centre",
    "pad": "those that are not {shape} stand between black bars",
    "squash": "those that are not {shape} are squeezed",
}


@dataclass(frozen=True)
class MadeOf:
    """`first`: how many images, and how networks see them; `classes`: images a class; `others`: what was decided and
    left out, and warnings."""

    first: str
    classes: str
    others: list[str]


def made_of(images: Mapping) -> MadeOf | None:
    """Of `ImageData.summary`; None where that does not count images by class."""
    if "by_class" not in images:
        return None
    found, classes, others = found_parts(images)
    if images["n_unlabelled_only"]:
        found += f" {others.pop(0)}"
    return MadeOf(f"{found}, seen as {seen_as(images)}", "; ".join(classes), others)


def seen_as(images: Mapping) -> str:
    """Size, colour and, of files, what becomes of images of another shape."""
    size, fit = images["image_size"], images["notes"].get("fit")
    colour = "grey" if images["channels"] == 1 else "colour"
    high, wide = sides_of(size)
    shape = "square" if high == wide else "of this shape"
    fitted = f"; {_FITS[fit].format(shape=shape)} (fit: {fit})" if fit in _FITS else ""
    return f"{high} × {wide} pixels in {colour}{fitted}"
