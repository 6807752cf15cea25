"""What a study is made of, in lines for a person: classes, parts, what is left out, what looks wrong."""

from collections.abc import Mapping, Sequence

from ..errors import printable
from ..study import fractions
from ..study.study import Study

__all__ = ["extremes", "found_lines", "found_parts", "grey_line", "rare_lines", "split_counts"]

MANY = 12  # classes; of more, only the largest and the smallest are listed
FEW = 3  # of the largest, and of the smallest
_PARTS = {"train": "training", "valid": "validation", "test": "test"}


def found_lines(summary: Mapping) -> list[str]:
    """All lines of `found_parts`, one after the other."""
    first, classes, others = found_parts(summary)
    return [f"found {first}", *(f"  {line}" for line in classes), *others]


def found_parts(summary: Mapping) -> tuple[str, list[str], list[str]]:
    """What a study is made of, in words: a line on the number of images, lines on classes, and other lines.

    `summary`: that of a `Listing` or an `ImageData`. There is one line per class; of more than 12 classes, only the
    largest and the smallest have one. Other lines: images without classes, what was decided, what is left out (by kind,
    with number and one example), and warnings.
    """
    notes, classes, by_class = summary["notes"], list(summary["classes"]), summary["by_class"]
    parts = [part for part in _PARTS if any(by_class[part])]
    totals = [sum(by_class[part][i] for part in parts) for i in range(len(classes))]
    said = ", ".join(f"{sum(by_class[part]):,} {_PARTS[part]}" for part in parts)
    order, of_classes, lines = list(range(len(classes))), [], []
    if many := len(classes) > MANY:
        order = extremes(totals)
    for i in order:
        counts = ", ".join(f"{by_class[part][i]:,} {_PARTS[part]}" for part in parts)
        of_classes.append(f"{printable(classes[i])}: {counts}")
    if many:
        of_classes.insert(FEW, f"… {len(classes) - 2 * FEW:,} more classes …")
    if summary["n_unlabelled_only"]:
        lines.append(f"and {summary['n_unlabelled_only']:,} unlabelled images")
    if notes.get("test_split_off") and not any(by_class["test"]):
        lines.append("there is no test/ with classes: test images are split off the training images (test_fraction)")
    lines += [printable(text) for text in notes.get("said", [])]
    lines += [_left_out(entry) for entry in notes.get("left_out", [])]
    lines += grey_line(notes)
    lines += [f"warning: {printable(text)}" for text in notes.get("warnings", [])]
    return f"{sum(totals):,} images of {len(classes):,} classes ({said})", of_classes, lines


def extremes(totals: Sequence[int]) -> list[int]:
    """Indices of the three largest classes, the largest first, then of the three smallest, the smallest last."""
    by_size = sorted(range(len(totals)), key=lambda i: totals[i])
    return [*by_size[: -FEW - 1 : -1], *by_size[FEW - 1 :: -1]]


def grey_line(notes: Mapping) -> list[str]:
    """The line on the range of grey of more than 8 bits, if there is such a range."""
    if not notes.get("grey_range"):
        return []
    low, high = notes["grey_range"]
    return [f"grey of more than 8 bits: values from {low:g} (black) to {high:g} (white), for all images alike"]


def rare_lines(summary: Mapping, study: Study) -> list[str]:
    """Lines on classes with fewer images than a cell of `study` needs, and what will happen."""
    classes, by_class = summary["classes"], summary["by_class"]
    train = split_counts(summary, study.test_fraction, study.valid_fraction)["train"]
    lines = []
    least = min(study.labelled, key=float)
    share = fractions.count(least, sum(train)) / max(1, sum(train))
    if rare := [name for name, n in zip(classes, train, strict=True) if n * share < 0.5]:
        lines.append(
            f"warning: at labelled {least}, {_some(rare)} would get no image: each gets one, more than its share"
        )
    for part in ("valid", "test"):
        if any(by_class[part]) and (none := [c for c, n in zip(classes, by_class[part], strict=True) if not n]):
            verb = "has" if len(none) == 1 else "have"
            lines.append(f"warning: {_some(none)} {verb} no {_PARTS[part]} images: no score says anything about them")
    return lines


def split_counts(summary: Mapping, test_fraction: float, valid_fraction: float) -> dict[str, list[int]]:
    """Numbers of labelled images per class in `train`, `valid` and `test`, after the last two are split off."""
    train, valid, test = (list(summary["by_class"][part]) for part in ("train", "valid", "test"))
    if summary["notes"].get("test_split_off") and not any(test):
        test = [fractions.set_aside(n, test_fraction) for n in train]
        train = [n - off for n, off in zip(train, test, strict=True)]
    if not any(valid):
        valid = [fractions.set_aside(n, valid_fraction) for n in train]
        train = [n - off for n, off in zip(train, valid, strict=True)]
    return {"train": train, "valid": valid, "test": test}


def _some(names: list[str]) -> str:
    """`3 classes (a, b, c)`."""
    some = ", ".join(map(printable, names[:3])) + (", …" if len(names) > 3 else "")
    return f"class {some}" if len(names) == 1 else f"{len(names):,} classes ({some})"


def _left_out(entry: Mapping) -> str:
    why = f": {entry['why']}" if entry["why"] else ""
    return printable(f"left out: {entry['n']:,} {entry['what']} ({entry['example']}){why}")
