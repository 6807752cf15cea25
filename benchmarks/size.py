"""How large a study may be: time and memory of a plan, the tables, the report, and a call with nothing to do.

    python benchmarks/size.py                     # all four, a quarter of an hour and more
    python benchmarks/size.py --parts plan tables # some

* `plan`: `snakemake -n` for 10,000 cells.
* `tables`: rules `collect` and `report` on 10,000 recorded cells, drawn from known curves, and how many of the report's
  conclusions are true.
* `again`: `snakemake` on a finished study of 1,000 cells (`--touch` marks its files as made, with the same metadata as
  for jobs that ran).

`plan` and `tables` have two grids: one method on 50 × 40 fractions with 5 seeds, and five methods and two encoders on
10 × 10 fractions with 10 seeds. Prints wall-clock and processor seconds (user and system), the most memory that a
process held, and how busy the machine was.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/workflow")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
SHAPES = {  # 10,000 cells over encoders that were trained or are random, and their baselines
    "one method, 50 × 40 fractions": {
        "labelled": [n / 50 for n in range(1, 51)],
        "unlabelled": [n / 40 for n in range(1, 41)],
        "seeds": 5,
        "encoders": ["conv"],
    },
    "five methods, two encoders, 10 × 10 fractions": {
        "labelled": [n / 10 for n in range(1, 11)],
        "unlabelled": [n / 10 for n in range(1, 11)],
        "seeds": 10,
        "encoders": ["conv", "original"],
        "methods": ["autoencoder", "vae", "simclr", "vicreg", "rotation"],
    },
}
THOUSAND = {
    "labelled": [n / 10 for n in range(1, 11)],
    "unlabelled": [n / 20 for n in range(1, 21)],
    "seeds": 5,
    "encoders": ["conv"],
}
SCRIPT = """
import json, runpy, sys
from types import SimpleNamespace

class Named(list):
    def __init__(self, entries):
        self.entries = entries if isinstance(entries, dict) else {"all": entries}
        for part in self.entries.values():
            self.extend(part if isinstance(part, list) else [part])
    def __getattr__(self, name):
        return self.entries[name]
    def get(self, name):
        return self.entries.get(name)

given = json.load(open(sys.argv[2]))
named = {name: Named(entries) for name, entries in given.items() if name in ("input", "output", "params", "resources")}
runpy.run_path(sys.argv[1], {"snakemake": SimpleNamespace(**{**given, **named})})
"""


def measured(what: str, command: list, **options) -> str:
    """Run `command`, print its time and memory, and return its output."""
    load, before, start = os.getloadavg()[0], resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT,
                               **options)  # fmt: skip
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)  # of this process alone
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise SystemExit(output)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {wall:.1f} s, of the processor {busy:.1f} s, {used.ru_maxrss / 1024:.0f} MB"
          f" (load of the machine before {load:.1f}, {os.cpu_count()} cores)", flush=True)  # fmt: skip
    return output


def plan(name: str, shape: dict, folder: Path) -> None:
    from studies import Workflow, jobs_of

    workflow = Workflow(folder / "plan")
    write_config(workflow.folder, {"dataset": "digits", **shape})
    command = [sys.executable, "-m", "snakemake", "--dry-run"]
    jobs = jobs_of(measured(f"plan, {name}", command, cwd=workflow.folder))
    print(f"  {jobs['classify']:,} cells, {sum(jobs.values()):,} jobs")


def tables(name: str, shape: dict, folder: Path) -> None:
    """Run the rules `collect` and `report` as their scripts do, without Snakemake."""
    import recorded

    results, reports = folder / "results/made-up", folder / "reports/made-up"
    study, records, pretrained = recorded.write_study(shape, results)
    kinds = [f"{results}/tables/{table}.{kind}" for table in ("cells", "history", "pretraining", "shorter")
             for kind in ("parquet", "csv")]  # fmt: skip
    common = {"config": study.as_config(), "wildcards": {}, "threads": 1, "resources": {}}
    inputs = {
        "records": list(map(str, records)),
        "images": f"{results}/images.json",
    }
    inputs["pretrained"] = list(map(str, pretrained))
    given = {"input": inputs, "output": kinds, "params": {}, "log": [f"{folder}/collect.log"], "rule": "collect"}
    run_script("collect", {**common, **given}, f"collect, {name}", folder)
    about = study.values(("title", "threshold", "accuracy_targets", "delta", "prices"))
    inputs = {"cells": kinds[0], "history": kinds[2], "shorter": kinds[6], "images": inputs["images"]}
    inputs["examples"] = [f"{results}/examples.npz"]
    given = {"input": inputs, "output": {"page": f"{reports}/report.html"}, "params": {"about": about}}
    run_script(
        "report", {**common, **given, "log": [f"{folder}/report.log"], "rule": "report"}, f"report, {name}", folder
    )
    made = len(list(reports.glob("figures/*.svg")))
    size = (reports / "report.html").stat().st_size / 2**20
    print(f"  {len(records):,} records, {made} figures, a page of {size:.1f} MB; conclusions that are true:")
    for kind, (n, wrong) in recorded.marked(reports / "tables", study).items():
        print(f"  {kind}: {n - len(wrong)} of {n}")


def run_script(name: str, given: dict, what: str, folder: Path) -> None:
    (folder / "given.json").write_text(json.dumps(given))
    script = ROOT / f"workflow/scripts/{name}.py"
    measured(what, [sys.executable, "-c", SCRIPT, str(script), str(folder / "given.json")])


def again(folder: Path) -> None:
    """Call Snakemake on a study whose files were never made, but are marked as made."""
    import recorded
    from studies import Workflow

    workflow = Workflow(folder / "again")
    recorded.write_study(THOUSAND, workflow.folder / "results/thousand")
    workflow.pretend({"dataset": "digits", "study": "thousand", **THOUSAND})
    for number in range(3):
        output = measured(
            f"snakemake again, call {number + 1}", [sys.executable, "-m", "snakemake"], cwd=workflow.folder
        )
        if "Nothing to be done" not in output:
            raise SystemExit(output)


def write_config(folder: Path, config: dict) -> None:
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=["plan", "tables", "again"], default=["plan", "tables", "again"])
    options = parser.parse_args()
    for part, measure in (("plan", plan), ("tables", tables)):
        for name, shape in SHAPES.items() if part in options.parts else ():
            with tempfile.TemporaryDirectory() as folder:
                measure(name, shape, Path(folder))
    if "again" in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            again(Path(folder))


if __name__ == "__main__":
    main()
