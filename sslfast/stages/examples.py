"""What a report shows as images, gathered from a study's files. (Reading it again, `examples`, takes no torch.)"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import RecordError, ResultsError
from ..evaluation import embed_2d
from ..report.examples import Embedding, Examples, Outcome, Pictures, best_and_worst
from ..study.grid import Box
from ..study.records import FEATURES, read_record

__all__ = ["gather", "read_predictions", "records_to_show"]


def records_to_show(
    cells: pd.DataFrame, records: Iterable[str | Path], judged_by: str | None = None
) -> dict[str, Path]:
    """The files among `records` of the `best_and_worst` of `cells`, by these names.

    `ResultsError` if one is not there.
    """
    by_name = {box.name: path for path in map(Path, records) if (box := Box.at(path))}
    chosen = best_and_worst(cells, judged_by).record
    if strange := [record for record in chosen if record not in by_name]:
        raise ResultsError(f"tables: made of {strange[0]}, which is no run of this study; delete them and run again")
    return {name: by_name[record] for name, record in chosen.items()}


def gather(
    originals: np.ndarray,
    pictures: Iterable[tuple[str | Path, str | Path]],
    outcomes: Mapping[str, str | Path],
    test_images: np.ndarray,
    classes: Sequence[str],
    of_embedding: np.ndarray,
) -> Examples:
    """The examples of a study.

    `originals`: see `Examples`; `pictures`: for each encoder the record of its pre-training and the file of its
    pictures; `outcomes`: the records of the cells to show; `test_images`: uint8 `[N, H, W, C]`; `of_embedding`: the
    classes of the images whose features those files hold.
    """
    shown, embeddings = [], []
    for record, path in pictures:
        spec = read_record(record).spec
        with np.load(path, allow_pickle=False) as stored:
            for kind in stored.files:
                if kind == FEATURES:
                    embeddings.append(Embedding(spec, embed_2d(stored[kind], spec.seed), of_embedding))
                else:
                    shown.append(Pictures(spec, kind, stored[kind]))
    for found in (shown, embeddings):
        found.sort(key=lambda p: (p.spec.encoder, p.spec.method, float(p.spec.u)))
    chosen = {name: _outcome(path, test_images) for name, path in outcomes.items()}
    return Examples(tuple(classes), originals, shown, chosen, embeddings)


def read_predictions(path: str | Path) -> np.ndarray:
    """The predicted class of every test image, `[N]`, as a run stored it beside its record; empty for a run without.

    Raises `RecordError` for a file that holds no predictions.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if found.ndim != 1 or found.dtype.kind != "u":
            raise ValueError(f"{found.dtype} of shape {found.shape}")
        return found
    except (OSError, ValueError, EOFError) as error:
        raise RecordError(f"{path}: no readable predictions ({error}); delete it and run again") from None


def _outcome(path: str | Path, test_images: np.ndarray) -> Outcome:
    record = read_record(path)
    mistakes = record.test["mistakes"]
    images = test_images[[mistake["image"] for mistake in mistakes]]
    return Outcome(record.spec, record.test["macro_f1"], record.test["confusion"], mistakes, images)
