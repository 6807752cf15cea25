"""What a figure says of itself, so that one file is all that it takes to add one."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from .drawing import Drawing
from .material import Material

__all__ = ["CATEGORIES", "PARTS", "Figure"]

PARTS = {  # parts of the page in their order: id, heading
    "made_of": "What it is made of",
    "unlabelled": "What unlabelled images add",
    "against": "Is it better than training on the labels alone?",
    "training": "How training goes",
    "time": "What it costs in time",
    "amounts": "How much data a score takes",
    "images": "What it looks like",
}
CATEGORIES = ("Verdict", "Accuracy", "Time", "Data needed", "Images")  # of Snakemake's report


@dataclass(frozen=True)
class Figure:
    """A figure of the report. Its name is its file's; the docstring of the file is its caption in Snakemake's report.

    `part`, `place`: where it stands on the page, one of `PARTS` and a number in it; `category`: in Snakemake's report.
    `says`: whether there is anything to show; if not, both reports leave the figure out. `draw`, `numbers` (to take
    along) and `caption` (the claim first, then what it rests on, and what it does not show) are asked only if there is.
    `every`: whether it shows any number of fractions; others get as many as a person can read (see `few`).
    """

    heading: str
    part: str
    place: int
    category: str
    says: Callable[[Material], bool]
    draw: Callable[[Material], Drawing]
    numbers: Callable[[Material], pd.DataFrame]
    caption: Callable[[Material], str]
    every: bool = False

    def __post_init__(self):
        if self.part not in PARTS or self.category not in CATEGORIES:
            found = f"{self.heading}: found part {self.part!r} and category {self.category!r}"
            raise ValueError(f"{found}, expected one of {', '.join(PARTS)} and one of {', '.join(CATEGORIES)}")
