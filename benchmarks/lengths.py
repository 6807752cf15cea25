"""How long must a network be trained, and with which settings? The experiments behind the defaults.

    python benchmarks/lengths.py --part updates  --data cifar10=~/.cache/sslfast/cifar10
    python benchmarks/lengths.py --part settings --data cifar10=~/.cache/sslfast/cifar10
    python benchmarks/lengths.py --part pretrain --data cifar10=~/.cache/sslfast/cifar10
    python benchmarks/lengths.py --report

`updates`: the baseline, and the head over a frozen autoencoder of all images, trained in one cycle of more and more
updates, with few and with many labels. `settings`: both with 24 combinations of learning rate, weight decay, schedule
and dropout; `closer`: with eight settings near the best of these, for longer. `pretrain`: heads over autoencoders that
were trained for more and more updates.

Scores are macro-F1 on *validation* images, with seeds from 100 on, which no study reports. Each run is a row of
`benchmarks/lengths.csv`. Runs that are in the file are not repeated, so the script may be stopped at any time.
`--worker 1/2` takes every second run, for two processes at once.
"""

import argparse
import csv
import itertools
import tempfile
import time
import zlib
from pathlib import Path

import pandas as pd
import torch
from timing import quiet, table

from sslfast import autoencoder_learner, classifier_learner, save_encoder, supervised_learner
from sslfast.data.augment import Augment
from sslfast.data.datasets import load_dataset
from sslfast.data.loaders import classify_dls, pretrain_dls
from sslfast.data.splits import make_split
from sslfast.study.datasets import dataset_names
from sslfast.training.callbacks import SeedEpochs

COLUMNS = ["part", "data", "encoder", "l", "n_labelled", "seed", "arm", "updates", "lr", "wd", "schedule", "dropout"]
COLUMNS += ["pretrained", "macro_f1", "accuracy", "train_loss", "seconds"]
KEY = COLUMNS[:4] + COLUMNS[5:13]
MOMENTS = 20  # of validation, in a fit
BATCH = {"digits": 32}
PRETRAIN = {"digits": 1000}  # updates of an encoder that heads stand on; others 3,520: ten passes over CIFAR-10
UPDATES = {
    ("digits", "original"): {0.05: (250, 500, 1000, 2000, 4000), 0.5: (500, 1000, 2000, 4000, 8000)},
    ("digits", "conv"): {0.05: (500, 1000, 2000), 0.5: (1000, 2000, 4000)},
    ("mnist", "original"): {0.002: (500, 1000, 2000, 4000), 0.05: (1000, 2000, 4000, 8000)},
    ("mnist", "conv"): {0.002: (1000, 2000), 0.05: (2000, 4000)},
    ("cifar10", "original"): {
        0.02: (500, 1000, 2000, 4000, 8000),
        0.1: (2000, 4000, 8000, 16000),
        0.5: (4000, 8000, 16000),
    },
    ("cifar10", "conv"): {0.02: (1000, 2000, 4000), 0.1: (2000, 4000, 8000)},
}
SETTINGS_UPDATES = {"digits": {0.05: 2000, 0.5: 2000}, "cifar10": {0.02: 1000, 0.1: 2000, 0.5: 4000}}
CLOSER_UPDATES = {"digits": {0.05: 2000, 0.5: 2000}, "cifar10": {0.02: 2000, 0.1: 4000, 0.5: 8000}}
LONGER = {"digits": (250, 500, 1000, 2000, 4000), "mnist": (1000, 4000), "cifar10": (500, 1000, 2000, 4000, 16000)}
CLOSER_LR = {"digits": 1e-2}  # as config/config.yaml has it
USUAL = {"lr": 3e-3, "wd": 0.1, "schedule": "one_cycle", "dropout": 0.4}


