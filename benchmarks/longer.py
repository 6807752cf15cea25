"""Do verdicts survive longer training? Runs a study, then again with four times the training and five new seeds.

    python benchmarks/longer.py config/config.yaml
    python benchmarks/longer.py config/cifar10-5seeds.yaml --labelled 0.02 0.1 \\
        --config dataset=folder folder=~/.cache/sslfast/cifar10 image_size=32 augment.flip_vertical=0.5
    python benchmarks/longer.py --report

Snakemake runs both studies under results/ and resumes them if they were stopped. The second, `<study>-longer`, has the
most unlabelled images only, and does not check its length. Each comparison of the first study with the baseline is a
row of `benchmarks/longer.csv`: the verdict by seeds, the verdict after the study's own check of its length, and the
same comparison with longer training. A settled verdict is `reversed` if the longer study settles on the opposite;
`changed` if the outcomes differ and the intervals do not overlap; `open after` if the outcomes differ and the intervals
overlap; else it `stands`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from timing import table

from sslfast.analysis.checks import check_cells
from sslfast.analysis.contrasts import contrasts
from sslfast.analysis.judged import main_cells
from sslfast.analysis.length_check import length_check, take_back
from sslfast.analysis.table_files import read_table
from sslfast.analysis.words import count, range_of_points
from sslfast.study.config import check_config, read_schema
from sslfast.study.methods import methods
from sslfast.study.study import Study

ROOT = Path(__file__).parents[1]
SETTLED = ("better", "worse", "equal")
FRESH = [200, 201, 202, 203, 204]  # of no study, and of no experiment behind the defaults
KEY = ["study", "encoder", "method", "l"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", type=Path, help="the config of a study")
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE", help="other values of its keys")
    parser.add_argument("--labelled", nargs="*", type=float, help="only these fractions in the longer study")
    parser.add_argument("--times", type=float, default=4, help="how many times as long (%(default)s)")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--report", action="store_true", help="only print what is known")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args()
    if not options.report:
        given = _with(yaml.safe_load(options.study.read_text(encoding="utf-8")), options.config)
        checked = check_config(given, read_schema(ROOT / "workflow/schemas/config.schema.yaml"))
        longer = _longer(given, checked, options)
        for study in (given, longer):
            _run(study, options.cores)
        rows = compare(checked.name, longer["study"], checked.delta)
        known = pd.read_csv(options.out) if options.out.exists() else rows[:0]
        known = known[~known.study.isin(rows.study)]
        pd.concat([known, rows], ignore_index=True).to_csv(options.out, index=False, float_format="%.4f")
    report(pd.read_csv(options.out))


def compare(usual: str, longer: str, delta: float) -> pd.DataFrame:
    """One row per primary comparison that both studies have."""
    cells, shorter = _cells(usual, "cells"), _cells(usual, "shorter")
    checked = take_back(contrasts(cells, delta=delta), length_check(cells, shorter, delta=delta), delta)
    after = contrasts(_cells(longer, "cells"), delta=delta)
    columns = ["n_labelled", "difference", "low", "high", "outcome"]
    key = KEY[1:]
    both = checked[checked.primary][[*key, *columns, "by_seeds"]].merge(
        after[after.primary][[*key, *columns[1:]]], on=key, suffixes=("", "_longer")
    )
    both["longer_training"] = [_fate(row) for row in both.itertuples()]
    return both.assign(study=usual)[[*KEY, *both.columns.drop(key)]]


def report(rows: pd.DataFrame) -> None:
    lines = [
        ("study", "labels", "as configured", "by seeds", "after its check", "trained for longer", "says", "verdict")
    ]
    for r in rows.itertuples():
        ours, theirs = (
            _difference(r.difference, r.low, r.high),
            _difference(r.difference_longer, r.low_longer, r.high_longer),
        )
        name = f"{r.study} ({r.method}, {r.encoder})"
        lines.append(
            (name, count(r.n_labelled), ours, r.by_seeds, r.outcome, theirs, r.outcome_longer, r.longer_training)
        )
    print(table(lines))
    for title, column in (("by seeds", "by_seeds"), ("after the studies' own check", "outcome")):
        settled = rows[rows[column].isin(SETTLED)]
        stands = (settled.longer_training == "stands").sum()
        unclear = (settled.longer_training == "open after").sum()
        print(f"\nSettled {title}: {len(settled)} of {len(rows)}; of these {stands} stand, {unclear} are open after.")


def _fate(row) -> str:
    before, after = row.by_seeds, row.outcome_longer
    if before not in SETTLED:
        return "not settled"
    if {before, after} == {"better", "worse"}:
        return "reversed"
    apart = row.high < row.low_longer or row.high_longer < row.low
    if before != after and apart:
        return "changed"
    return "stands" if before == after else "open after"


def _longer(given: dict, checked: Study, options) -> dict:
    sections = {}
    for name in ("pretrain", "classify", "supervised", "finetune", *methods()):
        own, unit = given.get(name) or {}, checked.budget
        default = {"pretrain", "classify"} if unit == "updates" else set()
        if unit in own or name in default:
            sections[name] = {**own, unit: _times(own.get(unit, "auto"), options.times)}
    return {
        **given, **sections, "study": f"{checked.name}-longer", "seeds": FRESH, "check_length": False,
        "unlabelled": [max(given["unlabelled"])], "labelled": options.labelled or given["labelled"],
    }  # fmt: skip


def _times(length: int | str, times: float) -> int | str:
    if isinstance(length, int):
        return round(length * times)
    return f"{times * (1 if length == 'auto' else float(length.removesuffix('x'))):g}x"


def _with(config: dict, changes: list[str]) -> dict:
    for change in changes:
        key, _, value = change.partition("=")
        *above, last = key.split(".")
        section = config
        for name in above:
            section = section.setdefault(name, {})
        section[last] = yaml.safe_load(value)
    return config


def _run(config: dict, cores: str) -> None:
    path = ROOT / f"results/{config['study']}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [Path(sys.executable).with_name("snakemake"), "--cores", cores, "--configfile", path]
    subprocess.run(command, cwd=ROOT, check=True)


def _cells(study: str, name: str) -> pd.DataFrame:
    cells = read_table(ROOT / f"results/{study}/tables/{name}.parquet")
    return main_cells(check_cells(cells)) if len(cells) else cells.assign(length="")


def _difference(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:+.1f}{range_of_points(low, high)}"


if __name__ == "__main__":
    main()
