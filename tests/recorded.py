"""A study that was never run: the files of a finished one, scores drawn from curves that are known.

What is true of it is known, too, so its report can be marked (`marked`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from builders import N_TEST, SCHEMA, examples_of, noise, pretrain_record, run_record

from sslfast.study.config import check_config
from sslfast.study.depends import asked_of, method_settings
from sslfast.study.examples import write_examples
from sslfast.study.names import RANDOM, SUPERVISED
from sslfast.study.records import RunRecord, write_record
from sslfast.study.study import Study
from sslfast.study.version import code_version

CLASSES = [f"class {number}" for number in range(10)]
SD = 0.005  # of a score, over seeds
BETTER = {"conv": 0.0, "original": -0.01}  # by encoder
OF_METHODS = (
    "autoencoder",
    "vae",
    "simclr",
    "vicreg",
    "gan",
    "rotation",
)  # each half a point better than the one before


def true_score(method: str, encoder: str, u: float | None, l: float) -> float:  # noqa: E741 - the design's word
    """Accuracy and macro-F1 without noise, a power law in both amounts (shares of all, from 0.02 to 1).

    With few labels pre-training is better, with many the baseline: for the autoencoder they meet at l = 0.1.
    """
    if method == SUPERVISED:
        return 0.90 - 0.12 * l**-0.3 + BETTER[encoder]
    if method == RANDOM:
        return 0.66 - 0.06 * l**-0.3 + BETTER[encoder]
    return 0.78 - 0.05 * l**-0.3 - 0.02 * u**-0.3 + 0.005 * OF_METHODS.index(method) + BETTER[encoder]


def equivalent_labels(method: str, encoder: str, u: float, l: float) -> float:  # noqa: E741
    """The share of labels with which the baseline truly scores as well."""
    return ((0.90 + BETTER[encoder] - true_score(method, encoder, u, l)) / 0.12) ** (-1 / 0.3)


def records_of(study: Study, epochs: int = 20) -> Iterator[RunRecord]:
    """A record for each cell and baseline of `study`."""
    cells = [(method, u) for u in study.unlabelled for method in (study.methods if u != "0" else [RANDOM])]
    for encoder in study.encoders:
        for method, u in [*cells, (SUPERVISED, None)]:
            for labelled in study.labelled:
                for seed in study.seeds:
                    yield _record(study, method, encoder, u, labelled, seed, epochs)


def write_study(config: Mapping, folder: Path) -> tuple[Study, list[Path], list[Path]]:
    """Write what rules `collect` and `report` read of the study: (study, records, records of encoders).

    `config` as a person writes it, for digits; the images in it are noise.
    """
    study = check_config({"dataset": "digits", "study": folder.name, **config}, SCHEMA)
    paths, shown, pretrained = [], [], []
    for record in records_of(study):
        paths.append(folder / f"records/{record.box.name}.json")
        write_record(record, paths[-1])
        if record.spec.seed == study.seeds[0] and record.spec.l == study.labelled[-1]:
            shown.append(record)
        if record.spec.l == study.labelled[-1] and record.spec.u is not None:
            made = pretrain_record()
            made = replace(made, spec=replace(record.spec, l=None, n_labelled=0))
            pretrained.append(folder / f"records/{made.box.name}.json")
            write_record(made, pretrained[-1])
    settings = study.values(["dataset", "test_fraction", "test_seed"])
    images = {"fingerprint": shown[0].spec.fingerprint, "settings": settings, "classes": CLASSES, "notes": {}}
    images |= {"n_labelled": 1100, "n_unlabelled_only": 0, "n_test": N_TEST, "image_size": 8, "channels": 1}
    (folder / "images.json").write_text(json.dumps(images), encoding="utf-8")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), np.uint8)
    write_examples(examples_of(shown, pixels, CLASSES), folder / "examples.npz")
    return study, paths, pretrained


def marked(tables: Path, study: Study) -> dict[str, tuple[int, list[str]]]:
    """Conclusions of the report whose `tables` these are (CSV): by kind, how many can be marked, and those not true.

    Verdicts of better and worse than the baseline, plateaus (each with an error rate of 5 % a study), and intervals of
    what pre-training is worth in labels (95 %).
    """
    verdicts, flat, worth = (pd.read_csv(tables / f"{n}.csv") for n in ("contrasts", "plateau", "label_equivalence"))
    verdicts = verdicts[
        (verdicts.against == SUPERVISED) & verdicts.primary & verdicts.outcome.isin(["better", "worse"])
    ]
    flat = flat[flat.shown]
    worth = worth[(worth.u > 0) & np.isfinite(worth.low) & np.isfinite(worth.high) & (worth.low > 0)]
    per_label = worth.n_labelled.max()  # the largest fraction is 1
    wrong: dict[str, list[str]] = {"verdicts": [], "plateaus": [], "worth in labels": []}
    for row in verdicts.itertuples():
        gain = true_score(row.method, row.encoder, row.u, row.l) - true_score(SUPERVISED, row.encoder, None, row.l)
        if (gain > 0) != (row.outcome == "better"):
            wrong["verdicts"].append(f"{row.sentence} (in truth {gain:+.3f})")
    for row in flat.itertuples():
        left = true_score(row.method, row.encoder, 1, row.l) - true_score(row.method, row.encoder, row.u, row.l)
        if left >= study.delta:
            wrong["plateaus"].append(f"{row.sentence} (in truth {left:+.3f} is left)")
    for row in worth.itertuples():
        true = equivalent_labels(row.method, row.encoder, row.u, row.l) * per_label
        if not row.low <= true <= row.high:
            wrong["worth in labels"].append(f"{row.sentence} (in truth {true:.0f})")
    numbers = (len(verdicts), len(flat), len(worth))
    return {kind: (n, found) for (kind, found), n in zip(wrong.items(), numbers, strict=True)}


def _record(study, method, encoder, u, labelled, seed, epochs) -> RunRecord:
    fraction = None if u is None else float(u)
    shared = noise(SD / np.sqrt(2), "seed", seed, labelled)  # what paired comparisons share
    score = true_score(method, encoder, fraction, float(labelled)) + shared
    score = round(score + noise(SD / np.sqrt(2), method, encoder, u, labelled, seed), 3)
    record = run_record(method, u, labelled, seed, encoder=encoder, accuracy=score, epochs=epochs)
    spec = replace(record.spec, study=study.name, valid_fraction=study.valid_fraction)
    settings = {"batch_size": study.batch_size, "budget": study.budget, "augment": _augment(study)}
    fit = study.supervised if method == SUPERVISED else study.classify
    settings |= fit
    if method != SUPERVISED:
        made = {"method": "autoencoder"} if method == RANDOM else method_settings(study, method)
        settings |= {"views": 8, "pretrain": {"budget": study.budget, "augment": _augment(study), **made}}
    asked = asked_of(study, record.box)
    made = {"settings": settings, "asked": asked, "code_version": code_version()}
    return replace(record, spec=spec, test=_ten_classes(score), **made)


def _augment(study: Study) -> dict:
    return {"flip_horizontal": 0, "flip_vertical": 0, "noise": 0.1, **study.augment}


def _ten_classes(score: float) -> dict:
    """Test results in which every class is hit as often as the others, or once more."""
    n, hits = N_TEST // 10, round(score * N_TEST)
    by_class = [hits // 10 + (number < hits % 10) for number in range(10)]
    confusion = [[0] * 10 for _ in CLASSES]
    for true, hit in enumerate(by_class):
        confusion[true][true], confusion[true][(true + 1) % 10] = hit, n - hit
    f1 = [2 * by_class[k] / (n + sum(row[k] for row in confusion)) for k in range(10)]
    mistakes = [{"image": k, "true": k, "predicted": (k + 1) % 10, "confidence": 0.9} for k in range(8)]
    return {"accuracy": hits / N_TEST, "macro_f1": sum(f1) / 10, "f1_by_class": f1, "confusion": confusion,
            "classes": CLASSES, "mistakes": mistakes}  # fmt: skip
