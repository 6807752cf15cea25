"""What a config for a folder should say, and why: decided by what the folder holds."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ..data.found import split_counts
from ..errors import printable
from ..study import fractions
from ..study.names import names_of_folder
from .facts import SQUARE, Facts

__all__ = ["Choice", "choices_for", "labelled_fractions", "rungs", "unlabelled_fractions"]

LARGEST = 64  # pixels
SMALLER = (48, 32)  # where time is short
LONG = 2.0  # of the longer side to the shorter one, from where on a crop would lose most of an image
FEW_TO_TEST, FAIR, TENTH = 200, 0.4, 0.2  # with fewer images than this to test on, a larger share is
FEW = (5, 3)  # images of the rarest class at the smallest labelled fraction, about: the first number that can be had
STEPS = ("0.01", "0.02", "0.05", "0.1", "0.2", "0.3", "0.5")
SOME = 50  # images that are worth pre-training on
SEEDS, FEWER_SEEDS = 5, 3
_LEFT_RIGHT = re.compile(r"(?<![a-z])(left|right|links|rechts|gauche|droite?|izquierd[ao]|derech[ao])(?![a-z])")
_DIGITS = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}


@dataclass(frozen=True)
class Choice:
    """A line of a config: `value` of `key`, and why."""

    key: str
    value: object
    why: str


def choices_for(facts: Facts, folder: str, given: Mapping) -> dict[str, Choice]:
    """The best study of these images that init proposes, by key, in the order of the config; `given` keys win."""
    config = {"test_fraction": _test_fraction(facts), "valid_fraction": 0.1, **given}
    study, title = names_of_folder(folder)
    made = [
        Choice("study", study, "names the folders under results/ and reports/"),
        Choice("title", title, "what the report calls them"),
        Choice("dataset", "folder", ""),
        Choice("folder", os.path.abspath(os.path.expanduser(folder)), ""),
    ]
    if facts.table:
        made.append(Choice("labels", facts.table, "has the classes, as there are no folders for them"))
    made += [_image_size(facts), _channels(facts), *_fit(facts)]
    if not facts.listing.test:
        n_test = sum(_counts(facts, config)["test"])
        why = f"{n_test:,} images, as there is no test/: they tell a score to about ± {98 / n_test**0.5:.0f} points"
        made.append(Choice("test_fraction", config["test_fraction"], why))
    if facts.sample.unreadable:
        why = "leaves out those that cannot be read, and counts them in the report; error would stop the study"
        made.append(Choice("on_bad_image", "skip", why))
    train = _counts(facts, config)["train"]
    pool = sum(train) + len(facts.listing.unlabelled)
    made += [
        unlabelled_choice(unlabelled_fractions(pool), pool),
        labelled_choice(labelled_fractions(train), facts, config),
        Choice("seeds", SEEDS, "repeats; fewer than 5 settle little"),
        Choice("encoders", ["conv"], "wider and better than original, about twice as slow"),
        _augment(facts),
    ]
    found = {choice.key: choice for choice in made}
    return found | {key: Choice(key, value, "as you chose") for key, value in given.items()}


def rungs(choices: Mapping[str, Choice], facts: Facts, given: Mapping, limit: str) -> list[dict[str, Choice]]:
    """`choices`, then ever smaller studies: what is given up first, where time is short, is worth least.

    `limit`: the time as reasons name it. What is `given` stays.
    """
    found = [dict(choices)]
    config = {key: choice.value for key, choice in choices.items()}
    config = {"test_fraction": 0.2, "valid_fraction": 0.1, **config}

    def down(*new: Choice) -> None:
        kept = {choice.key: choice for choice in new if choice.key not in given}
        if kept and any(found[-1].get(key) != choice for key, choice in kept.items()):
            found.append({**found[-1], **kept})

    short = f"did not fit into {limit} here"
    size = choices["image_size"].value
    for smaller in SMALLER:
        if isinstance(size, int) and smaller < size:
            down(Choice("image_size", smaller, f"{size} {short}"))
    down(Choice("encoders", ["original"], f"conv is wider and better, and {short}"))
    train = _counts(facts, config)["train"]
    pool = sum(train) + len(facts.listing.unlabelled)
    whole = unlabelled_fractions(pool)
    labels = labelled_fractions(train)
    if len(whole) > 3:
        down(unlabelled_choice([whole[0], *whole[2:]], pool, f"; more fractions {short}"))
    if len(labels) > 2:
        down(labelled_choice([labels[0], labels[-1]], facts, config, f"; more fractions {short}"))
    if len(whole) > 2:
        down(unlabelled_choice([whole[0], whole[-1]], pool, f"; more fractions {short}"))
    down(Choice("seeds", FEWER_SEEDS, f"repeats; fewer than 5 settle little, but 5 {short}"))
    for share in ("0.5x", "0.25x"):
        why = f"of the updates that are mostly enough: {'those' if share == '0.5x' else 'half'} {short}"
        down(*(Choice(key, {"updates": share}, why) for key in ("pretrain", "classify")))
    return found


def labelled_fractions(train: Sequence[int]) -> list[str]:
    """Up to three fractions of the labels, all of them the last; `train`: how many images of each class there are.

    The smallest leaves each class about five images or more, or else three: of a class, a split may have one less.
    """
    for few in FEW:
        good = [step for step in STEPS if fractions.count(step, min(train)) >= few]
        if good:
            least = good[0]
            middle = float(Decimal(least).sqrt())
            between = min(good[1:], key=lambda step: abs(np.log(float(step) / middle)), default=None)
            return [least, *([between] if between else []), "1"]
    return ["1"]


def unlabelled_fractions(pool: int) -> list[str]:
    """Fractions of `pool` images to pre-train on: the control, all, and between them what is fifty images or more."""
    return ["0", *(step for step in ("0.1", "0.3") if fractions.count(step, pool) >= SOME), "1"]


def labelled_choice(labels: Sequence[str], facts: Facts, config: Mapping, why: str = "") -> Choice:
    """The choice of `labels`, told by how many images these are."""
    train = _counts(facts, config)["train"]
    rarest = min(range(len(train)), key=train.__getitem__)
    counts = _list([f"{max(fractions.count(label, sum(train)), len(train)):,}" for label in labels])
    of_rarest = _list([f"{max(1, fractions.count(label, train[rarest])):,}" for label in labels])
    name = printable(facts.listing.classes[rarest])
    return Choice("labelled", _numbers(labels), f"{counts} labels; of the rarest class, {name}, about {of_rarest}{why}")


def unlabelled_choice(us: Sequence[str], pool: int, why: str = "") -> Choice:
    """The choice of fractions to pre-train on, told by how many images these are."""
    counts = _list([f"{fractions.count(u, pool):,}" for u in us if u != "0"])
    return Choice("unlabelled", _numbers(us), f"{counts} images to pre-train on; 0 is the control{why}")


def _counts(facts: Facts, config: Mapping) -> dict[str, list[int]]:
    return split_counts(facts.summary, float(config["test_fraction"]), float(config["valid_fraction"]))


def _test_fraction(facts: Facts) -> float:
    counts = facts.summary["by_class"]["train"]
    return FAIR if TENTH * sum(counts) < FEW_TO_TEST and min(counts) >= 20 else TENTH


def _image_size(facts: Facts) -> Choice:
    sides = facts.sample.sides[:, 0]
    middle = int(np.median(sides)) if len(sides) else LARGEST
    if middle < LARGEST:
        size = max(8, middle // 4 * 4)
        return Choice("image_size", size, f"as large as most images are: {middle} pixels at the shorter side")
    why = f"the shorter side is {middle:,} pixels in the middle; 128 sees more, and takes 4 times as long"
    return Choice("image_size", LARGEST, why)


def _channels(facts: Facts) -> Choice:
    s = facts.sample
    if s.n_decoded and s.grey == s.n_decoded:
        return Choice("channels", 1, f"grey, as all {s.n_decoded} images that were decoded for this")
    return Choice("channels", 3, f"{s.n_decoded - s.grey} of {s.n_decoded} images decoded for this have colours")


def _fit(facts: Facts) -> list[Choice]:
    sides = facts.sample.sides
    ratio = sides[:, 1] / np.maximum(sides[:, 0], 1)
    if not len(ratio) or not (ratio > SQUARE).any():
        return []
    if np.quantile(ratio, 0.9) > LONG:
        return [Choice("fit", "pad", "keeps whole images between black bars: a crop would lose most of the long ones")]
    return [Choice("fit", "crop", "keeps the centre of images that are not square; pad keeps all, with black bars")]


def _augment(facts: Facts) -> Choice:
    names = [name.casefold() for name in facts.listing.classes]
    sides = {match[1] for name in names for match in _LEFT_RIGHT.finditer(name)}
    signs = sum(len(name) == 1 or name in _DIGITS for name in names)
    flip, why = 0.5, "mirrored left to right, not upside down; 0 if a mirrored image means something else"
    if len(sides) > 1:
        flip, why = 0, "no mirrors: names of classes tell left from right"
    elif signs == len(names) and signs > 2:
        flip, why = 0, "no mirrors: names of classes are digits or letters, and a mirrored 2 is no 2"
    return Choice("augment", {"flip_horizontal": flip, "flip_vertical": 0, "noise": 0.1}, why)


def _numbers(texts: Sequence[str]) -> list[int | float]:
    return [int(text) if text in ("0", "1") else float(text) for text in texts]


def _list(texts: Sequence[str]) -> str:
    """`a, b and c`."""
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else "".join(texts)
