"""Write the README's verdict from tables of a committed report and of `benchmarks/longer.csv`: `make docs`."""

import re
import textwrap
from pathlib import Path

import pandas as pd

from sslfast.analysis.words import count, listed, seeds

ROOT = Path(__file__).parents[1]
STUDIES = {"cifar10-5seeds": "CIFAR-10 (JPEG copy)", "mnist": "MNIST"}
MARKS = "<!-- verdict: written by make docs -->\n", "<!-- end of verdict -->\n"
SAID = {
    "worse": "the labels alone win {}",
    "better": "pre-training wins {}",
    "equal": "neither is ahead by more than counts {}",
    "open": "not settled {}",
    "length": "not settled {}, since half the training says otherwise",
}
FATES = {
    "stands": "the verdict {} stands",
    "open after": "the verdict {} is open again",
    "changed": "the verdict {} has changed",
    "reversed": "the verdict {} is reversed",
    "not settled": "nothing {} was to be confirmed",
    "taken back": "what the study took back {} would have stood",
    "rightly taken back": "what the study took back {} would not have stood",
}
LINK = "[how that was checked](benchmarks/README.md#how-long-and-with-which-settings)"


def readme(text: str) -> str:
    """The README `text` with its verdict made anew."""
    before, after = MARKS
    made = "\n".join(_verdict(study, title) for study, title in STUDIES.items())
    return re.sub(f"{before}.*?{after}", lambda _: f"{before}{made}{after}", text, count=1, flags=re.DOTALL)


def _verdict(study: str, title: str) -> str:
    """What a report found, and whether longer training said the same, as lines of Markdown."""
    tables = ROOT / "reports" / study / "tables"
    cells, rows = pd.read_csv(tables / "cells.csv"), pd.read_csv(tables / "contrasts.csv")
    rows = rows[rows.primary].sort_values("n_labelled")
    assert rows.method.nunique() == 1, "the sentence is about one method"
    head = f"{title}, {seeds(rows.n_seeds.min())}, {count(cells.n_test.iloc[0])} test images"
    found = listed([f"{_gap(row)} with {count(row.n_labelled)}" for row in rows.itertuples()])
    method = rows.method.iloc[0]
    return textwrap.fill(
        f"{head}. A frozen pre-trained {method} minus training on the labels alone, in points of macro-F1 with 95 %"
        f" intervals: {found} labels. **{_outcomes(rows)}.** {_longer(study, rows)} ({LINK})."
        f" The whole report: [`reports/{study}/`](reports/{study}/).\n",
        width=120, break_long_words=False, break_on_hyphens=False,
    ) + "\n"  # fmt: skip


def _outcomes(rows: pd.DataFrame) -> str:
    """`The labels alone win at every number of labels`, or what holds at which."""
    by_outcome = {outcome: [count(n) for n in part.n_labelled] for outcome, part in rows.groupby("outcome", sort=False)}
    if len(by_outcome) == 1:
        said = SAID[next(iter(by_outcome))].format("at every number of labels")
    else:
        said = "; ".join(SAID[outcome].format(f"with {listed(n)} labels") for outcome, n in by_outcome.items())
    return said[0].upper() + said[1:]


def _longer(study: str, rows: pd.DataFrame) -> str:
    """What four times the training gave, and where it was not tried."""
    longer = pd.read_csv(ROOT / "benchmarks/longer.csv").query("study == @study").sort_values("n_labelled")
    gaps = [f"{_gap(row, '_longer')} with {count(row.n_labelled)}" for row in longer.itertuples()]
    fates = {fate: [count(n) for n in part.n_labelled] for fate, part in longer.groupby(longer.apply(_fate, axis=1))}
    verdicts = "; ".join(FATES[fate].format(f"with {listed(labels)} labels") for fate, labels in fates.items())
    missing = [count(n) for n in rows.n_labelled if n not in set(longer.n_labelled)]
    untried = f"; {listed(missing)} labels were not tried for so long" if missing else ""
    return f"Four times the training and five fresh seeds: {listed(gaps)} labels, so that {verdicts}{untried}"


def _fate(row) -> str:
    if row.outcome != "length":
        return row.longer_training
    return "taken back" if row.longer_training == "stands" else "rightly taken back"


def _gap(row, end: str = "") -> str:
    mean, low, high = (getattr(row, name + end) for name in ("difference", "low", "high"))
    return f"{100 * mean:+z.1f} [{100 * low:+z.1f}, {100 * high:+z.1f}]".replace("-", "−")


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text(encoding="utf-8")), encoding="utf-8")
