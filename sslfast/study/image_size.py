"""The size of images in pixels: one number for squares, else (height, width), as in fastai's `Resize`."""

from collections.abc import Iterable, Mapping
from numbers import Integral

from ..errors import ConfigError, shown

__all__ = ["SMALLEST", "ImageSize", "checked_size", "image_size_of", "sides_of", "size_text"]

ImageSize = int | tuple[int, int]
SMALLEST = 8  # pixels of a side


def sides_of(size: ImageSize | Iterable[int]) -> tuple[int, int]:
    """(height, width) of images of `size`."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def image_size_of(size: ImageSize | Iterable[int]) -> ImageSize:
    """`size`, as it is stored and compared: 32 for 32 × 32 pixels, (24, 32) for 24 × 32. Of a list, too."""
    height, width = sides_of(size)
    return height if height == width else (height, width)


def checked_size(size: object) -> ImageSize:
    """The same of whatever a person gave. Raises `ConfigError` for what is no size, or too small."""
    sides = (size, size) if isinstance(size, Integral) else size
    listed = list(sides) if isinstance(sides, Iterable) and not isinstance(sides, str | bytes | Mapping) else []
    whole = [int(side) for side in listed if isinstance(side, Integral) and not isinstance(side, bool)]
    if len(listed) != 2 or len(whole) != 2 or min(whole) < SMALLEST:
        raise ConfigError(f"image_size: found {shown(size)}, expected {SMALLEST} pixels or more, or (height, width)")
    return image_size_of(whole)


def size_text(size: ImageSize) -> str:
    """As a message has it, before the word pixels: 32, or 24 × 32 (height × width)."""
    return str(size) if isinstance(size, int) else " × ".join(map(str, size))
