"""The images in a study's report: what encoders rebuilt, what networks see, and what the best and worst cell
mistook."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import RecordError
from .arrays import read_arrays, write_arrays
from .image_size import ImageSize, image_size_of
from .records import Spec

__all__ = [
    "Embedding",
    "Examples",
    "Outcome",
    "Pictures",
    "Seen",
    "read_examples",
    "rmse",
    "smaller",
    "write_examples",
]


@dataclass(frozen=True)
class Pictures:
    """Images that a network made, uint8 `[K, H, W, C]`, or `[R, K, H, W, C]` for R rows of them.

    `kind`: `reconstructions`, `samples` or `traversals` (see `sslfast.stages.pretrain`).
    """

    spec: Spec
    kind: str
    images: np.ndarray


@dataclass(frozen=True)
class Embedding:
    """Where the features of some validation images lie in two dimensions: `points` `[N, 2]`, `classes` `[N]`."""

    spec: Spec
    points: np.ndarray
    classes: np.ndarray


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
class Seen:
    """K training images as networks see them: `images`, uint8 `[V, K, H, W, C]`, first as they are, then augmented in
    V − 1 ways.

    `labels`: their classes `[K]`, −1 where unlabelled; `side`: their size as networks see them, in pixels (`images` may
    be smaller).
    """

    images: np.ndarray
    labels: np.ndarray
    side: ImageSize


NOTHING_SEEN = Seen(np.empty((0, 0, 0, 0, 3), np.uint8), np.empty(0, np.int64), 0)


@dataclass(frozen=True)
class Examples:
    """The images of a report, which `write_examples` stores.

    `originals`: the validation images that every one of `rebuilt` shows, uint8 `[K, H, W, C]`; `outcomes`: of the cells
    called `best` and `worst`, empty if no cell has a result.
    """

    classes: tuple[str, ...]
    originals: np.ndarray
    pictures: list[Pictures]
    outcomes: dict[str, Outcome]
    embeddings: list[Embedding]
    seen: Seen = NOTHING_SEEN

    @property
    def rebuilt(self) -> list[Pictures]:
        """What encoders and their decoders made of the originals."""
        return [p for p in self.pictures if p.kind == "reconstructions"]

    @property
    def invented(self) -> list[Pictures]:
        """What networks made out of nothing: samples, then traversals."""
        return sorted((p for p in self.pictures if p.kind != "reconstructions"), key=lambda p: p.kind)

    @property
    def n_shown(self) -> int:
        """Images a row in a figure of all encoders: fewer where there are many rows, so that a page stays light."""
        return len(self.originals) if len(self.rebuilt) <= 8 else min(5, len(self.originals))


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean squared error between two stacks of uint8 images, in pixels from 0 to 1."""
    return float(np.sqrt(np.square(a.astype(float) - b).mean())) / 255


def smaller(images: np.ndarray, side: int) -> np.ndarray:
    """`images` `[K, H, W, C]`, uint8, reduced by the smallest whole factor with which no side has more than `side`
    pixels."""
    factor = -(-max(images.shape[1:3]) // side)
    if factor <= 1 or not len(images):
        return images
    reduced = [Image.fromarray(i[..., 0] if i.shape[2] == 1 else i).reduce(factor) for i in images]
    return np.stack([np.asarray(image).reshape(*image.size[::-1], -1) for image in reduced])


def write_examples(examples: Examples, path: str | Path) -> None:
    """Store `examples` as one .npz, whole or not at all."""
    about = {
        "classes": examples.classes,
        "pictures": [{"kind": p.kind, "spec": asdict(p.spec)} for p in examples.pictures],
        "embeddings": [asdict(e.spec) for e in examples.embeddings],
        "outcomes": {
            name: {key: value for key, value in asdict(outcome).items() if key != "images"}
            for name, outcome in examples.outcomes.items()
        },
    }
    arrays: dict[str, Any] = {"originals": examples.originals, "about": np.array(json.dumps(about))}
    arrays |= {f"pictures-{number}": p.images for number, p in enumerate(examples.pictures)}
    for number, embedding in enumerate(examples.embeddings):
        arrays |= {f"points-{number}": embedding.points, f"classes-{number}": embedding.classes}
    arrays |= {f"outcome-{name}": outcome.images for name, outcome in examples.outcomes.items()}
    arrays |= {f"seen-{name}": np.asarray(value) for name, value in vars(examples.seen).items()}
    write_arrays(arrays, path)


def read_examples(path: str | Path) -> Examples:
    """What `write_examples` stored; `RecordError` if it cannot be read."""
    try:
        stored = read_arrays(path)
        about = json.loads(str(stored["about"]))
        pictures = [
            Pictures(Spec(**p["spec"]), p["kind"], stored[f"pictures-{n}"]) for n, p in enumerate(about["pictures"])
        ]
        embeddings = [
            Embedding(Spec(**spec), stored[f"points-{n}"], stored[f"classes-{n}"])
            for n, spec in enumerate(about["embeddings"])
        ]
        outcomes = {
            name: Outcome(**{**outcome, "spec": Spec(**outcome["spec"])}, images=stored[f"outcome-{name}"])
            for name, outcome in about["outcomes"].items()
        }
        seen = Seen(stored["seen-images"], stored["seen-labels"], image_size_of(stored["seen-side"].tolist()))
        return Examples(tuple(about["classes"]), stored["originals"], pictures, outcomes, embeddings, seen)
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: no readable examples ({error}); delete the file and run again") from None
