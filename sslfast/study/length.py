"""How long a network is trained: for a number of updates that the labels decide, or for passes over its images."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ConfigError

__all__ = [
    "BUDGETS",
    "ENCODER_UPDATES",
    "FULL",
    "HALF",
    "LENGTHS",
    "MOMENTS",
    "PASSES",
    "Length",
    "enough_updates",
    "length_of",
]

BUDGETS = ("updates", "epochs")  # what the length of training is counted in
MOMENTS = 40  # validations in a fit counted in updates: enough for a curve, and few enough for small sets
ENCODER_UPDATES = 4000
# A run is as long as its study says (FULL), or shorter, to see whether that changes a result (docs/design.md): HALF as
# long, or with as many passes over its unlabelled images as the encoder that sees the most (PASSES).
FULL, HALF, PASSES = "full", "half", "passes"
LENGTHS = (FULL, HALF, PASSES)


@dataclass(frozen=True)
class Length:
    """A fit of `rounds`, each of which ends with a validation (fastai calls them epochs).

    `batches`: updates a round; None with `budget: epochs`, where a round is one pass over the images. `batch_size`:
    images a batch. `amount`: the length asked for, in updates or epochs; there may be a few more updates than that,
    since all rounds have the same number.
    """

    rounds: int
    batches: int | None
    batch_size: int
    amount: int

    def passes(self, n: int) -> float:
        """How often the fit sees each of `n` images."""
        return self.images(n) / n

    def images(self, n: int) -> int:
        """Training images that the fit sees, of `n` different ones."""
        if self.batches:
            return self.rounds * self.batches * self.batch_size
        # a last batch of one image, which BatchNorm cannot normalise, is left out
        return self.rounds * (n - (n > self.batch_size and n % self.batch_size == 1))


def enough_updates(n_labelled: int) -> int:
    """Updates from which twice as many mostly gained arms over `original` less than two points
    (benchmarks/README.md)."""
    return max(2000, 1000 * round(2 * (n_labelled / 900) ** (2 / 3)))


def length_of(stage: str, settings: Mapping, budget: str, n: int, batch_size: int, length: str = FULL) -> Length:
    """How long `stage` trains on `n` images: its `epochs` with `budget` epochs, else its `updates`; one round at least.

    `settings`: those of training, and for a shorter run its `share` of that length; `length`: which of `LENGTHS` it is.
    `updates: auto` is `enough_updates(n)`, for encoders `ENCODER_UPDATES` with any number of images, so that more
    images do not mean more training. `2x` is twice that. Raises `ConfigError` for an unknown budget.
    """
    if budget not in BUDGETS:
        raise ConfigError(f"budget: found {budget!r}, expected {' or '.join(BUDGETS)}")
    share = settings.get("share", 1)
    if length == PASSES and n < batch_size:  # a batch holds every image, so that an update is a whole pass
        share *= min(batch_size, n / share) / n
    if budget == "epochs":
        epochs = max(1, math.floor(settings["epochs"] * share))
        return Length(epochs, None, batch_size, epochs)
    updates = settings["updates"]
    if isinstance(updates, str):
        times = 1 if updates == "auto" else float(updates.removesuffix("x"))
        updates = times * (ENCODER_UPDATES if stage == "pretrain" else enough_updates(n))
    updates = max(1, round(updates * share))
    batches = math.ceil(updates / MOMENTS)
    return Length(math.ceil(updates / batches), batches, min(batch_size, n), updates)
