"""What a person reads first of a study's results: the verdict, the main table and the summary, as text."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..files import replacing
from ..study.names import RANDOM, SUPERVISED
from .best_arms import arms_table
from .reach import reach
from .results import Results
from .table_files import to_csv
from .verdict import unsure_ways
from .words import EXPLORATORY_BELOW, count, p_value, plural, points, range_of_points, seeds

__all__ = ["findings", "main_table", "summary", "write_results"]

MOST = 10  # with more comparisons than this, only the most important ones are told


def write_results(results: Results, folder: str | Path) -> None:
    """Write each table as `<folder>/<name>.csv`, and `summary.md`; each file appears whole or not at all."""
    for name, table in results.tables.items():
        with replacing(Path(folder) / f"{name}.csv") as scratch:
            to_csv(table, scratch)
    with replacing(Path(folder) / "summary.md") as scratch:
        scratch.write_text(summary(results), encoding="utf-8")


def findings(results: Results) -> list[str]:
    """What a study says, a sentence each, most important first: the headline of its verdict, then the evidence.

    Each number of labels has its sentences; in a study too large for that, only the largest of each encoder and method.
    """
    tables = results.tables
    primary, flat = tables["contrasts"][tables["contrasts"].primary], tables["plateau"]
    unsure = unsure_ways(tables["contrasts"])  # of these nothing else is concluded
    flat, following = (_without(table, unsure) for table in (flat, tables["what_next"]))
    sentences = [results.verdict.headline]
    for table in (primary, flat):
        shown = (
            table if len(table) <= MOST else table[table.l == table.groupby(["encoder", "method"]).l.transform("max")]
        )
        sentences += shown.sentence.tolist()
    sentences += tables["equal_passes"].sentence.tolist()[:MOST]
    sentences += following.drop_duplicates(["encoder", "method"]).sentence.tolist()
    return sentences


def summary(results: Results) -> str:
    """The verdict, the main table, the claims, and how far to trust them, as Markdown."""
    cells, tables, s = results.cells, results.tables, results.settings
    n_seeds, lost = cells.seed.nunique(), int((cells.status != "ok").sum())
    lines = [f"# {cells.study.iloc[0]}: what the unlabelled data is worth", ""]
    if n_seeds < EXPLORATORY_BELOW:
        lines += [f"**Exploratory**: {seeds(n_seeds)}; a conclusion takes {EXPLORATORY_BELOW}.", ""]
    short = results.verdict
    lines += [f"**{short.headline}**", "", *[f"- *{question}* {answer}" for question, answer in short.answers]]
    lines += ["", "## Main table", "", *_markdown(main_table(results)), ""]
    metric = {"test_macro_f1": "macro-F1", "test_accuracy": "accuracy"}.get(s.metric, s.metric)
    lines += [
        f"Test {metric} as mean over seeds with 95 % interval. Each pre-trained row uses the most unlabelled images.",
        f"Differences are paired by seed, in percentage points; p is Holm's. A gain below {points(s.delta)} counts as"
        " none. 'Worth' is how many labels the supervised baseline needs for the same score."
        + f" {results.judged}".rstrip(),
        *_ways(tables),
        "", "## In detail", "", *[f"- {sentence}" for sentence in findings(results)[1:]],
    ]  # fmt: skip
    if len(tables["claims"]):
        lines += [
            "",
            "## The claims of the original study",
            "",
            "| claim | outcome | evidence |",
            "| --- | --- | --- |",
        ]
    several = len(tables["claims"].drop_duplicates(["encoder", "method"])) > 1
    for row in tables["claims"].itertuples():
        who = f"{row.method} ({row.encoder}): " if several else ""
        lines.append(f"| {who}{row.claim} | **{row.outcome}** | {row.evidence} |")
    if "data_needed" in tables:
        lines += ["", "## Data needed", "", *[f"- {text}" for text in _for_most(tables["data_needed"])]]
    lines += ["", "## How far to trust it", ""]
    lines.append(f"- {plural(len(cells), 'run')}, {count(len(cells) - lost)} finished, {count(lost)} without result"
                 " (left out, and their seeds left out of paired comparisons).")  # fmt: skip
    lines += [f"- length of training: {results.length}"]
    lines += [f"- {name}: {text}" for name, text in reach(tables).items()]
    return "\n".join(lines) + "\n"


def main_table(results: Results) -> pd.DataFrame:
    """The verdict at each number of labels, as text: one row per primary comparison; empty if there is none."""
    tables = results.tables
    against = tables["contrasts"]
    if not against.primary.any():
        return pd.DataFrame()
    primary = against[against.primary].merge(
        tables["label_equivalence"][["encoder", "method", "l", "u", "text"]],
        on=["encoder", "method", "l", "u"],
        how="left",
    )
    table = tables["scores"].set_index(["encoder", "method", "l", "u"])
    base = tables["scores"][tables["scores"].method == SUPERVISED].set_index(["encoder", "l"])
    flat = tables["plateau"].set_index(["encoder", "method", "l"])
    several, unsure = len(primary.drop_duplicates(["encoder", "method"])) > 1, unsure_ways(against)
    rows = []
    for row in primary.itertuples():
        ours = table.loc[(row.encoder, row.method, row.l, row.u)]
        theirs = base.loc[(row.encoder, row.l)] if (row.encoder, row.l) in base.index else None
        start = flat.loc[(row.encoder, row.method, row.l)] if row.u else None  # an existing net has no more of them
        begins = "–" if start is None else count(start.n_unlabelled) if start.shown else "not shown"
        rows.append(
            ({"encoder, method": f"{row.encoder}, {row.method}"} if several else {})
            | {
                "labels": count(row.n_labelled),
                "unlabelled": count(row.n_unlabelled) if row.u else "existing net",
                "pre-trained": _score(ours),
                "supervised": "–" if theirs is None else _score(theirs),
                "difference": f"{100 * row.difference:+z.1f}{range_of_points(row.low, row.high)}"
                + (" (depends on training length)" if row.outcome == "length" else "")
                if row.n_seeds
                else "–",
                "p": p_value(row.p_holm),
                "worth in labels": "–" if row.outcome == "length" else row.text,
                "plateau from": "–" if (row.encoder, row.method) in unsure else begins,
            }
        )
    return pd.DataFrame(rows)


def _without(table: pd.DataFrame, ways: set[tuple[str, str]]) -> pd.DataFrame:
    keep = [way not in ways for way in table[["encoder", "method"]].itertuples(index=False, name=None)]
    return table[np.array(keep, dtype=bool)]


def _ways(tables: dict[str, pd.DataFrame]) -> list[str]:
    if "arms" not in tables:
        return []
    told = [f"- {sentence}" for sentence in tables["best_arms"].sentence]
    return ["", "## Ways to spend the labels", "", *_markdown(arms_table(tables["arms"])), "", *told]


def _markdown(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return ["There is no pre-trained encoder to compare with a supervised baseline."]
    return [_line(list(table)), _line(["---"] * len(table.columns)), *[_line(row) for row in table.to_numpy()]]


def _score(row) -> str:
    if not row.n_seeds:
        return "–"
    return f"{row['mean']:.3f}" + (f" [{row.low:.3f}, {row.high:.3f}]" if np.isfinite(row.low) else "")


def _line(parts: list[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _for_most(needed: pd.DataFrame) -> list[str]:
    """The sentences about labels, for the baseline and for each method at its largest u."""
    about = needed[(needed.given == "u") & (needed.method != RANDOM)]
    largest = about.groupby(["encoder", "method"]).value.transform("max")
    return about[about.value.isna() | (about.value == largest)].sentence.tolist()
