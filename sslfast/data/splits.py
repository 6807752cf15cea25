"""Splits: which training images are validation, and the order in which images become labelled.

A split belongs to one data set and seed. It stores *orders*, not subsets: the subset at fraction
f is the front of an order, so a larger fraction always contains the smaller one. Orders are
stratified: images of every class are spread evenly along them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ConfigError, DataError, RecordError
from ..files import CHECKSUM, replacing, verify
from ..seeds import derive_seed
from ..study import fractions

__all__ = ["POOLS", "Split", "make_split", "read_split", "split_off", "stratified_order", "write_split"]

POOLS = ("all", "rest")
NO_RANK = -1
MIN_UNLABELLED = 2  # BatchNorm cannot normalise a batch of one image


@dataclass(frozen=True)
class Split:
    """`table` has one row per training image: index, class, role (`train` or `valid`), labelled_rank, unlabelled_rank.

    Ranks are positions in the two orders, −1 for images that are not in them: validation images are in neither, images
    without a label (class −1) are not in the labelled one. `mean` and `std` (one value per channel, pixels in [0, 1])
    are over all images with the role `train`. With `unlabelled_elsewhere` (see `sslfast.data.elsewhere`), only images
    without a label have an unlabelled rank, and `mean` and `std` are over the labelled ones.
    """

    dataset: str
    fingerprint: str
    seed: int
    valid_fraction: float
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    table: pd.DataFrame
    unlabelled_elsewhere: bool = False

    @property
    def valid(self) -> np.ndarray:
        """Indices of the validation images."""
        return self._rows(self.table.role == "valid")

    @property
    def n_labelled(self) -> int:
        """The number of labelled images at fraction 1."""
        return int((self.table.labelled_rank >= 0).sum())

    def labelled(self, fraction: object) -> np.ndarray:
        """Indices of the labelled images at `fraction`, in the labelled order.

        The first round(fraction · n) images of the order, and the first image of every class that has none among them.
        """
        rows = self.table[self.table.labelled_rank >= 0].sort_values("labelled_rank")
        front = rows.labelled_rank < fractions.count(fraction, len(rows))
        first_of_class = ~rows["class"].duplicated()
        return rows["index"][front | first_of_class].to_numpy(copy=True)

    def n_rounded_up(self, fraction: object) -> int:
        """How many images `labelled(fraction)` holds only because every class needs one."""
        return len(self.labelled(fraction)) - fractions.count(fraction, self.n_labelled)

    def pool(self, pool: str = "all", labelled: object = 0) -> np.ndarray:
        """Indices of the images that can be used without labels, in the unlabelled order.

        `all`: every training image, its label ignored; `rest`: those that are not labelled at fraction `labelled`. With
        `unlabelled_elsewhere`, both are the images from elsewhere. Raises `ConfigError` for another `pool`.
        """
        if pool not in POOLS:
            raise ConfigError(f"pool: found {pool!r}, expected one of {', '.join(POOLS)}")
        rows = self.table[self.table.unlabelled_rank >= 0].sort_values("unlabelled_rank")["index"].to_numpy(copy=True)
        return rows if pool == "all" else rows[~np.isin(rows, self.labelled(labelled))]

    def samples(self, n: int) -> np.ndarray:
        """Positions in `valid` of `n` images (at most all), evenly spaced, since images are often sorted by class."""
        return np.linspace(0, len(self.valid) - 1, min(n, len(self.valid))).round().astype(np.int64)

    def unlabelled(self, fraction: object, pool: str = "all", labelled: object = 0) -> np.ndarray:
        """Indices of the unlabelled images at `fraction` of the pool; at least two, or none at 0.

        Raises `ConfigError` if the pool is too small (`rest` where all images are labelled).
        """
        rows = self.pool(pool, labelled)
        n = fractions.count(fraction, len(rows))
        if fractions.canonical(fraction) == "0":
            return rows[:0]
        if len(rows) < MIN_UNLABELLED:
            raise ConfigError(
                f"pool: {pool} leaves {len(rows)} unlabelled images at labelled {labelled};"
                " use a smaller labelled fraction or pool: all"
            )
        return rows[: max(n, MIN_UNLABELLED)]

    def _rows(self, mask) -> np.ndarray:
        return self.table["index"][mask].to_numpy(copy=True)


def make_split(data, seed: int, valid_fraction: float = 0.1) -> Split:
    """The split of `data` (an `ImageData`) under `seed`, `valid_fraction` of each class set aside.

    Every class keeps at least one validation and one training image. If the data set has validation images of its own,
    these are used, whatever `valid_fraction` and `seed`.
    Raises `DataError` if a class has fewer than two images, `ConfigError` for a `valid_fraction`
    outside (0, 1).
    """
    y = data.train.y.numpy()
    is_valid = np.zeros(len(y), dtype=bool)
    if data.valid_rows:
        is_valid[slice(*data.valid_rows)] = True
    for label, name in enumerate(data.classes):
        if (found := int((y == label)[~is_valid].sum())) < 2 - bool(data.valid_rows):
            raise DataError(
                f"dataset: class {name} of {data.name} has {found} training images, expected at least 2"
                " (one each for training and validation)"
            )
    if not data.valid_rows:
        is_valid[split_off(y, valid_fraction, seed, "valid")] = True
    labelled = _ranks(~is_valid & (y >= 0), y, seed, "labelled")
    in_pool = ~is_valid & (y < 0) if data.unlabelled_elsewhere else ~is_valid
    unlabelled = _ranks(in_pool, y, seed, "unlabelled")
    data.train.check()
    table = pd.DataFrame(
        {
            "index": np.arange(len(y)),
            "class": y,
            "role": np.where(is_valid, "valid", "train"),
            "labelled_rank": labelled,
            "unlabelled_rank": unlabelled,
        }
    )
    own = ~is_valid & (y >= 0) if data.unlabelled_elsewhere else ~is_valid
    mean, std = _statistics(data.train.x, np.flatnonzero(own))
    about = (data.name, data.fingerprint, seed, valid_fraction, data.classes, mean, std)
    return Split(*about, table, data.unlabelled_elsewhere)


def split_off(y: np.ndarray, fraction: float, seed: int, name: str = "test") -> np.ndarray:
    """Indices of a stratified part of the labelled images: of every class at least one image, never all of them."""
    _check_share(fraction, f"{name}_fraction")
    rng = np.random.default_rng(derive_seed(seed, name))
    parts = []
    for label in np.unique(y[y >= 0]):
        members = rng.permutation(np.flatnonzero(y == label))
        parts.append(members[: fractions.set_aside(len(members), fraction)])
    return np.sort(np.concatenate(parts))


def stratified_order(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of `range(len(y))` in which the first m images hold the classes in proportion, for every m.

    The k-th of the n images of a class (k from 0) has the position (k + 1/2)/n; ties are in random order. So each class
    has its share of the first m images to within about one image (Webster's method).
    """
    position = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((rng.random(len(y)), position))


