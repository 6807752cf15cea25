"""Valid run records and tables of a grid, without training anything."""

import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sslfast.analysis.tables import collect
from sslfast.study.config import read_schema
from sslfast.study.examples import Embedding, Examples, Outcome, Pictures, Seen
from sslfast.study.records import RunRecord, Spec, write_record

SCHEMA_FILE = Path(__file__).parents[1] / "workflow/schemas/config.schema.yaml"
SCHEMA = read_schema(SCHEMA_FILE)
OPTIONS = {"denoise": None, "mask": 0, "patch": 4, "loss_on": "all"}  # of the autoencoder, as configs have them
N_TRAIN = 1000  # training images left after validation
LOST = "a loss was not finite in epoch 2"
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
BATCH = 32
UPDATES = 50  # from one validation to the next, where they are what is counted
N_TEST = 1000  # so that any accuracy of three decimals has a confusion matrix


def run_record(
    method: str = "autoencoder",
    u: str | None = "0.1",
    l: str | None = "0.5",  # noqa: E741 - the design's word
    seed: int = 0,
    *,
    encoder: str = "original",
    accuracy: float = 0.8,
    macro_f1: float | None = None,
    curve: Sequence[float] | None = None,
    epochs: int = 3,
    seconds_an_epoch: float = 2.0,
    seconds_pretrain: float = 10.0,
    pool: str = "all",
    budget: str = "epochs",
    problem: str | None = None,
    **changes,
) -> RunRecord:
    """The record of a run over a two-class data set; `method` decides the stage.

    `curve`: validation accuracy and macro-F1 of each epoch; by default it rises to `accuracy` in
    `epochs` equal steps. `problem`: the reason of a run that diverged after the first epoch. `budget`: with `updates`,
    what is called epochs here is a validation every `UPDATES`. `changes`: other fields of the record.
    """
    stage = "supervised" if method == "supervised" else "classify"
    u = None if method == "supervised" else "0" if method == "random" else u
    curve = list(curve) if curve is not None else [accuracy * (e + 1) / epochs for e in range(epochs)]
    if problem:
        curve = curve[:1]
    n_labelled = round(float(l or 0) * N_TRAIN)
    n_pool = N_TRAIN - (n_labelled if pool == "rest" else 0)
    return RunRecord(
        stage=stage,
        spec=Spec(
            study="made-up",
            dataset="digits",
            fingerprint="fedcba9876543210",
            valid_fraction=0.1,
            method=method,
            encoder=encoder,
            u=u,
            n_unlabelled=round(float(u or 0) * n_pool),
            l=l,
            n_labelled=n_labelled,
            pool="all" if method == "supervised" else pool,
            seed=seed,
        ),
        status="diverged" if problem else "ok",
        reason=problem,
        history=[
            {
                "epoch": epoch,
                "train_loss": 2 / epoch,
                "valid_loss": 2.1 / epoch,
                "accuracy": score,
                "macro_f1": score,
                "seconds": seconds_an_epoch * epoch,
                "updates": epoch * (UPDATES if budget == "updates" else math.ceil(n_labelled / BATCH)),
                "images": epoch * (UPDATES * min(BATCH, n_labelled) if budget == "updates" else n_labelled),
            }
            for epoch, score in enumerate(curve, 1)
        ],
        test=None if problem else test_results(accuracy, macro_f1),
        seconds={
            "data": 0.1,
            "pretrain": 0.0 if u in (None, "0") else seconds_pretrain,
            "classify": seconds_an_epoch * len(curve),
            "evaluate": 0.2,
        },
        settings=settings_of(stage, epochs, budget),
        device="cpu",
        threads=1,
        precision="float32",
        versions={"python": "3.11.7", "torch": "2.6.0"},
        code_version="0123456789ab",
        **{"notes": {"classes_rounded_up": 0}, **changes},
    )


def settings_of(stage: str, epochs: int = 3, budget: str = "epochs") -> dict:
    """What a record says that the training of `stage` depended on."""
    augment = {"flip_horizontal": 0, "flip_vertical": 0, "noise": 0.1}
    shared = {"batch_size": BATCH, "budget": budget, "augment": augment}
    fit = {
        budget: epochs * (UPDATES if budget == "updates" else 1),
        "lr": 0.001,
        "wd": 0,
        "schedule": "constant",
        "dropout": 0.35,
    }
    made = {"pretrain": {**shared, **fit, budget: 2, "method": "autoencoder", "options": OPTIONS}, "views": 8}
    made = made if stage == "classify" else {"method": "autoencoder", "options": OPTIONS} if stage == "pretrain" else {}
    return {**shared, **fit, **made}


