"""Does a study take as long as `snakemake plan` said? Plans it, runs it, and prints measured / estimated by stage.

    python benchmarks/plan.py config/cifar10-quick.yaml dataset=folder folder=~/.cache/sslfast/cifar10
    python benchmarks/plan.py config/cifar10-quick.yaml --seeds 1 dataset=folder folder=~/.cache/sslfast/cifar10

Plan and study run one after the other in a new folder. Both should have the machine for themselves, or both share it
with the same other work. Columns: core minutes of jobs from start to end (from Snakemake's metadata), then core minutes
in the records (fits, loading, testing), each with its ratio; last, wall-clock. All ratios should be 0.7 to 1.3. Before
the table, it prints (e) of `study.py`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml
from study import job_seconds, share_of_fits
from timing import table

from sslfast.analysis.planned import planned_and_measured
from sslfast.study.stage_table import STAGES

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configfile", type=Path)
    parser.add_argument("config", nargs="*", help="key=value, as for snakemake --config")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--seeds", type=int, help="a share of the study: so many seeds")
    options = parser.parse_intermixed_args()
    given = yaml.safe_load(options.configfile.read_text(encoding="utf-8"))
    given |= {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in options.config)}
    given |= {"seeds": options.seeds} if options.seeds else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
        flags = ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", folder / "config.yaml"]
        flags += ["--cores", str(options.cores), "--quiet", "all"]

        def snakemake(target: str) -> float:
            env, start = {**os.environ, "PYTHONPATH": str(ROOT)}, time.perf_counter()
            subprocess.run([sys.executable, "-m", "snakemake", target, *flags], check=True, env=env)
            return time.perf_counter() - start

        snakemake("images")
        took = snakemake("plan")
        (path,) = folder.glob("results/*/plan.json")
        plan = json.loads(path.read_text(encoding="utf-8"))
        print(f"planning took {took:.0f} s")
        wall = snakemake("all")
        share_of_fits(folder, wall, options.cores)
        rows = by_rule(plan, job_seconds(folder), recorded(path.parent, plan))
    print(table([("stage", "jobs", "planned, min", "took, min", "ratio", "records: planned", "told", "ratio"), *rows]))
    print(
        f"wall-clock: planned {plan['wall_clock'] / 60:.1f} min, took {wall / 60:.1f}: {wall / plan['wall_clock']:.2f}"
    )


def recorded(results: Path, plan: dict) -> dict[str, tuple[float, float]]:
    """For each rule, the planned seconds, and the measured seconds in the records."""
    cells = pd.read_parquet(results / "tables/cells.parquet")
    found = planned_and_measured(cells, plan)
    rules = found.stage.map(lambda stage: STAGES[stage].rule if stage in STAGES else stage)
    sums = found.groupby(rules)[["planned", "measured"]].sum() * 60
    return {rule: (row.planned, row.measured) for rule, row in sums.iterrows()}


def by_rule(plan: dict, took: Counter, told: dict) -> list[tuple[str, ...]]:
    rows, planned, jobs = [], Counter(), Counter()
    for row in plan["stages"]:
        planned[row["rule"]] += row["seconds"]
        jobs[row["rule"]] += row["jobs"]
    rules = [rule for rule, n in jobs.items() if n]
    whole = {rule: (planned[rule], took[rule]) for rule in rules}
    whole["all"] = tuple(map(sum, zip(*whole.values(), strict=True)))
    jobs["all"] = sum(jobs.values())
    for rule in [*rules, "all"]:
        rows.append((rule, str(jobs[rule]), *_columns(*whole[rule]), *_columns(*told.get(rule, (0.0, 0.0)))))
    return rows


def _columns(planned: float, took: float) -> tuple[str, str, str]:
    return f"{planned / 60:.1f}", f"{took / 60:.1f}", f"{took / planned:.2f}" if planned else "–"


if __name__ == "__main__":
    main()
