"""What a job of a study starts from: the images and the split that its config describes."""

from collections.abc import Mapping
from pathlib import Path

from ..data.datasets import load_dataset
from ..data.images import ImageData
from ..data.listing import where
from ..data.splits import Split, make_split, read_split
from ..study.depends import asked_of
from ..study.grid import Box

__all__ = ["check_pool", "study_images", "study_split"]


def study_images(content: Mapping, config: Mapping, **options) -> ImageData:
    """The images of the study that a checked `config` describes; `content`: what its folders hold (`content_of`)."""
    places = {"folder": config["folder"], "unlabelled_from": config["unlabelled_from"]}
    asked = asked_of(config, Box("images"))
    return load_dataset(**asked, **content, **places, **where(config), data_root=config["data_root"], **options)


def study_split(path: str | Path, data: ImageData, config: Mapping, seed: str | int) -> Split:
    """The split at `path`, which must be of these images, this `seed` and the config's `valid_fraction`."""
    return read_split(path, data, seed=int(seed), valid_fraction=config["valid_fraction"])


def check_pool(data: ImageData, config: Mapping) -> None:
    """`ConfigError` where one of the study's labelled fractions leaves too few images to pre-train on."""
    if config["pool"] == "rest" and config["unlabelled"] != ["0"]:
        split = make_split(data, config["seeds"][0], config["valid_fraction"])  # of any seed: only counts matter
        for fraction in config["labelled"]:
            split.unlabelled(1, "rest", fraction)