def pretrain_record(seed: int = 0) -> RunRecord:
    """The record of an encoder that was trained for two epochs."""
    history = [
        {
            "epoch": e,
            "train_loss": 0.3,
            "valid_loss": 0.3,
            "rmse": 0.3,
            "updates": 4 * e,
            "seconds": 5.0 * e,
            "images": 100 * e,
        }
        for e in (1, 2)
    ]
    made = run_record(seed=seed)
    spec = replace(made.spec, l=None, n_labelled=0)
    settings = settings_of("pretrain", epochs=2)
    return replace(made, stage="pretrain", spec=spec, history=history, test=None, settings=settings)


def test_results(accuracy: float, macro_f1: float | None = None) -> dict:
    """Test results of two classes of `N_TEST` / 2 images each."""
    hits, half = round(accuracy * N_TEST), N_TEST // 2
    cats = min(half, hits)
    dogs = hits - cats
    score = hits / N_TEST
    return {
        "accuracy": score,
        "macro_f1": score if macro_f1 is None else macro_f1,
        "f1_by_class": [score, score],
        "confusion": [[cats, half - cats], [half - dogs, dogs]],
        "classes": ["cat", "dog"],
        "mistakes": [{"image": 3, "true": 0, "predicted": 1, "confidence": 0.9}][: N_TEST - hits],
    }


test_results.__test__ = False  # not a test, whatever pytest thinks of its name


def grid(
    score: Callable[..., float | str] = lambda **_: 0.8,
    *,
    us: Iterable[str] = ("0", "0.1", "1"),
    ls: Iterable[str] = ("0.05", "0.5"),
    seeds: Iterable[int] = range(3),
    encoders: Iterable[str] = ("original",),
    baseline: bool = True,
    **settings,
) -> list[RunRecord]:
    """Records of a whole grid. `score(method, u, l, seed, encoder)` gives a run's accuracy, or why it diverged.

    `u` and `l` reach `score` as numbers, `u` as None for the baseline; `settings` go to `run_record`.
    """
    records = []
    methods = [("random" if u == "0" else "autoencoder", u) for u in us]
    for encoder in encoders:
        for method, u in [*methods, *([("supervised", None)] if baseline else [])]:
            for label in ls:
                for seed in seeds:
                    number = None if u is None else float(u)
                    found = score(method=method, u=number, l=float(label), seed=seed, encoder=encoder)
                    outcome = {"problem": found} if isinstance(found, str) else {"accuracy": found}
                    records.append(run_record(method, u, label, seed, encoder=encoder, **outcome, **settings))
    return records