def write_split(split: Split, path: str | Path) -> None:
    """Write a split as Parquet; all but the table is in the file's metadata."""
    table = pa.Table.from_pandas(split.table, preserve_index=False)
    about = {name: getattr(split, name) for name in _ABOUT} | {"checksum": CHECKSUM}
    with replacing(path, checksum=True) as scratch:
        pq.write_table(table.replace_schema_metadata({"sslfast": json.dumps(about)}), scratch)


def read_split(path: str | Path, data=None, /, **expected: object) -> Split:
    """Load a split; `RecordError` if it is damaged, or made for other images than `data`, or not as `expected`.

    Example: `read_split("digits-s0.parquet", data, seed=0, valid_fraction=0.1)`.
    """
    try:
        verify(path)
        stored = pq.read_table(path, page_checksum_verification=True)  # which splits from before checksums have
        about = json.loads(stored.schema.metadata[b"sslfast"])
        about = {name: tuple(v) if isinstance(v := about[name], list) else v for name in _ABOUT}
        table = stored.cast(_SCHEMA).to_pandas(ignore_metadata=True)
        _check_table(table, about)
    except (pa.ArrowException, LookupError, TypeError, ValueError, OSError, RecursionError) as error:
        raise RecordError(f"{path}: not a readable split ({error}); delete it and run again") from None
    if data is not None and (about["dataset"], about["fingerprint"]) != (data.name, data.fingerprint):
        raise RecordError(
            f"{path}: made for other images (of {about['dataset']}) than {data.name} has now;"
            " delete the study's folder under results/ and run again, or use another study name"
        )
    for key, value in expected.items():
        if about[key] != value:
            raise RecordError(f"{path}: {key} is {about[key]!r}, expected {value!r}; delete it and run again")
    return Split(**about, table=table)


