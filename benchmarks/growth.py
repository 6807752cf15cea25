"""How time grows with the number of images and of cells: it should grow at most in proportion.

    python benchmarks/growth.py --data ~/.cache/sslfast/cifar10

For 1,000 to 45,000 images, it times an epoch of pre-training and of a classifier over cached features; for 10 to 10,000
cells, Snakemake's dry run and the collection of records. Prints the times, and the slope of log(time) against log(size)
over all sizes and between the two largest (1: in proportion). Draws `benchmarks/growth.png`.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib
import torch
from timing import TrainingClock, quiet

from sslfast import autoencoder_learner, classifier_learner, image_dls
from sslfast.study.fractions import canonical
from sslfast.study.limits import AUTO_VIEWS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
matplotlib.use("Agg")


def image_times(data, sizes: list[int], rounds: int) -> dict[str, list[float]]:
    """Seconds of the training part of an epoch (the fastest of `rounds`), by kind of training."""
    times: dict[str, list[float]] = {"an epoch of pre-training": [], "an epoch of a classifier": []}
    for n in sizes:
        dls = image_dls(data, unlabelled=n / sizes[-1], labelled=n / sizes[-1], device="cpu")
        pretrained = autoencoder_learner(dls.pretrain, seed=0)
        classifier = classifier_learner(dls.classify, pretrained, seed=0, views=AUTO_VIEWS)
        # features are kept in fits of more epochs than there are views
        for name, learn, epochs in zip(times, (pretrained, classifier), (1, AUTO_VIEWS), strict=True):
            clock = TrainingClock()
            quiet(learn).add_cb(clock)
            learn.fit(epochs + rounds, 1e-3, wd=0)
            times[name].append(min(clock.epochs[-rounds:]))
    return times


def cell_times(sizes: list[int]) -> dict[str, list[float]]:
    """Seconds of Snakemake's dry run and of the collection of records, for studies of so many cells."""
    from builders import run_record

    from sslfast.analysis.tables import collect, write_tables
    from sslfast.study.records import write_record

    times: dict[str, list[float]] = {"dry run": [], "collecting records": []}
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            n_labelled = max(1, round(math.sqrt(n) / 2))
            n_unlabelled = max(1, round(n / n_labelled / 5))
            fractions = {
                "labelled": [round((i + 1) / n_labelled, 4) for i in range(n_labelled)],
                "unlabelled": [round((i + 1) / n_unlabelled, 4) for i in range(n_unlabelled)],
            }
            command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
            command += ["--dry-run", "--quiet", "--cores", "2", "--configfile", str(ROOT / "config/config.yaml")]
            command += ["--config", "seeds=5", *(f"{key}={values}" for key, values in fractions.items())]
            start = time.perf_counter()
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
            times["dry run"].append(time.perf_counter() - start)
            paths = [Path(folder) / f"{i}.json" for i in range(n)]
            for i, path in enumerate(paths):
                place = {"u": canonical((i % 97 + 1) / 100), "l": canonical((i // 97 % 20 + 1) / 20)}
                write_record(run_record(**place, seed=i // 1940, epochs=20), path)
            start = time.perf_counter()
            cells, history = collect(paths)
            write_tables({"cells": cells, "history": history}, [folder])
            times["collecting records"].append(time.perf_counter() - start)
    return times


def draw(panels: list[tuple[str, list[int], dict[str, list[float]]]], path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(9, 3.4), layout="constrained")
    for axis, (label, sizes, times) in zip(axes, panels, strict=True):
        for (name, seconds), marker in zip(times.items(), "os", strict=True):
            axis.loglog(sizes, seconds, marker=marker, label=name)
        axis.loglog(sizes, [seconds[-1] * n / sizes[-1] for n in sizes], "--", color="grey", label="in proportion")
        axis.set(xlabel=label, ylabel="seconds")
        axis.legend(frameon=False)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a folder of images, or the name of a data set")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = image_dls(options.data, device="cpu").data
    n_train = len(image_dls(data, device="cpu").classify.train_ds)
    images = [n for n in (1000, 3000, 10_000, 30_000) if n < n_train] + [n_train]
    cells = [10, 100, 1000, 10_000]
    panels = [("images", images, image_times(data, images, options.rounds)), ("cells", cells, cell_times(cells))]
    for label, sizes, times in panels:
        for name, seconds in times.items():
            whole, end = (math.log(seconds[-1] / seconds[i]) / math.log(sizes[-1] / sizes[i]) for i in (0, -2))
            listed = ", ".join(f"{n:,}: {s:.2f} s" for n, s in zip(sizes, seconds, strict=True))
            print(f"{name} by {label}: {listed}; slope {whole:.2f}, at the end {end:.2f}")
    draw(panels, Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
