"""Checks of a table of cells, one row per run, whatever program made it: each error is one line on what is wrong."""

import re

import numpy as np
import pandas as pd

from ..errors import ResultsError, printable, shown
from ..study.length import HALF, PASSES
from ..study.names import RANDOM, WITHOUT_ENCODER
from .as_written import (
    CALL_IT,
    METRICS,
    first,
    known_columns,
    known_names,
    known_statuses,
    numbers,
    score_hint,
    squashed,
)
from .base_nets import BASE_NET, beside_each, on_net
from .table_checks import as_text, check_filled, check_metric, check_unique, require

__all__ = ["CELL_KEY", "HEAD", "check_cells", "check_shorter"]

CELL_KEY = ["dataset", "method", "encoder", "u", "l", "seed"]
HEAD = "head"

REQUIRED = ["method", "u", "l", "seed", "n_unlabelled", "n_labelled"]
COUNTS = ["n_unlabelled", "n_labelled", "n_test", "n_classes"]
# columns that must have a single value: a table with several would compare things that cannot be compared
ONE_OF_EACH = ["study", "dataset", "fingerprint", "valid_fraction", "schema_version", "budget", "pool"]
ONE_OF_EACH += ["precision"]
OF_ONE_CODE = ["method", "encoder", "evaluate"]  # runs that agree in these must have been made by the same code
# Names appear in pages, Markdown and CSV, so none may begin a formula, or hold a tag, a link or the bar of a table.
NAMES = ["study", "dataset", "method", "encoder", "evaluate", "pool", "budget"]
OPTIONAL = [*NAMES, BASE_NET, "status", "n_test", "n_classes", "seconds_pretrain", "seconds_classify", "length"]
NAME = re.compile(r"[^\W_][^<>|`*\[\]$\\]{0,99}")
COUNT_SLACK = 0.01  # counts of one fraction may differ by this share, since classes are rounded one by one


def check_cells(cells: pd.DataFrame, where: str = "cells", metric: str | None = None) -> pd.DataFrame:
    """A checked copy of `cells`, one row per run, as every function of `sslfast.analysis` expects it.

    Required columns:

    * `method`: `supervised` (the baseline), `random` (the control, u = 0), `pixels` (the control without an encoder),
      `shuffled_<method>` (the control with shuffled weights); any other name is a way of pre-training;
    * `u` and `l`: fractions from 0 to 1; `u` is empty for the baseline and for pixels;
    * `seed`: a whole number; `n_unlabelled` and `n_labelled`: numbers of images;
    * `test_macro_f1`, `test_accuracy` or both: 0 to 1, empty for a run without a result.

    Optional columns: `evaluate` (what was built over the encoder: `head`, the default, `linear`, `knn`, `finetune`),
    `encoder`, `status` (`ok`, or why there is no result), `seconds_pretrain`, `seconds_classify`, `n_test`,
    `n_classes`; with a single value each: `study`, `dataset`, `pool`, `budget`, `schema_version`, `fingerprint`,
    `valid_fraction`, `precision`; `code_version`, with a single value among runs of the same method, encoder and
    evaluation; `base_net`, the existing net that a run stands on, of which u may be 0 (its rows count beside each other
    encoder, see `beside_each`). Other columns pass through. `metric`: another column of scores, checked like the two
    above.

    Scores of runs that are not `ok` are emptied, so that they never count. Other spellings are read if they have a
    single meaning (see `as_written`): `N Labelled`, `finished`, `baseline`, `45 %`, `seed3`. Names (of methods, say)
    begin with a letter or digit and have at most 100 characters, none of < > | ` * [ ] $ \\. Raises `ResultsError`, one
    line naming `where` and the column, for what is missing or impossible.
    """
    if cells.empty:
        raise ResultsError(f"{where}: no rows, expected a row for each run")
    extra = [metric] if metric and metric not in METRICS else []
    cells = cells.astype(dict.fromkeys(cells.select_dtypes("category"), object))
    cells = known_columns(cells, [*REQUIRED, *METRICS, *OPTIONAL, *ONE_OF_EACH, "code_version", *extra], where)
    require(cells, REQUIRED, where)
    for name in extra:
        check_metric(cells, name, where)
    scored = [name for name in [*METRICS, *extra] if name in cells]
    if not scored:
        raise ResultsError(f"{where}: no column test_macro_f1 or test_accuracy; {score_hint(cells)}")
    metrics = [name for name in scored if cells[name].notna().any()] or scored
    cells = known_names(cells.drop(columns=[name for name in scored if name not in metrics]), where)
    for name in [*REQUIRED[1:], *metrics, *COUNTS[2:], "seconds_pretrain", "seconds_classify"]:
        if name in cells:
            kind = "share" if name in {"u", "l", *metrics} else "count" if name in COUNTS else ""
            cells[name] = numbers(cells[name], f"{where}: column {name}", "seed" if name == "seed" else kind)
    cells.loc[(cells.method == RANDOM) & cells.u.isna(), "u"] = 0.0
    no_images = cells.method.isin([*WITHOUT_ENCODER, RANDOM]) & cells.n_unlabelled.isna()
    cells.loc[no_images, "n_unlabelled"] = 0.0
    for name, default in {
        "study": "study",
        "dataset": "data",
        "encoder": "encoder",
        "evaluate": HEAD,
        "status": None,
    }.items():
        if name not in cells:
            cells[name] = default if default else np.where(cells[metrics].notna().all(axis=1), "ok", "no result")
    for name in ("method", "encoder", "evaluate", "status"):
        check_filled(cells, name, where)
    cells["status"] = known_statuses(cells.status, cells[metrics].notna().any(axis=1), where)
    _check_names(cells, where)
    cells.loc[cells.method.isin(WITHOUT_ENCODER), "u"] = np.nan
    _check_values(cells, metrics, where)
    _check_one_study(cells, where)
    check_unique(cells, [*CELL_KEY, "evaluate"], where)
    _check_counts(cells, where)
    return beside_each(cells.assign(seed=cells.seed.astype(int)))


