"""The tables that all conclusions rest on: `cells`, one row per run, and `history`, one row per run and epoch."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from ..errors import printable
from ..files import replacing
from ..study.depends import digest_of_asked, flat
from ..study.length import FULL
from ..study.names import BASE
from ..study.records import RunRecord, read_record
from ..study.stage_table import STAGES
from .checks import CELL_KEY
from .table_files import to_csv, to_parquet

__all__ = ["CELL_KEY", "collect", "collect_pretraining", "collect_shorter", "write_tables"]


def collect(paths: Iterable[str | Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`(cells, history)` of the run records at `paths`, without runs of shorter training (see `collect_shorter`).

    Columns of `cells`: record (the run's name); the spec, with fractions `u` and `l` as numbers (`u` is NaN for the
    baseline) beside the counts; evaluate; status and reason; test_accuracy and test_macro_f1 (NaN unless `ok`); n_test
    and n_classes (0 unless `ok`); seconds by phase, device, threads, versions and notes; a digest of what the config
    `asked` of the job; measures of the encoder (`encoder_…`); settings (`setting_lr`, …; empty if a stage has no such
    setting).

    Columns of `history`: the cell's key, evaluate, epoch, updates, images, seconds, train_loss, valid_loss, and on the
    validation images accuracy and macro_f1. Raises `RecordError` for a damaged record.
    """
    records = [record for record in map(read_record, paths) if record.spec.length == FULL]
    cells = _table(records)
    history = pd.DataFrame(
        [{**_key(record), "evaluate": _evaluate(record), **row} for record in records for row in record.history]
    )
    columns = [
        *CELL_KEY,
        "evaluate",
        "epoch",
        "updates",
        "images",
        "seconds",
        "train_loss",
        "valid_loss",
        "accuracy",
        "macro_f1",
    ]
    # where every run failed before its first epoch, history is empty and its columns have no type
    history = history.reindex(columns=columns).astype(cells.dtypes[[*CELL_KEY, "evaluate"]].to_dict())
    return cells, history


def collect_shorter(paths: Iterable[str | Path]) -> pd.DataFrame:
    """The runs of shorter training among the records at `paths`: a table like `cells`, with a column `length`."""
    records = [record for record in map(read_record, paths) if record.spec.length != FULL]
    table = _table(records)
    return table.assign(length=table.record.map({record.box.name: record.spec.length for record in records}))


def _table(records: list[RunRecord]) -> pd.DataFrame:
    cells = pd.DataFrame([_cell(record) for record in records])
    if cells.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in ("record", *CELL_KEY, "evaluate", "status")})
    for name in cells.columns[cells.columns.str.startswith("setting_")]:
        if not is_numeric_dtype(cells[name]):  # `views` may be a word here and a number there
            cells[name] = cells[name].map(str, na_action="ignore")
    return cells.sort_values(["evaluate", "method", "encoder", "l", "u", "seed"], ignore_index=True)


def collect_pretraining(paths: Iterable[str | Path]) -> pd.DataFrame:
    """The history of pre-training in the records at `paths`: one row per encoder and epoch.

    Columns: dataset, method, encoder, u, l (NaN for an encoder that serves every l), seed, status, epoch, updates,
    images, seconds, and the losses and measures of all methods, empty where a method does not have one.
    """
    records = [read_record(path) for path in paths]
    rows = [{**_key(record), "status": record.status, **row} for record in records for row in record.history]
    first = [*CELL_KEY, "status", "epoch", "updates", "images", "seconds", "train_loss", "valid_loss"]
    table = pd.DataFrame(rows, columns=None if rows else first)
    return table[[*first, *(name for name in table if name not in first)]]


def write_tables(tables: dict[str, pd.DataFrame], folders: Sequence[str | Path], kinds=("parquet", "csv")) -> None:
    """Write each table as `<folder>/<name>.<kind>`, for every folder and kind; a file appears whole or not at all."""
    for folder in folders:
        for name, table in tables.items():
            for kind in kinds:
                path = Path(folder) / f"{name}.{kind}"
                if kind == "parquet":
                    to_parquet(table, path)
                    continue
                with replacing(path) as scratch:
                    to_csv(table, scratch)


def _number(fraction: str | None) -> float:
    return float("nan") if fraction is None else float(fraction)


def _key(record: RunRecord) -> dict:
    spec = record.spec
    return {
        "dataset": spec.dataset,
        "method": spec.method,
        "encoder": spec.encoder,
        "u": _number(spec.u),
        "l": _number(spec.l),
        "seed": spec.seed,
    }


def _evaluate(record: RunRecord) -> str:
    """The evaluation of a run; for a run without a frozen encoder (the baseline, pixels), its stage."""
    return STAGES[record.stage].evaluate or record.stage


def _cell(record: RunRecord) -> dict:
    test, spec = record.test or {}, record.spec
    return {
        "record": record.box.name,
        "study": spec.study,
        "fingerprint": spec.fingerprint,
        "valid_fraction": spec.valid_fraction,
        **_key(record),
        "evaluate": _evaluate(record),
        "n_unlabelled": spec.n_unlabelled,
        "n_labelled": spec.n_labelled,
        "pool": spec.pool,
        "status": record.status,
        "reason": record.reason and printable(record.reason),
        "test_accuracy": test.get("accuracy", float("nan")),
        "test_macro_f1": test.get("macro_f1", float("nan")),
        "n_test": sum(map(sum, test.get("confusion", []))),
        "n_classes": len(test.get("classes", [])),
        **{f"seconds_{phase}": seconds for phase, seconds in record.seconds.items()},
        "epochs": len(record.history),
        "updates": record.history[-1]["updates"] if record.history else 0,
        "budget": record.settings.get("budget"),
        "device": record.device,
        "threads": record.threads,
        "precision": record.precision,
        "code_version": record.code_version,
        "asked": digest_of_asked(record.asked),
        **{f"version_{name}": found for name, found in record.versions.items()},
        "classes_rounded_up": record.notes.get("classes_rounded_up", 0),
        "images_skipped": record.notes.get("images_skipped", 0),
        **{f"encoder_{name}": value for name, value in record.features.items()},
        **{f"setting_{name}": value for name, value in flat(record.settings) if name != "budget"},
        **_nets(record),
    }


def _nets(record: RunRecord) -> dict[str, str]:
    """The existing net that an encoder is, or went on from, and the one that taught it, each with what is known of it.

    Without an existing net nothing.
    """
    made = record.settings.get("pretrain") or {}
    options = made.get("options") or {}
    found = {}
    if arm := made.get("start") or (options if made.get("method") == BASE else {}):
        found["base_net"] = " ".join(str(part) for part in arm.values() if part is not None)
        found["base_net_about"] = _known_of(record.notes.get("base_net", {}))
    if options.get("teacher"):
        found["teacher_about"] = _known_of(record.notes.get("teacher", options["teacher"]))
    return found


def _known_of(about: Mapping) -> str:
    seen = f"trained on {about.get('trained_on') or 'images that its source does not tell'}"
    seen += f" ({about['n_labels']:,} labels)" if about.get("n_labels") else ""
    parts = [about.get("net"), about.get("source"), about.get("digest"), seen]
    parts += [f"licence {about.get('licence') or 'not told'}", f"images scaled to {about.get('size')} pixels"]
    return ", ".join(printable(str(part)) for part in parts if part)
