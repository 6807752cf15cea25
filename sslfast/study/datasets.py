"""The data sets that a config can name: an entry each, and a loader in `sslfast/data/`. No torch."""

from dataclasses import dataclass

from .image_size import sides_of
from .source import Source
from .study import Study

__all__ = [
    "FILE_KEYS",
    "FOLDER_KEYS",
    "NAMED",
    "SPLIT_OFF",
    "WHICH_FILES",
    "DataSet",
    "dataset_names",
    "image_keys",
    "image_shape_of",
]

FOLDER = "folder"  # a person's own images
# Which files are images. Jobs depend on a digest of the folder's content in their place.
WHICH_FILES = ("folder", "labels", "image_column", "class_column", "follow_links")
# How a file becomes an image, also one of `unlabelled_from`.
FILE_KEYS = ("on_bad_image", "fit", "max_megapixels")
FOLDER_KEYS = ("image_size", "channels", *FILE_KEYS)
# How test images are split off, where there are none of their own.
SPLIT_OFF = ("test_fraction", "test_seed")


@dataclass(frozen=True)
class DataSet:
    """A data set by name.

    `n_images`: how many it has, all parts together; `side`: of its square images, in pixels; `channels`: 1 or 3.
    `loader`: the function that reads it, called as `load(root, options, progress)` with the folder of all data sets, an
    `ImageOptions`, and a stream for a progress bar or None; it gives `sslfast.data.images.Arrays`. `mirrored`: whether
    a mirrored image shows the same thing (a mirrored 2 is no 2), so that augmentation flips. `keys`: the keys of the
    config that its images depend on; if `image_size` is one, images are scaled down to it from `side`.
    """

    n_images: int
    side: int
    channels: int
    loader: Source
    mirrored: bool = True
    keys: tuple[str, ...] = ()


def _torchvision(name: str) -> Source:
    return Source("sslfast.data.torchvision_sets", name)


NAMED = {
    "digits": DataSet(1_797, 8, 1, Source("sslfast.data.digits", "digits"), mirrored=False, keys=SPLIT_OFF),
    "mnist": DataSet(70_000, 28, 1, _torchvision("mnist"), mirrored=False),
    "fashion_mnist": DataSet(70_000, 28, 1, _torchvision("fashion_mnist"), mirrored=False),
    "cifar10": DataSet(60_000, 32, 3, _torchvision("cifar10")),
    "cifar100": DataSet(60_000, 32, 3, _torchvision("cifar100")),
    "svhn": DataSet(99_289, 32, 3, _torchvision("svhn"), mirrored=False),
    "stl10": DataSet(113_000, 96, 3, _torchvision("stl10"), keys=("image_size",)),
}


def dataset_names() -> tuple[str, ...]:
    """What a config's `dataset` may be."""
    return (*NAMED, FOLDER)


def image_keys(dataset: str) -> tuple[str, ...]:
    """Keys of the config that the images of `dataset` depend on, one of `NAMED` or `folder`."""
    return FOLDER_KEYS if dataset == FOLDER else NAMED[dataset].keys


def image_shape_of(study: Study) -> tuple[int, int, int]:
    """(C, H, W) of the images of `study`."""
    height, width = sides_of(study.image_size or NAMED[study.dataset].side)
    return study.channels or NAMED[study.dataset].channels, height, width
