"""What a study looks like: images that its encoders rebuilt, and what its best and its worst cell mistake for what."""

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .analysis.checks import SUPERVISED
from .errors import RecordError
from .files import replacing
from .records import Spec, read_record

__all__ = ["Examples", "Outcome", "Rebuilt", "best_and_worst", "gather", "read_examples", "rmse", "write_examples"]


@dataclass(frozen=True)
class Rebuilt:
    """What an encoder and its decoder made of some images: `images`, uint8 `[K, H, W, C]`."""

    spec: Spec
    images: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """How a cell did on the test images: its `confusion` (rows true, columns predicted), and its most confident
    `mistakes` (see `RunRecord`) with the `images` themselves, uint8 `[M, H, W, C]`."""

    spec: Spec
    macro_f1: float
    confusion: list[list[int]]
    mistakes: list[dict]
    images: np.ndarray


@dataclass(frozen=True)
class Examples:
    """`originals`: the validation images that every `rebuilt` shows, uint8 `[K, H, W, C]`; `outcomes`: of the best and
    of the worst cell, by these names; none if no cell has a result."""

    classes: tuple[str, ...]
    originals: np.ndarray
    rebuilt: list[Rebuilt]
    outcomes: dict[str, Outcome]

    @property
    def n_shown(self) -> int:
        """Images a row in a figure of all encoders: fewer where there are many rows, so that a page stays light."""
        return len(self.originals) if len(self.rebuilt) <= 8 else min(5, len(self.originals))


def best_and_worst(cells: pd.DataFrame) -> pd.DataFrame:
    """Of the rows of `cells` that are a classifier over a frozen encoder and have a result, those of highest and of
    lowest test macro-F1, called `best` and `worst`; none if there is no such row."""
    ranked = cells[(cells.method != SUPERVISED) & (cells.status == "ok")].sort_values("test_macro_f1", kind="stable")
    return ranked.iloc[[-1, 0]].set_index(pd.Index(["best", "worst"])) if len(ranked) else ranked


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    """Between two stacks of uint8 images, pixels in [0, 1]."""
    return float(np.sqrt(np.square(a.astype(float) - b).mean())) / 255


def gather(
    originals: np.ndarray,
    pictures: Iterable[tuple[str | Path, str | Path]],
    outcomes: Mapping[str, str | Path],
    test_images: np.ndarray,
    classes: Sequence[str],
) -> Examples:
    """The examples of a study.

    `originals`: see `Examples`; `pictures`: for each encoder the record of its pre-training and the file of
    what it rebuilt; `outcomes`: the records of the cells to show; `test_images`: uint8 `[N, H, W, C]`.
    """
    rebuilt = []
    for record, path in pictures:
        images = np.load(path, allow_pickle=False)
        if len(images):
            rebuilt.append(Rebuilt(read_record(record).spec, images))
    rebuilt.sort(key=lambda r: (r.spec.encoder, r.spec.method, float(r.spec.u)))
    shown = {name: _outcome(path, test_images) for name, path in outcomes.items()}
    return Examples(tuple(classes), originals, rebuilt, shown)


def write_examples(examples: Examples, path: str | Path) -> None:
    """Store `examples` as one .npz, whole or not at all."""
    about = {
        "classes": examples.classes,
        "rebuilt": [asdict(r.spec) for r in examples.rebuilt],
        "outcomes": {
            name: {key: value for key, value in asdict(outcome).items() if key != "images"}
            for name, outcome in examples.outcomes.items()
        },
    }
    arrays = {"originals": examples.originals, "about": np.array(json.dumps(about))}
    arrays |= {f"rebuilt-{number}": r.images for number, r in enumerate(examples.rebuilt)}
    arrays |= {f"outcome-{name}": outcome.images for name, outcome in examples.outcomes.items()}
    with replacing(path) as scratch:
        np.savez(scratch, **arrays)


def read_examples(path: str | Path) -> Examples:
    """What `write_examples` stored; `RecordError` if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            rebuilt = [Rebuilt(Spec(**spec), stored[f"rebuilt-{n}"]) for n, spec in enumerate(about["rebuilt"])]
            outcomes = {
                name: Outcome(**{**outcome, "spec": Spec(**outcome["spec"])}, images=stored[f"outcome-{name}"])
                for name, outcome in about["outcomes"].items()
            }
            return Examples(tuple(about["classes"]), stored["originals"], rebuilt, outcomes)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path}: no readable examples ({error}); delete the file and run again") from None


def _outcome(path: str | Path, test_images: np.ndarray) -> Outcome:
    record = read_record(path)
    mistakes = record.test["mistakes"]
    images = test_images[[mistake["image"] for mistake in mistakes]]
    return Outcome(record.spec, record.test["macro_f1"], record.test["confusion"], mistakes, images)
