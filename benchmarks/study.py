"""Runs a whole study by Snakemake: where its wall-clock time goes, and how long the full study would take.

    python benchmarks/study.py config/cifar10-quick.yaml dataset=folder folder=~/.cache/sslfast/cifar10
    python benchmarks/study.py config/cifar10.yaml --share dataset=folder folder=~/.cache/sslfast/cifar10
    python benchmarks/study.py config/cifar10.yaml --share cells device=cuda jobs_per_gpu=12 --cores 12 --gpu 12

The study starts from scratch in a new folder, which is removed at the end unless `--folder` names one. Prints
(e) the share of cores x wall-clock that was not spent inside a fit (starts, imports, data, records, tables,
    report, idle cores);
(f) with `--share`: the time of the whole study, computed from a part of it. `epochs`: every kind of job is run, but
    only u = 0, 0.1 and 1, with 10 epochs of classifying and 3 of pre-training; a fit takes once + epochs x each,
    where `each` is the mean of its later epochs. `cells`: u = 0, 0.05, 0.1, 0.5 and 1, all epochs. Assumptions: the
    time of a classifier depends on l alone; that of pre-training is linear in u; a job spends as much time outside its
    fit as here on average; and a free core takes the job with the longest chain of jobs that depend on it. The same is
    computed for the part that was run, for comparison.
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

import numpy as np
import yaml

from sslfast.planning.schedule import wall_clock
from sslfast.study.config import check_config, read_schema
from sslfast.study.study import Study

ROOT = Path(__file__).parents[1]
PHASE = {"pretrain": "pretrain", "classify": "classify", "supervised": "classify"}  # what the fit counts as in a record
BEFORE = ("images", "plan")  # done before the clock of a study starts
SHARES = {
    "epochs": {"unlabelled": [0, 0.1, 1], "pretrain": {"epochs": 3}, "classify": {"epochs": 10}},
    "cells": {"unlabelled": [0, 0.05, 0.1, 0.5, 1]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configfile", type=Path)
    parser.add_argument("config", nargs="*", help="key=value, as for snakemake --config")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--gpu", type=int, default=1, help="jobs that use a GPU at once, as in --resources gpu=…")
    parser.add_argument("--folder", type=Path, help="where it runs, a new folder that is kept")
    parser.add_argument("--share", nargs="?", choices=SHARES, const="epochs", help="run a share, compute the whole")
    options = parser.parse_intermixed_args()  # key=value may stand after a flag
    given = yaml.safe_load(options.configfile.read_text(encoding="utf-8"))
    given |= {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in options.config)}
    share = SHARES.get(options.share, {})
    run = given | {k: {**given.get(k, {}), **v} if isinstance(v, dict) else v for k, v in share.items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(run), encoding="utf-8")
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
        records, outside = share_of_fits(folder, wall, options.cores)
    if options.share:
        schema = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
        whole, taken = (computed(records, check_config(c, schema), outside, options.cores) for c in (given, run))
        print(f"(f) the whole study on {options.cores} cores, computed: {whole}")
        print(f"    what was run, computed alike: {taken}")


def share_of_fits(folder: Path, wall: float, cores: int) -> tuple[list[dict], float]:
    """Print (e) of the study in `folder`. Returns its records, and seconds per job outside its fit, without waits."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("results/*/records/*/*.json"))]
    took = job_seconds(folder)
    training = sum(took[rule] for rule in PHASE)
    others = took.total() - training - sum(took[rule] for rule in BEFORE)
    fits = sum(record["seconds"][PHASE.get(record["stage"], "classify")] for record in records)
    spent = cores * wall
    print(
        f"(e) {len(records)} training jobs on {cores} cores: {wall / 60:.1f} min, of which"
        f" {1 - fits / spent:.1%} of the cores' time outside fits ({(spent - fits) / len(records):.1f} s a job)"
    )
    print(
        f"    outside fits: {training - fits:.0f} core seconds starting, loading and recording training jobs,"
        f" {others:.0f} in other jobs, {spent - training - others:.0f} waiting or in Snakemake"
    )
    return records, (training - fits + others) / len(records)


def job_seconds(folder: Path) -> Counter:
    """Seconds from start to end of the jobs of each rule, from Snakemake's metadata of each output."""
    jobs = {}
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            job = json.loads(path.read_text(encoding="utf-8"))
            jobs[job["rule"], tuple(job["log"])] = job["endtime"] - job["starttime"]  # a job has a log of its own
    found = Counter()
    for (rule, _), seconds in jobs.items():
        found[rule] += seconds
    return found


def computed(records: list[dict], study: Study, outside: float, cores: int) -> str:
    """The minutes that the study would take, computed from fits of a part, and core minutes by stage."""
    us, ls = (list(map(float, fractions)) for fractions in (study.unlabelled, study.labelled))
    fits = {stage: fit_seconds(records, stage, study.section(stage)["epochs"]) for stage in PHASE}
    encoding = np.polyfit(*zip(*((u, s) for u, s in fits["pretrain"].items() if u), strict=True), deg=1)
    seconds, needs = {}, {}
    for seed in range(len(study.seeds)):
        for u in us:
            pretrain = ("pretrain", u, seed)
            seconds[pretrain] = float(np.polyval(encoding, u)) if u else 0.0
            seconds |= {("classify", u, label, seed): fits["classify"][label] for label in ls}
            needs |= {("classify", u, label, seed): [pretrain] for label in ls}
        seconds |= {("supervised", label, seed): fits["supervised"][label] for label in ls}
    wall = wall_clock({job: s + outside for job, s in seconds.items()}, needs, cores)
    stages = {stage: [s for (name, *_), s in seconds.items() if name == stage] for stage in PHASE}
    parts = ", ".join(f"{stage} {len(each)} fits {sum(each) / 60:.0f} min" for stage, each in stages.items())
    return f"{wall / 60:.1f} min (core minutes: {parts}, outside {len(seconds) * outside / 60:.0f})"


def fit_seconds(records: list[dict], stage: str, epochs: int) -> dict[float, float]:
    """Seconds of a fit of so many epochs, by fraction (u of an encoder, l of a classifier or baseline)."""
    mine = [r for r in records if r["stage"] == stage and r["history"]]
    points = [(float(r["spec"]["u" if stage == "pretrain" else "l"]), _fit_seconds(r, epochs)) for r in mine]
    return {x: float(np.mean([s for y, s in points if y == x])) for x, _ in points}


def _fit_seconds(record: dict, epochs: int) -> float:
    cumulative = [row["seconds"] for row in record["history"]]
    each = (cumulative[-1] - cumulative[0]) / (len(cumulative) - 1)
    once = max(0.0, record["seconds"][PHASE[record["stage"]]] - len(cumulative) * each)
    return once + epochs * each


if __name__ == "__main__":
    main()