def check_shorter(shorter: pd.DataFrame, where: str = "shorter") -> pd.DataFrame:
    """A checked copy of `shorter`: like `cells` (see `check_cells`), with a column `length`, `half` or `passes`."""
    shorter = known_columns(shorter, ["length"], where)
    require(shorter, ["length"], where)
    shorter["length"] = shorter.length.map(lambda word: squashed(word) if isinstance(word, str) else word)
    strange = ~shorter.length.isin([HALF, PASSES])
    if strange.any():
        raise ResultsError(
            f"{where}: column length: found {shown(shorter.length[strange].iloc[0])}, expected half or passes"
        )
    parts = [check_cells(part, f"{where}, {length}") for length, part in shorter.groupby("length")]
    return pd.concat(parts, ignore_index=True)


def _check_values(cells: pd.DataFrame, metrics: list[str], where: str) -> None:
    learned = ~cells.method.isin([*WITHOUT_ENCODER, RANDOM])
    finished = cells.status == "ok"
    for name in metrics:
        cells.loc[~finished, name] = np.nan
    problems = [  # column, which rows are wrong, what was expected
        ("l", ~((cells.l > 0) & (cells.l <= 1)), "a fraction above 0 and up to 1"),
        ("u", ~cells.u.between(0, 1) & ~cells.method.isin(WITHOUT_ENCODER), "a fraction from 0 to 1"),
        ("u", (cells.method == RANDOM) & (cells.u != 0), "0, since method random is an encoder without pre-training"),
        (
            "u",
            learned & (cells.u == 0) & ~on_net(cells),
            "more than 0; an encoder without pre-training is method random",
        ),
        ("seed", ~(cells.seed.notna() & (cells.seed % 1 == 0) & (cells.seed.abs() < 2**53)), "a whole number"),
        *((name, finished & cells[name].isna(), "a score, since the status is ok") for name in metrics),
        *(
            (name, ~cells[name].between(0, 1) & cells[name].notna(), "a score from 0 to 1 (divide percentages by 100)")
            for name in metrics
        ),
        *(
            (name, ~(cells[name] >= 0) & (cells[name].notna() | required), "0 or more")
            for name, required in {
                "n_labelled": True,
                "n_unlabelled": True,
                "seconds_pretrain": False,
                "seconds_classify": False,
                "n_test": False,
            }.items()
            if name in cells
        ),
        *((name, (cells[name] % 1 > 0), "a whole number of images") for name in COUNTS[:2]),
    ]
    for name, wrong, expected in problems:
        if wrong.any():
            found = cells[name][wrong].iloc[0]
            found = "nothing" if pd.isna(found) else f"{found:g}"
            found = f"{found} in row {first(wrong)}"
            raise ResultsError(f"{where}: column {name}: found {found}, expected {expected}{_hint(cells, name, wrong)}")


