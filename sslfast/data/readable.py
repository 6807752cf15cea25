"""Which formats the installed Pillow reads, and what is wrong with a file that it cannot read."""

import functools
from collections import Counter

from PIL import Image

from ..errors import printable
from .formats import kind_of_file, plural

__all__ = ["formats", "others_like_it", "what_is_wrong"]

NEVER = {"EPS", "WMF", "PDF", "BUFR", "GRIB", "HDF5", "MPEG"}  # Pillow would start Ghostscript on an EPS file
_NO_IMAGES = (
    *("empty file", "file of zeros", "HTML page", "XML document", "SVG drawing", "text file", "Git LFS pointer"),
    *("ZIP archive", "gzip archive", "RAR archive", "PDF", "PostScript", "Windows metafile", "DICOM file", "video"),
)


@functools.cache
def formats() -> tuple[str, ...]:
    """The names of the formats that are opened, the usual ones first."""
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
    except ImportError:
        pass
    Image.preinit()
    first = [name for name in Image.OPEN if name not in NEVER]  # the usual ones
    Image.init()
    return (*first, *(name for name in Image.OPEN if name not in NEVER and name not in first))


def what_is_wrong(path: str, error: Exception) -> str:
    """Why `path` cannot be read, in a few words: its kind if it is no readable image, else Pillow's `error`."""
    kind = kind_of_file(path)
    if kind == "HEIC" and "HEIF" not in formats():
        return "it is HEIC, which needs pillow-heif: pip install 'sslfast[heic]'"
    if kind and not _readable(kind):
        return f"it is {'an' if kind.startswith(('empty', 'HTML', 'XML', 'SVG')) else 'a'} {plural(kind, 1)[2:]}"
    return printable((str(error).splitlines() or [type(error).__name__])[0][:120])


def others_like_it(paths: list[str]) -> str:
    """How many of `paths` are no readable images, by kind, as part of an error message; "" if it is only one."""
    kinds = Counter(kind for kind in map(kind_of_file, paths) if kind and not _readable(kind))
    if kinds.total() < 2:
        return ""
    return f" of {len(paths):,} files, {', '.join(plural(kind, n) for kind, n in kinds.most_common())};"


def _readable(kind: str) -> bool:
    """Whether files of this kind are images that Pillow, as it is installed, reads."""
    if kind in _NO_IMAGES:
        return False
    return {"HEIC": "HEIF", "JPEG XL": "JXL", "AVIF": "AVIF"}.get(kind, "PNG") in formats()
