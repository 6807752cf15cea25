"""The size of images in pixels: one number for squares, else (height, width), as in fastai's `Resize`."""

from collections.abc import Iterable

__all__ = ["ImageSize", "image_size_of", "sides_of", "size_text"]

ImageSize = int | tuple[int, int]


def sides_of(size: "ImageSize | Iterable[int]") -> tuple[int, int]:
    """(height, width) of images of `size`."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def image_size_of(size: "ImageSize | Iterable[int]") -> ImageSize:
    """`size`, as it is stored and compared: 32 for 32 × 32 pixels, (24, 32) for 24 × 32. Of a list, too."""
    height, width = sides_of(size)
    return height if height == width else (height, width)


def size_text(size: ImageSize) -> str:
    """As a message has it, before the word pixels: 32, or 24 × 32 (height × width)."""
    return str(size) if isinstance(size, int) else " × ".join(map(str, size))