def plan(part: str, data: str, seeds: list[int]):
    """The runs of a part, as dictionaries with the keys `KEY`, cheapest first."""
    runs = []
    for seed in seeds:
        if part == "updates":
            for (name, encoder), by_label in UPDATES.items():
                for label, lengths in by_label.items() if name == data else ():
                    for arm, n in itertools.product(("supervised", "frozen"), lengths):
                        runs.append({"encoder": encoder, "l": label, "seed": seed, "arm": arm, "updates": n, **USUAL})
        elif part == "settings":
            grid = itertools.product((1e-3, 3e-3, 1e-2), (0.0, 0.1), ("one_cycle", "constant"), (0.2, 0.4))
            for (lr, wd, schedule, dropout), (label, n) in itertools.product(grid, SETTINGS_UPDATES[data].items()):
                given = {"lr": lr, "wd": wd, "schedule": schedule, "dropout": dropout}
                for arm in ("supervised", "frozen"):
                    runs.append({"encoder": "original", "l": label, "seed": seed, "arm": arm, "updates": n, **given})
        elif part == "closer":
            grid = itertools.product((0.0, 0.1), (0.2, 0.3, 0.35, 0.4), CLOSER_UPDATES[data].items())
            for wd, dropout, (label, n) in grid:
                given = {
                    **USUAL,
                    "lr": CLOSER_LR.get(data, USUAL["lr"]),
                    "wd": wd,
                    "dropout": dropout,
                    "l": label,
                    "updates": n,
                }
                for arm in ("supervised", "frozen"):
                    runs.append({"encoder": "original", "seed": seed, "arm": arm, **given})
        else:
            for n, (label, length) in itertools.product(LONGER[data], SETTINGS_UPDATES.get(data, {0.02: 2000}).items()):
                if label != 0.5 or data != "cifar10":
                    given = {"encoder": "original", "l": label, "seed": seed, "arm": "frozen", "updates": length}
                    runs.append({**given, **USUAL, "pretrained": n})
    usual = PRETRAIN.get(data, 3520)
    runs = [{"part": part, "data": data, "pretrained": usual if r["arm"] == "frozen" else 0, **r} for r in runs]
    return sorted(runs, key=lambda run: run["updates"] * (4 if run["encoder"] == "conv" else 1))