_ABOUT = ("dataset", "fingerprint", "seed", "valid_fraction", "classes", "mean", "std", "unlabelled_elsewhere")
_NUMBERS = ("index", "class", "labelled_rank", "unlabelled_rank")
_SCHEMA = pa.schema(
    [(n, pa.int64() if n in _NUMBERS else pa.string()) for n in ("index", "class", "role", *_NUMBERS[2:])]
)


def _check_table(table: pd.DataFrame, about: dict) -> None:
    """Raises `ValueError` for a table that `make_split` cannot have made, before training fails at a wrong index."""
    is_valid, labels = table.role == "valid", table["class"]
    in_pool = ~is_valid & (labels < 0) if about["unlabelled_elsewhere"] else ~is_valid
    ranked = {"labelled_rank": ~is_valid & (labels >= 0), "unlabelled_rank": in_pool}
    problems = {
        "its index": not (table["index"] == np.arange(len(table))).all(),
        "its roles": not (is_valid | (table.role == "train")).all(),
        "its classes": not labels.between(-1, len(about["classes"]) - 1).all(),
        **{f"its {n}": not _ranks_only(table[n], m) for n, m in ranked.items()},
        "its seed": not isinstance(about["seed"], int),
        "its mean and std": not all(0 <= v <= 1 for v in (*about["mean"], *about["std"])),
    }
    for what, wrong in problems.items():
        if wrong:
            raise ValueError(f"{what} cannot be")


def _ranks_only(ranks: pd.Series, mask: pd.Series) -> bool:
    """Whether the rows of `mask` have the ranks from 0, each once, and no others have one."""
    return np.array_equal(np.sort(ranks[mask]), np.arange(mask.sum())) and bool((ranks[~mask] == NO_RANK).all())


def _check_share(value: float, key: str) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{key}: found {value}, expected more than 0 and less than 1")


def _ranks(mask: np.ndarray, y: np.ndarray, seed: int, name: str) -> np.ndarray:
    ranks = np.full(len(y), NO_RANK, dtype=np.int64)
    rows = np.flatnonzero(mask)
    ranks[rows[stratified_order(y[rows], np.random.default_rng(derive_seed(seed, name)))]] = np.arange(len(rows))
    return ranks


def _statistics(x, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, pixels in [0, 1]; exact, from a histogram of the uint8 values."""
    import torch

    chunks = torch.from_numpy(rows).split(4096)
    means, stds = [], []
    values = torch.arange(256, dtype=torch.float64) / 255
    for channel in range(x.shape[1]):
        histogram = torch.zeros(256, dtype=torch.float64)
        for chunk in chunks:
            histogram += torch.bincount(x[chunk, channel].reshape(-1), minlength=256)
        share = histogram / histogram.sum()
        mean = float((share * values).sum())
        means.append(mean)
        # a constant channel (an all-black one, say) must not divide by zero
        stds.append(max(float((share * (values - mean) ** 2).sum()) ** 0.5, 1e-3))
    return tuple(means), tuple(stds)