def _hint(cells: pd.DataFrame, name: str, wrong: pd.Series) -> str:
    """A hint for an error about a wrong `u` or `l`: what the person may have meant."""
    row = cells[wrong].iloc[0]
    if name not in ("u", "l"):
        return ""
    if pd.isna(row[name]) or row[name] == 0:
        return f" ({row.method} is taken for a way of pre-training; {CALL_IT})" if name == "u" else ""
    counts = "n_unlabelled" if name == "u" else "n_labelled"
    if row[name] == row[counts] or cells[name].max() > 100:
        return f" of all images; how many they are is told in column {counts}"
    return f" ({row[name]:g} % is {row[name] / 100:g})" if row[name] > 1 else ""


def _check_names(cells: pd.DataFrame, where: str) -> None:
    for name in NAMES:
        if name in cells:  # in a CSV file, the name of a data set called 2012 is read as a number
            cells[name] = as_text(cells[name])
        for found in cells[name].dropna().unique() if name in cells else []:
            if not NAME.fullmatch(str(found)) or printable(str(found)) != str(found):
                row = first(cells[name] == found)
                raise ResultsError(
                    f"{where}: column {name}: found {shown(found)} in row {row}, expected at most 100 characters, the"
                    " first a letter or digit, none of them < > | ` * [ ] $ \\"
                )


def _check_one_study(cells: pd.DataFrame, where: str) -> None:
    for name in ONE_OF_EACH:
        # the pool of the baseline means nothing, since it uses no unlabelled images
        rows = cells[~cells.method.isin(WITHOUT_ENCODER)] if name == "pool" else cells
        found = sorted(map(str, rows[name].dropna().unique())) if name in cells else []
        if len(found) > 1:
            some = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
            raise ResultsError(
                f"{where}: column {name}: found {len(found)} values ({some}), expected one; analyse each by itself"
            )
    for kind, rows in cells.groupby(OF_ONE_CODE) if "code_version" in cells else ():
        found = sorted(map(str, rows.code_version.dropna().unique()))
        if len(found) > 1:
            raise ResultsError(
                f"{where}: column code_version: found {len(found)} values ({', '.join(found[:3])}) among runs of"
                f" {', '.join(kind)}, expected one; analyse each by itself"
            )


def _check_counts(cells: pd.DataFrame, where: str) -> None:
    """Raises `ResultsError` unless each fraction stands for one number of images, and larger ones for no fewer.

    In pool `rest` a fraction `u` may stand for another number of images at each `l`.
    """
    unlabelled = cells[~cells.method.isin(WITHOUT_ENCODER)]
    wrong = (unlabelled.u == 0) != (unlabelled.n_unlabelled == 0)
    if wrong.any():
        row = unlabelled[wrong].iloc[0]
        raise ResultsError(f"{where}: column n_unlabelled: found {row.n_unlabelled:g} where u is {row.u:g}; fix either")
    for rows, name, given in ((cells, "l", []), (unlabelled, "u", ["l"] if _draws_from_rest(cells) else [])):
        counts = rows.groupby([*given, name])[f"n_{'' if name == 'l' else 'un'}labelled"].agg(["min", "max"])
        spread = counts[counts["max"] > (1 + COUNT_SLACK) * counts["min"] + 1]
        what = "n_labelled" if name == "l" else "n_unlabelled"
        if len(spread):
            at, (low, high) = spread.index[0], spread.iloc[0]
            at = at[-1] if isinstance(at, tuple) else at
            raise ResultsError(
                f"{where}: column {what}: found {low:g} and {high:g} where {name} is {at:g}, expected one number of"
                " images per fraction; is this more than one data set?"
            )
        before = counts["max"].groupby(level=given).shift() if given else counts["max"].shift()
        if (counts["max"] < before).any():
            at = counts.index[counts["max"] < before][0]
            at = at[-1] if isinstance(at, tuple) else at
            raise ResultsError(
                f"{where}: column {what}: fewer images where {name} is {at:g} than at a smaller fraction; fix either"
            )


def _draws_from_rest(cells: pd.DataFrame) -> bool:
    return "pool" in cells and bool((cells.pool == "rest").any())