class Bench:
    def __init__(self, name: str, place: str, folder: Path):
        self.name, self.folder = name, folder
        where = {"folder": place} if name not in dataset_names() or Path(place).expanduser().is_dir() else {}
        self.data = load_dataset("folder" if where else name, **where, **({"image_size": 32} if where else {}))
        self.batch_size = BATCH.get(name, 128)

    def loading(self, n: int, updates: int) -> dict:
        augment = Augment.of(self.name, {})
        size = min(self.batch_size, n)
        return {"bs": size, "augment": augment, "device": "cpu", "n_batches": -(-updates // MOMENTS)}

    def encoder(self, encoder: str, seed: int, updates: int) -> Path:
        path = self.folder / f"{self.name}-{encoder}-{seed}-{updates}.safetensors"
        if not path.exists():
            split = make_split(self.data, seed, 0.1)
            rows = split.unlabelled(1, "all", 0)
            dls = pretrain_dls(self.data, split, rows, **self.loading(len(rows), updates))
            learn = quiet(autoencoder_learner(dls, encoder, seed=seed))
            learn.fit_one_cycle(MOMENTS, 3e-3, wd=0)
            scratch = path.with_suffix(f".{time.time_ns()}.safetensors")
            save_encoder(learn.encoder, scratch)
            scratch.rename(path)
        return path

    def run(self, encoder, l, seed, arm, updates, lr, wd, schedule, dropout, pretrained, **_) -> dict:  # noqa: E741
        split = make_split(self.data, seed, 0.1)
        rows = split.labelled(l)
        dls = classify_dls(self.data, split, rows, **self.loading(len(rows), updates))
        cbs = SeedEpochs(seed)
        if arm == "supervised":
            learn = supervised_learner(dls, encoder, dropout=dropout, seed=seed, cbs=cbs)
        else:
            made = self.encoder(encoder, seed, pretrained)
            learn = classifier_learner(dls, made, dropout=dropout, seed=seed, cbs=cbs)
        start = time.perf_counter()
        fit = quiet(learn).fit_one_cycle if schedule == "one_cycle" else quiet(learn).fit
        fit(MOMENTS, lr, wd=wd)
        seconds = time.perf_counter() - start
        train_loss, _, accuracy, macro_f1 = learn.recorder.values[-1]
        found = {"macro_f1": macro_f1, "accuracy": accuracy, "train_loss": train_loss, "seconds": seconds}
        return {"n_labelled": len(rows), **{name: f"{value:.4f}" for name, value in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["updates", "settings", "closer", "pretrain"])
    parser.add_argument("--data", default="digits", help="a data set, or name=folder")
    parser.add_argument("--seeds", default="100,101")
    parser.add_argument("--report", action="store_true", help="print what is known, as tables")
    parser.add_argument("--only", nargs="*", default=[], metavar="KEY=VALUE", help="only such runs, as in l=0.1 wd=0.1")
    parser.add_argument("--worker", default="1/1", help="which share of the runs: 1/2, 2/2")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--encoders", type=Path, default=Path(tempfile.gettempdir()) / "sslfast-lengths")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.report:
        report(pd.read_csv(options.out))
    if not options.out.exists():
        options.out.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    if options.part:
        name, _, place = options.data.partition("=")
        options.encoders.mkdir(exist_ok=True)
        bench = Bench(name, place or name, options.encoders)
        which, of = map(int, options.worker.split("/"))
        runs = plan(options.part, name, [int(s) for s in options.seeds.split(",")])
        wanted = [pair.split("=") for pair in options.only]
        runs = [run for run in runs if all(str(run[key]) == value for key, value in wanted)]
        for run in runs:
            if zlib.crc32(repr(sorted(run.items())).encode()) % of != which - 1:
                continue
            if tuple(str(run[key]) for key in KEY) in done(options.out):
                continue
            row = {**run, **bench.run(**run)}
            with options.out.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, COLUMNS).writerow(row)
            print(*row.values(), sep="\t", flush=True)


def report(rows: pd.DataFrame) -> None:
    """Scores, differences and seconds by number of updates, and the best settings against the usual ones."""
    rows = rows.sort_values(["data", "encoder", "l"])
    for (data, encoder, _), part in rows[rows.part == "updates"].groupby(["data", "encoder", "l"], sort=False):
        means = part.pivot_table(index="updates", columns="arm", values=["macro_f1", "seconds"])
        score, seconds = means["macro_f1"], means["seconds"]
        lines = [("updates", "baseline", "head", "head − baseline", "seconds of each")]
        for n in means.index:
            both = f"{seconds.supervised[n]:.0f}, {seconds.frozen[n]:.0f}"
            gap = f"{100 * (score.frozen[n] - score.supervised[n]):+.1f}"
            lines.append((f"{n:,}", f"{score.supervised[n]:.3f}", f"{score.frozen[n]:.3f}", gap, both))
        seeds = part.seed.nunique()
        print(f"\n{data}, {encoder}, {part.n_labelled.iloc[0]:,} labels, {seeds} seed(s)\n\n{table(lines)}")
    lines = [("data", "labels", "arm", "updates", "settings", "seeds", "usual", "best", "which")]
    tried = rows[rows.part == "settings"]
    for (data, _, arm, n), part in tried.groupby(["data", "l", "arm", "updates"], sort=False):
        means = part.groupby(["lr", "wd", "schedule", "dropout"]).macro_f1.mean()
        lr, wd, schedule, dropout = means.idxmax()
        best = f"{schedule}, lr {lr:g}, wd {wd:g}, dropout {dropout:g}"
        usual = means.get(tuple(USUAL[name] for name in means.index.names), float("nan"))
        head = (data, f"{part.n_labelled.iloc[0]:,}", arm, f"{n:,}", str(len(means)), str(part.seed.nunique()))
        lines.append((*head, f"{usual:.3f}", f"{means.max():.3f}", best))
    print(f"\nSettings\n\n{table(lines)}")
    lines = [("data", "labels", "updates of the encoder", "head", "seeds")]
    for (data, _, n), part in rows[rows.part == "pretrain"].groupby(["data", "l", "pretrained"], sort=False):
        score = f"{part.macro_f1.mean():.3f}"
        lines.append((data, f"{part.n_labelled.iloc[0]:,}", f"{n:,}", score, str(part.seed.nunique())))
    print(f"\nLonger pre-training\n\n{table(lines)}")


def done(path: Path) -> set[tuple]:
    return set(pd.read_csv(path, dtype=str)[KEY].itertuples(index=False, name=None))


if __name__ == "__main__":
    main()
