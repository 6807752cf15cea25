"""What a job of a study starts from: the images and the split of its study."""

from collections.abc import Mapping
from pathlib import Path

from ..data.datasets import load_dataset
from ..data.images import ImageData
from ..data.listing import where
from ..data.splits import Split, make_split, read_split
from ..study.depends import asked_of
from ..study.grid import Box
from ..study.study import Study

__all__ = ["check_pool", "study_images", "study_split"]


def study_images(content: Mapping, study: Study, **options) -> ImageData:
    """The images of `study`; `content`: what its folders hold (`content_of`)."""
    places = study.values(["folder", "unlabelled_from", "data_root"])
    return load_dataset(**asked_of(study, Box("images")), **content, **places, **where(study), **options)


def study_split(path: str | Path, data: ImageData, study: Study, seed: str | int) -> Split:
    """The split at `path`, which must be of these images, this `seed` and the study's `valid_fraction`."""
    return read_split(path, data, seed=int(seed), valid_fraction=study.valid_fraction)


def check_pool(data: ImageData, study: Study) -> None:
    """`ConfigError` where one of the study's labelled fractions leaves too few images to pre-train on."""
    if study.pool == "rest" and study.unlabelled != ("0",):
        split = make_split(data, study.seeds[0], study.valid_fraction)  # of any seed: only counts matter
        for fraction in study.labelled:
            split.unlabelled(1, "rest", fraction)
