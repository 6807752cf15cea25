"""What a figure is made of: the results as far as it can show them, all of them, and images."""

from dataclasses import dataclass

import numpy as np

from ..analysis.intervals import MIN_SEEDS
from ..analysis.results import Results
from ..analysis.words import plural, seeds
from ..study.examples import Examples
from .trust import devices

__all__ = ["NO_EXAMPLES", "Material"]

NO_EXAMPLES = Examples((), np.empty((0, 0, 0, 3), np.uint8), pictures=[], outcomes={}, embeddings=[])


@dataclass(frozen=True)
class Material:
    """`shown`: the results with as many fractions as a figure can show; `whole`: with all, as captions tell them.

    `examples`: images, or `NO_EXAMPLES`. The properties are what captions say alike.
    """

    shown: Results
    whole: Results
    examples: Examples = NO_EXAMPLES

    @property
    def metric(self) -> str:
        """The score of the study's verdicts, without `test_`."""
        return self.whole.settings.metric.removeprefix("test_")

    @property
    def any_score(self) -> bool:
        """Whether any run finished."""
        return bool((self.whole.tables["scores"].n_seeds > 0).any())

    @property
    def seeds(self) -> str:
        return seeds(self.whole.cells.seed.nunique())

    @property
    def base(self) -> str:
        """What test scores rest on."""
        return f"{self.seeds}; {int(self.whole.cells.n_test.max()):,} test images"

    @property
    def interval(self) -> str:
        enough = self.whole.cells.seed.nunique() >= MIN_SEEDS
        return "95 % intervals over seeds" if enough else "too few seeds for intervals"

    @property
    def machine(self) -> str:
        return f"{devices(self.whole.cells)}, {plural(int(self.whole.cells.threads.max()), 'thread')} per job"
