"""What a folder of images holds, as far as a config depends on it, and in lines for a person."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from ..data.decoding import MAX_MEGAPIXELS
from ..data.found import found_lines, split_counts
from ..data.listing import Listing, scan, where
from ..data.looking import NoClasses
from ..errors import DataError, printable
from ..files import user_path
from ..planning.work import Sizes
from ..study import fractions
from ..study.study import Study
from .looks import Sample, copies_among, sample_of

__all__ = ["Facts", "facts_of"]

UNEVEN = 3  # times as many images in the largest class as in the smallest, from where on it is said
MOST_UNREADABLE = 0.1  # of the files: with more, something else is wrong
SQUARE = 1.05  # of the longer side to the shorter one


@dataclass(frozen=True)
class Facts:
    """`root`: the folder; `table`: that of its classes, if it was found; `copies`: paths of files of the same content,
    a list for each, and `compared_all`, whether all files were looked at for that."""

    root: Path
    table: str | None
    listing: Listing
    sample: Sample
    copies: list[list[str]]
    compared_all: bool

    @property
    def summary(self) -> dict:
        """Counts (see `Listing.summary`)."""
        return self.listing.summary()

    def sizes(self, study: Study) -> Sizes:
        """How many images the splits of `study` will hold."""
        counts = split_counts(self.summary, study.test_fraction, study.valid_fraction)
        train, n_valid, n_test = (sum(counts[part]) for part in ("train", "valid", "test"))
        pool = train + len(self.listing.unlabelled)
        labelled = {label: fractions.count(label, train) for label in study.labelled}
        unlabelled: dict[tuple[str, str | None], int] = {}
        unlabelled |= {(u, None): fractions.count(u, pool) for u in study.unlabelled if u != "0"}
        return Sizes(n_valid, n_test, pool, train, labelled, unlabelled)

    def lines(self) -> list[str]:
        """What was found, for a person."""
        return found_lines(self.summary) + self._looks() + self._uneven() + self._copies()

    def _looks(self) -> list[str]:
        s = self.sample
        if not len(s.sides):
            return []
        formats = ", ".join(f"{kind} {n:,}" for kind, n in s.formats.most_common())
        low, middle, high = (int(v) for v in np.percentile(s.sides[:, 0], (0, 50, 100), method="nearest"))
        side = f"{low} pixels" if low == high else f"{low:,} to {high:,} pixels, {middle:,} in the middle"
        of = f"{s.n:,} of the files" if s.n < len(self.listing.files) else f"all {s.n:,} files"
        colour = "grey" if s.grey == s.n_decoded else "in colour" if not s.grey else "in colour, some grey"
        lines = [f"looked at {of}: {formats}; shorter side {side}; {colour}{', 16 bits' if s.deep else ''}"]
        ratio = s.sides[:, 1] / np.maximum(s.sides[:, 0], 1)
        if (share := float((ratio > SQUARE).mean())) > 0:
            typical = float(np.median(ratio[ratio > SQUARE]))
            lines.append(
                f"not square: {max(100 * share, 1):.0f} % of these, mostly {typical:.2g} times as long as wide"
            )
        if s.unreadable:
            path, why = s.unreadable[0]
            lines.append(
                f"warning: {len(s.unreadable):,} of these cannot be read ({self._name(path)}: {printable(why)})"
            )
        return lines

    def _uneven(self) -> list[str]:
        totals = dict(zip(self.listing.classes, self.summary["by_class"]["train"], strict=True))
        most, least = max(totals, key=totals.__getitem__), min(totals, key=totals.__getitem__)
        if totals[most] < UNEVEN * totals[least]:
            return []
        times = totals[most] / totals[least]
        return [
            f"classes are uneven: {printable(most)} has {times:.0f} times as many training images as {printable(least)}"
            f" ({totals[most]:,} and {totals[least]:,}); macro-F1 counts classes alike"
        ]

    def _copies(self) -> list[str]:
        """A line a kind of copies: how many images, one example, what comes of it."""
        of: dict[str, tuple[str, str]] = {}
        listing = self.listing
        for part, groups in (("train", listing.train), ("valid", listing.valid), ("test", listing.test)):
            of |= {path: (part, name) for name, files in groups for path, _, _ in files}
        kinds: dict[str, list[list[str]]] = {}
        for same in self.copies:
            labelled = [of[path] for path in same if path in of]
            parts, classes = ({entry[i] for entry in labelled} for i in (0, 1))
            if len(classes) > 1:
                kind = "warning: {n} in two classes, as {example}: keep it in one"
            elif "test" in parts and len(parts) > 1:
                kind = "warning: {n} among the test images and others, as {example}: scores will be too good; keep one"
            elif len(labelled) > 1 and not listing.test:
                kind = (
                    "warning: {n} there twice or more, as {example}: test and training may share them; keep one of each"
                )
            elif labelled and len(labelled) < len(same):
                kind = "copies: {n} labelled and unlabelled, as {example}: the unlabelled ones will be left out"
            else:
                kind = "copies: {n} there twice or more, as {example}"
            kinds.setdefault(kind, []).append(same)
        lines = []
        for kind, found in kinds.items():
            n = "1 image is" if len(found) == 1 else f"{len(found):,} images are"
            lines.append(kind.format(n=n, example=" = ".join(map(self._name, found[0][:2]))))
        if not self.compared_all:
            lines.append("not all files were compared for copies, as so many have the same size")
        return lines

    def _name(self, path: str) -> str:
        return printable(os.path.relpath(path, self.root))


def facts_of(study: Study, progress: TextIO | None = None) -> Facts:
    """Look at the images in the folder of `study`, which holds what is chosen already.

    If there are no class folders but one table that has the classes, it is taken. Raises `DataError`, and `NoClasses`
    where no image has a class.
    """
    root = user_path(study.folder or "", "folder")
    options, table = where(study), None
    try:
        listing = scan(root, **options)
    except DataError as error:
        if options["labels"] or not root.is_dir():
            raise
        listing, table = _by_a_table(root, options["follow_links"], error)
    most = study.max_megapixels or MAX_MEGAPIXELS
    sample = sample_of([path for path, _, _ in listing.files], most, progress)
    if len(sample.unreadable) > MOST_UNREADABLE * sample.n:
        path, why = sample.unreadable[0]
        raise DataError(
            f"folder: {len(sample.unreadable):,} of {sample.n:,} images looked at cannot be read"
            f" ({os.path.relpath(path, root)}: {why}); mend that first, as a study would leave them all out"
        )
    copies, whole = copies_among(listing.files, progress)
    return Facts(root, table, listing, sample, copies, whole)


def _by_a_table(root: Path, follow_links: bool, error: DataError) -> tuple[Listing, str]:
    """The listing by the one table in `root` that has the classes of its images. Raises `error` if there is none."""
    found, problems = {}, {}
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in (".csv", ".tsv") and not path.name.startswith("."):
            try:
                found[path.name] = scan(root, follow_links, path.name)
            except DataError as problem:
                problems[path.name] = problem
    if len(found) > 1:
        names = " and ".join(list(found)[:2])
        raise DataError(f"labels: {names} both have classes of these images; say which: labels={next(iter(found))}")
    if found:
        return next((listing, name) for name, listing in found.items())
    if problems and isinstance(error, NoClasses):
        raise next(iter(problems.values()))
    raise error
