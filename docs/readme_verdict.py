"""Write the README's verdict from tables of committed reports and of `benchmarks/longer.csv`: `make docs`."""

import re
import textwrap
from pathlib import Path

import pandas as pd
import yaml

from sslfast.analysis.arms import LABELS
from sslfast.analysis.best_arms import arms_headline
from sslfast.analysis.words import count, seeds
from sslfast.study.config import check_config, read_schema

ROOT = Path(__file__).parents[1]
STUDIES = {"cifar10-5seeds": "CIFAR-10 (JPEG copy)", "mnist": "MNIST"}
NETS = {"base-nets": "CIFAR-10 (JPEG copy)", "mnist-nets": "MNIST"}  # studies of existing nets, of one config
MARKS = "<!-- verdict: written by make docs -->\n", "<!-- end of verdict -->\n"
SAID = {
    "worse": "labels alone win",
    "better": "pre-training wins",
    "equal": "no difference that counts",
    "open": "not settled",
    "length": "not settled: depends on how long one trains",
}
FATES = {
    "stands": "the verdict stands",
    "open after": "then open",
    "changed": "then another verdict",
    "reversed": "then the opposite",
    "not settled": "",
}
HOW = "benchmarks/README.md#how-long-and-with-which-settings"


def readme(text: str) -> str:
    """The README `text` with its verdict made anew."""
    before, after = MARKS
    return re.sub(f"{before}.*?{after}", lambda _: f"{before}{_verdict()}{after}", text, count=1, flags=re.DOTALL)


def _verdict() -> str:
    """What the reports found, and whether longer training said the same, as Markdown."""
    parts = {study: _primary(study) for study in STUDIES}
    every = pd.concat(parts.values())
    assert every.method.nunique() == every.n_seeds.nunique() == every.n_test.nunique() == 1, "one head for all"
    head = (
        f"A frozen {every.method.iloc[0]} minus training on the labels alone, points of macro-F1, 95 % intervals;"
        f" {seeds(every.n_seeds.iloc[0])}, {count(every.n_test.iloc[0])} test images:"
    )
    lines = [
        f"| | labels | difference | verdict | [with four times the training and five fresh seeds]({HOW}) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for study, title in STUDIES.items():
        longer = pd.read_csv(ROOT / "benchmarks/longer.csv").query("study == @study").set_index("n_labelled")
        for i, row in enumerate(parts[study].itertuples()):
            after = "not tried"
            if row.n_labelled in longer.index:
                found = longer.loc[row.n_labelled]
                after = ": ".join(filter(None, [_gap(found, "_longer"), _fate(found)]))
            name = f"[{title}](reports/{study}/)" if i == 0 else ""
            lines.append(f"| {name} | {count(row.n_labelled)} | {_gap(row)} | **{SAID[row.outcome]}** | {after} |")
    return "\n".join([*_filled(head), "", *lines, "", *_filled(_summary(every)), "", *_nets(), ""])


def _nets() -> list[str]:
    """What each way to spend the labels scored where existing nets are among them, and which is best."""
    columns, heads = {}, []
    for study, title in NETS.items():
        tables = ROOT / "reports" / study / "tables"
        arms = pd.read_csv(tables / "arms.csv")
        assert arms.encoder.nunique() == arms.n_seeds.nunique() == 1, "one table of one encoder, from whole cells"
        for n, part in arms.groupby("n_labelled"):
            scores = [f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in part.itertuples()]
            columns[f"{title}, {count(n)} labels"] = dict(zip(map(_named, part.itertuples()), scores, strict=True))
        texts = {"ties": "", "doubt": ""}
        verdicts = pd.read_csv(tables / "best_arms.csv", dtype=dict.fromkeys(texts, str)).fillna(texts)
        heads.append(f"* {title} ([report](reports/{study}/)): {arms_headline(verdicts, _delta())}")
    table = pd.DataFrame(columns)
    lines = [
        f"| macro-F1, {seeds(arms.n_seeds.iloc[0])}, linear classifier over frozen encoders | {' | '.join(table)} |",
        f"| --- |{' --- |' * len(table.columns)}",
        *(f"| {' | '.join(row)} |" for row in table.reset_index().to_numpy()),
    ]
    head = (
        "**Or an existing net?** Ask the images ([how](docs/base-nets.md)). Checked with half the training, not"
        " with longer training and new seeds, so these verdicts may not stand; no net was fine-tuned:"
    )
    return [head, "", *lines, "", *(line for text in heads for line in _filled(text, "  "))]


def _named(row) -> str:
    """`frozen imagenet (existing net, 96 pixels)`."""
    if row.arm == LABELS:
        return row.arm
    side = "" if pd.isna(row.pixels) else f", {row.pixels:.0f} pixels"
    return f"{row.arm} ({row.kind}{side})"


def _delta() -> float:
    """The smallest gain that these studies count."""
    given = yaml.safe_load((ROOT / "config/base-nets.yaml").read_text(encoding="utf-8"))
    return check_config(given, read_schema(ROOT / "workflow/schemas/config.schema.yaml")).delta


def _primary(study: str) -> pd.DataFrame:
    """The primary comparisons of a committed report, fewest labels first."""
    tables = ROOT / "reports" / study / "tables"
    rows = pd.read_csv(tables / "contrasts.csv").query("primary").sort_values("n_labelled")
    return rows.assign(n_test=pd.read_csv(tables / "cells.csv").n_test.iloc[0])


def _summary(rows: pd.DataFrame) -> str:
    """Who wins how often, and how much of that was tried with longer training and other seeds."""
    longer = pd.read_csv(ROOT / "benchmarks/longer.csv").query("study in @STUDIES")
    settled = longer[longer.outcome.isin(["better", "worse", "equal"])]
    n = rows.outcome.value_counts().reindex(SAID, fill_value=0)
    stands, untried = (settled.longer_training == "stands").sum(), n.better + n.worse + n.equal - len(settled)
    told = f"{stands} stand" + (f", {untried} not tried" if untried else "")
    return (
        f"**Pre-training wins in {n.better} of {len(rows)} comparisons, labels alone in {n.worse}** (longer training"
        f" and new seeds: {told}); {n.open + n.length} not settled."
    )


def _fate(row) -> str:
    if row.outcome == "length":
        return "would have stood" if row.longer_training == "stands" else "would not have stood"
    return FATES[row.longer_training]


def _gap(row, end: str = "") -> str:
    mean, low, high = (getattr(row, name + end) for name in ("difference", "low", "high"))
    return f"{100 * mean:+z.1f} [{100 * low:+z.1f}, {100 * high:+z.1f}]".replace("-", "−")


def _filled(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width=132, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text(encoding="utf-8")), encoding="utf-8")
