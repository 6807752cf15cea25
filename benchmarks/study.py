"""A whole study through Snakemake: where its wall-clock goes, and what the full one would take.

    python benchmarks/study.py config/cifar10-quick.yaml dataset=folder folder=~/.cache/sslfast/cifar10
    python benchmarks/study.py config/cifar10.yaml --share dataset=folder folder=~/.cache/sslfast/cifar10

Runs the study from scratch in a folder of its own, which goes at the end unless `--folder` names it, and prints
(e) the share of cores x wall-clock that was not spent inside a fit (starts, imports, data, records, tables,
    report, cores waiting);
(f) with `--share`: every kind of job is run, but only u = 0, 0.1 and 1, with 10 epochs of classifying and 3 of
    pre-training, and the whole study is computed from that: a fit takes once + epochs x each, where `each` is
    the mean of its later epochs; a classifier depends on l alone, pre-training is a straight line in u, and
    everything outside fits grows with the number of jobs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from sslfast.config import check_config, read_schema

ROOT = Path(__file__).parents[1]
PHASE = {"pretrain": "pretrain", "classify": "classify", "supervised": "classify"}  # what the fit counts as in a record
SHORT = {"unlabelled": [0, 0.1, 1], "pretrain": {"epochs": 3}, "classify": {"epochs": 10}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configfile", type=Path)
    parser.add_argument("config", nargs="*", help="key=value, as for snakemake --config")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--gpu", type=int, default=1, help="jobs that use a GPU at once, as in --resources gpu=…")
    parser.add_argument("--folder", type=Path, help="where it runs, a new folder that is kept")
    parser.add_argument("--share", action="store_true", help="run a share, compute the whole")
    options = parser.parse_intermixed_args()  # key=value may stand after a flag
    given = yaml.safe_load(options.configfile.read_text(encoding="utf-8"))
    given |= {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in options.config)}
    whole = check_config(given, read_schema(ROOT / "workflow/schemas/config.schema.yaml"))
    shortened = {k: {**given.get(k, {}), **v} if isinstance(v, dict) else v for k, v in SHORT.items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(given | shortened if options.share else given), encoding="utf-8")
        flags = ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", config]
        flags += ["--cores", str(options.cores), "--resources", f"gpu={options.gpu}", "--quiet", "all"]

        def snakemake(target: str) -> None:
            path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            env = {**os.environ, "PYTHONPATH": path}
            subprocess.run([sys.executable, "-m", "snakemake", target, *flags], check=True, env=env)

        snakemake("images")  # decoding is done once a machine, not once a study
        start = time.perf_counter()
        snakemake("all")
        wall = time.perf_counter() - start
        records = [json.loads(path.read_text()) for path in sorted(folder.glob("results/*/records/*/*.json"))]
        training, others = job_seconds(folder)
    fits = sum(record["seconds"][PHASE.get(record["stage"], "classify")] for record in records)
    spent = options.cores * wall
    print(
        f"(e) {len(records)} training jobs on {options.cores} cores: {wall / 60:.1f} min, of which"
        f" {1 - fits / spent:.1%} of the cores' time outside fits ({(spent - fits) / len(records):.1f} s a job)"
    )
    print(
        f"    outside fits: {training - fits:.0f} core seconds starting, loading and recording training jobs,"
        f" {others:.0f} in other jobs, {spent - training - others:.0f} waiting or in Snakemake"
    )
    if options.share:
        seconds = whole_fits(records, whole)
        n_jobs = sum(n for n, _ in seconds.values())
        outside = (spent - fits) / len(records) * n_jobs
        total = (sum(s for _, s in seconds.values()) + outside) / options.cores
        parts = ", ".join(f"{stage} {n} fits {s / 60:.0f} min" for stage, (n, s) in seconds.items())
        print(
            f"(f) the whole study on {options.cores} cores, computed: {total / 60:.0f} min"
            f" (core minutes: {parts}, outside {outside / 60:.0f})"
        )


def job_seconds(folder: Path) -> tuple[float, float]:
    """How long training jobs took, and all others, by what Snakemake notes about each output."""
    jobs = {}
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            job = json.loads(path.read_text())
            # one note an output: jobs of several are told apart by their log
            jobs[job["rule"], *job["log"]] = job["endtime"] - job["starttime"]
    training = sum(seconds for (rule, *_), seconds in jobs.items() if rule in PHASE)
    return training, sum(jobs.values()) - training


def whole_fits(records: list[dict], config: dict) -> dict[str, tuple[int, float]]:
    """By stage, how many fits the whole study has and how many core seconds they take."""
    us, ls = ([float(f) for f in config[key]] for key in ("unlabelled", "labelled"))
    n_seeds, found = len(config["seeds"]), {}
    for stage in ("pretrain", "classify", "supervised"):
        mine = [r for r in records if r["stage"] == stage and r["history"]]
        epochs = config[stage]["epochs"]
        points = [(float(r["spec"]["u" if stage == "pretrain" else "l"]), _fit_seconds(r, epochs)) for r in mine]
        by_fraction = {x: np.mean([s for y, s in points if y == x]) for x, _ in points}
        if stage == "pretrain":
            line = np.polyfit(*zip(*by_fraction.items(), strict=True), deg=1)
            each = [float(np.polyval(line, u)) for u in us if u > 0]
        else:
            each = [by_fraction[label] for label in ls] * (len(us) if stage == "classify" else 1)
        found[stage] = (len(each) * n_seeds, sum(each) * n_seeds)
    return found


def _fit_seconds(record: dict, epochs: int) -> float:
    cumulative = [row["seconds"] for row in record["history"]]
    each = (cumulative[-1] - cumulative[0]) / (len(cumulative) - 1)
    once = max(0.0, record["seconds"][PHASE[record["stage"]]] - len(cumulative) * each)
    return once + epochs * each


if __name__ == "__main__":
    main()
