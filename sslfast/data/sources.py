"""Where a study's images come from, by name or path. Without torch, so that the workflow can look before any job."""

import hashlib
from pathlib import Path

from ..errors import DataError
from ..files import user_path
from ..study.datasets import NAMED, SPLIT_OFF
from ..study.study import Study
from .listing import Listing, content_digest, look_below, paths_digest

__all__ = ["content_of", "source_content", "unlabelled_files"]


def content_of(study: Study, listing: Listing | None) -> dict:
    """What the images of `study` depend on beside what its config says: options of `load_dataset`.

    `listing`: of its folder, if it has one; where that holds no test images, how they are split off counts. A folder
    that moved has the same content.
    """
    found = {}
    if listing:
        found["content"] = content_digest(user_path(study.folder or "", "folder"), listing)
        if not listing.test:
            found |= study.values(SPLIT_OFF)
    if study.unlabelled_from:
        found["unlabelled_content"] = source_content(study.unlabelled_from, bool(study.follow_links))
    return found


def source_content(source: str | Path, follow_links: bool = False) -> str:
    """What identifies the images of `unlabelled_from`: the name of a data set in `NAMED`, or a digest of a folder.

    The digest changes with the name, size or date of any image, but not when the whole folder moves. Raises `DataError`
    if `source` is neither a data set nor a folder with images.
    """
    if str(source) in NAMED:
        return str(source)
    root = user_path(source, "unlabelled_from")
    digest = hashlib.sha256()
    paths_digest(digest, root, unlabelled_files(root, follow_links))
    return digest.hexdigest()[:16]


def unlabelled_files(root: Path, follow_links: bool = False) -> list[tuple[str, int, int]]:
    """All image files under `root`, at any depth: `(path, size, time in ns)`, sorted by path."""
    files = look_below(root, "unlabelled_from", f"a folder of images or one of {', '.join(NAMED)}", follow_links)
    if not files:
        raise DataError(
            f"unlabelled_from: found no images under {root}; expected PNG, JPEG, TIFF, WebP or other image files"
        )
    return files
