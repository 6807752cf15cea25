"""What a report needs the images for, gathered from a study's files. (Reading it again takes no torch.)"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..analysis.image_noise import image_variance
from ..analysis.judged import main_cells
from ..analysis.table_files import read_table, to_parquet
from ..data.augment import Augment
from ..data.found import extremes
from ..data.images import ImageData
from ..data.loaders import classify_dls
from ..data.splits import Split
from ..errors import ResultsError
from ..evaluation import embed_2d
from ..runtime.jobs import RunningJob
from ..study.arrays import read_arrays, read_predictions
from ..study.examples import Embedding, Examples, Outcome, Pictures, Seen, smaller, write_examples
from ..study.grid import Box
from ..study.names import SUPERVISED
from ..study.records import FEATURES, read_record
from .inputs import study_images, study_split
from .pretraining import N_EMBEDDED, N_PICTURES

__all__ = ["as_seen", "best_and_worst", "examples", "gather", "records_to_show"]

N_SEEN = 12  # images of a class each, or several of few classes
N_CHANGED = 2  # times that each is augmented
SHOWN_SIDE = 64  # pixels: larger images are made smaller, as a page is to stay light


def examples(job: RunningJob) -> None:
    """Gather the images that the report shows, and measure what the choice of test images adds to differences."""
    data = study_images(job.params.content, job.study)
    split = study_split(job.input.split[0], data, job.study, job.study.seeds[0])
    pictures = list(zip(job.input.pretrained, job.input.pictures, strict=True))
    cells = read_table(job.input.cells)
    outcomes = records_to_show(cells, job.input.records, job.study.judged_by)
    originals = data.train.pixels(split.valid[split.samples(N_PICTURES)])
    embedded = data.train.y.numpy()[split.valid[split.samples(N_EMBEDDED)]]
    found = gather(originals, pictures, outcomes, data.test.pixels(), data.classes, embedded)
    seen = as_seen(data, split, Augment.of(data.name, job.study.augment))
    write_examples(replace(found, seen=seen), job.output.examples)
    files = map(Path, job.input.predictions)
    predictions = {box.name: read_predictions(path) for path in files if (box := Box.at(path))}
    noise = image_variance(cells, predictions, data.test.y.numpy())
    to_parquet(noise, job.output.image_noise)


def as_seen(data: ImageData, split: Split, augment: Augment) -> Seen:
    """Some training images of every class, and unlabelled ones, as networks see them.

    Of more than twelve classes, the first six and those with most and fewest images. The loaders of training make
    them, so what is wrong there is seen here.
    """
    y, n_classes = data.train.y.numpy(), len(data.classes)
    chosen = list(range(n_classes))
    if n_classes > N_SEEN:
        of_ends = extremes(np.bincount(y[y >= 0], minlength=n_classes).tolist())
        chosen = sorted({*[i for i in chosen if i not in of_ends][: N_SEEN - len(of_ends)], *of_ends})
    each = min(4, max(1, N_SEEN // n_classes))
    labelled, pool = split.labelled(1), split.pool()
    groups = [labelled[y[labelled] == label][:each] for label in chosen] + [pool[y[pool] < 0][: max(2, each)]]
    rows = np.concatenate(groups)
    train = classify_dls(data, split, rows, bs=len(rows), augment=augment, device="cpu").train
    views = [data.train.pixels(rows)]
    for epoch in range(N_CHANGED if augment != Augment() else 0):
        (batch,) = train.batches(torch.arange(len(rows)), epoch)
        changed = train.decode(batch)[0].as_subclass(torch.Tensor)
        views.append(changed.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    images = np.stack([smaller(view, SHOWN_SIDE) for view in views])
    return Seen(images, y[rows], data.train.image_size)


def best_and_worst(cells: pd.DataFrame, judged_by: str | None = None) -> pd.DataFrame:
    """Of the `main_cells` over a frozen encoder that have a result, those of highest and of lowest test macro-F1,
    called `best` and `worst`; none if there is no such row."""
    cells = main_cells(cells, judged_by)
    ranked = cells[(cells.method != SUPERVISED) & (cells.status == "ok")].sort_values("test_macro_f1", kind="stable")
    return ranked.iloc[[-1, 0]].set_index(pd.Index(["best", "worst"])) if len(ranked) else ranked


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
        for kind, stored in read_arrays(path).items():
            if kind == FEATURES:
                embeddings.append(Embedding(spec, embed_2d(stored, spec.seed), of_embedding))
            else:
                shown.append(Pictures(spec, kind, stored))
    for found in (shown, embeddings):
        found.sort(key=lambda p: (p.spec.encoder, p.spec.method, float(p.spec.u or 0)))
    chosen = {name: _outcome(path, test_images) for name, path in outcomes.items()}
    return Examples(tuple(classes), originals, shown, chosen, embeddings)


def _outcome(path: str | Path, test_images: np.ndarray) -> Outcome:
    record = read_record(path)
    found = record.test or {}  # of a run that ended well, which is all that is shown
    mistakes = found["mistakes"]
    images = test_images[[mistake["image"] for mistake in mistakes]]
    return Outcome(record.spec, found["macro_f1"], found["confusion"], mistakes, images)