def tables(records: Iterable[RunRecord]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`(cells, history)` as the study would collect them from these records."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, record in enumerate(records):
            paths.append(Path(folder) / f"{number}.json")
            write_record(record, paths[-1])
        cells, history = collect(paths)
    return cells, history


def cells_of(score: Callable[..., float | str] | None = None, **settings) -> pd.DataFrame:
    """The `cells` table of a `grid`, by default of `realistic` accuracies."""
    return tables(grid(score or realistic, **settings))[0]


def by_seed(**scores_of: Sequence[float | None]) -> pd.DataFrame:
    """Cells at u = 0.1, l = 0.5: a list of accuracies a method, a seed each, None for a run that diverged."""
    return tables(
        run_record(method, seed=seed, **({"problem": LOST} if score is None else {"accuracy": score}))
        for method, found in scores_of.items()
        for seed, score in enumerate(found)
    )[0]


def results_table(
    score: Callable[..., float | None],
    *,
    us: Sequence[float] = (0, 0.01, 0.03, 0.1, 0.3, 1),
    ls: Sequence[float] = (0.02, 0.05, 0.1, 0.3, 0.5),
    seeds: Iterable[int] = range(5),
    encoders: Sequence[str] = ("original",),
    methods: Sequence[str] = ("autoencoder",),
    baseline: bool = True,
    n_train: int = 45000,
    pool: str = "all",
) -> pd.DataFrame:
    """A table of results from elsewhere: a row a run, no run records behind it.

    `score(method, u, l, seed, encoder)` gives accuracy and macro-F1 (u is 0 for the control, None for the baseline),
    or None for a run that diverged.
    """
    settings = [("supervised", None)] * baseline + [("random", 0.0)] * (0 in us)
    settings += [(method, u) for method in methods for u in us if u > 0]
    rows = []
    for encoder in encoders:
        for method, u in settings:
            for label in ls:
                n_pool = n_train * (1 - label if pool == "rest" else 1)
                for seed in seeds:
                    found = score(method=method, u=u, l=label, seed=seed, encoder=encoder)
                    rows.append(
                        {"study": "made-up", "dataset": "photos", "method": method, "encoder": encoder}
                        | {"u": float("nan") if u is None else u, "l": label, "seed": seed, "pool": pool}
                        | {"n_unlabelled": round((u or 0) * n_pool), "n_labelled": round(label * n_train)}
                        | {"status": "diverged" if found is None else "ok", "test_accuracy": found}
                        | {"test_macro_f1": found, "n_test": 10000, "seconds_classify": 60 * label + 1}
                        | {"seconds_pretrain": 300 * (u or 0)}
                    )
    return pd.DataFrame(rows).astype({"test_accuracy": float, "test_macro_f1": float})


def noise(sd: float, *what) -> float:
    """A normal deviate that belongs to `what` (a seed, a cell), the same whenever it is asked for."""
    return sd * float(np.random.default_rng(list(repr(what).encode())).standard_normal())


def realistic(*, method, u, l, seed, encoder="original") -> float:  # noqa: E741
    """An accuracy that rises with both amounts, with seeds that agree on what is easy."""
    noise = 0.004 * ((seed * 7 + round(100 * l)) % 5 - 2) + 0.001 * (seed % 2 if u is None else round(10 * u) % 3)
    bonus = 0.05 if encoder == "conv" else 0.0
    if method == "supervised":
        return round(0.30 + 0.45 * l**0.3 + bonus + noise, 3)
    return round(0.36 + 0.22 * l**0.3 + 0.10 * u**0.3 + bonus + noise, 3)


def schema_keys() -> dict[str, dict]:
    """Every key of a config that holds a value (`pretrain.epochs` for one below another), and its schema."""
    found = {}
    for key, entry in SCHEMA["properties"].items():
        inner = entry.get("properties", {})
        found |= {f"{key}.{name}": below for name, below in inner.items()} if inner else {key: entry}
    return found


def column(table: pd.DataFrame, name: str, **where) -> list:
    """The values of column `name` in the rows of `table` that hold `where` (None stands for NaN)."""
    for key, wanted in where.items():
        table = table[table[key].isna() if wanted is None else table[key] == wanted]
    return table[name].tolist()


def examples_of(records: Sequence[RunRecord], images: np.ndarray, classes: Sequence[str] = ("cat", "dog")) -> Examples:
    """Examples of a grid over `images` `[N, H, W, C]`: encoders rebuild them the brighter, the fewer they saw."""
    pictures, embeddings = {}, {}
    for record in records:
        if record.stage == "classify" and record.spec.u not in (None, "0") and record.spec.seed == 0:
            key = (record.spec.encoder, record.spec.method, float(record.spec.u))
            made = images[:4] // 2 + round(60 * (1 - key[2]))
            pictures[key] = Pictures(record.spec, "reconstructions", made)
            embeddings[key] = Embedding(record.spec, np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1]))
    done = sorted((r for r in records if r.stage == "classify" and r.test), key=lambda r: r.test["macro_f1"])
    outcomes = {
        name: Outcome(
            r.spec, r.test["macro_f1"], r.test["confusion"], r.test["mistakes"], images[: len(r.test["mistakes"])]
        )
        for name, r in (zip(("best", "worst"), (done[-1], done[0]), strict=True) if done else ())
    }
    shown = [pictures[key] for key in sorted(pictures)]
    of_all = [embeddings[key] for key in sorted(embeddings)]
    labels = np.arange(len(images)) % len(classes)
    seen = Seen(np.stack([images, images[:, :, ::-1]]), labels, images.shape[1])
    return Examples(tuple(classes), images[:4], shown, outcomes, of_all, seen)
