"""Do fast variants score like the plain ones? Cached views against fresh views, and bfloat16 against float32.

    python benchmarks/same_scores.py --data ~/.cache/sslfast/cifar10 --part views
    python benchmarks/same_scores.py --data ~/.cache/sslfast/cifar10 --part precision

`views`: full cells (100 epochs, l = 0.5) over a frozen autoencoder (u = 0.1), 5 seeds, both encoders.
`precision`: pre-training (u = 0.1), classifier and baseline (l = 0.1, 20 epochs), 5 seeds, both encoders.
Prints test macro-F1 of each variant, and the paired difference with its 95 % interval. Each run is a row of
`benchmarks/same_scores.csv`. Runs that are in the file are not repeated, so the script may be stopped at any time.
"""

import argparse
import csv
from pathlib import Path

import pandas as pd
import torch
from timing import fitted

from sslfast import autoencoder_learner, classifier_learner, image_dls, supervised_learner
from sslfast.analysis.intervals import mean_interval
from sslfast.training.precision import resolve_precision

COLUMNS = ["part", "encoder", "seed", "stage", "variant", "macro_f1", "seconds"]


def views_runs(data, encoder: str, seed: int, options):
    """(stage, variant, function that runs it) of each run; classifiers use the machine's `auto` precision."""
    precision = resolve_precision("auto", "cpu")
    dls = image_dls(data, unlabelled=0.1, labelled=0.5, seed=seed, device="cpu")
    pretrained = None
    for variant in options.variants.split(","):

        def run(variant=variant):
            nonlocal pretrained
            if pretrained is None:
                pretrained, _ = fitted(autoencoder_learner(dls.pretrain, encoder, seed=seed, precision=precision), 10)
            dls.classify.train.epoch = 0
            views = variant if variant == "fresh" else int(variant)
            learn = classifier_learner(dls.classify, pretrained, seed=seed, precision=precision, views=views)
            return fitted(learn, options.epochs)

        yield "frozen", variant, run, dls


def precision_runs(data, encoder: str, seed: int, options):
    for variant in ("float32", "bfloat16"):
        dls = image_dls(data, unlabelled=0.1, labelled=0.1, seed=seed, device="cpu")

        def frozen(precision=variant, dls=dls):
            pretrained, _ = fitted(autoencoder_learner(dls.pretrain, encoder, seed=seed, precision=precision), 10)
            return fitted(classifier_learner(dls.classify, pretrained, seed=seed, precision=precision), 20)

        def supervised(precision=variant, dls=dls):
            dls.classify.train.epoch = 0
            return fitted(supervised_learner(dls.classify, encoder, seed=seed, precision=precision), 20)

        yield "frozen", variant, frozen, dls
        yield "supervised", variant, supervised, dls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a folder of images, or the name of a data set")
    parser.add_argument("--part", choices=["views", "precision"], required=True)
    parser.add_argument("--variants", default="fresh,4", help="for part views: fresh or numbers of views")
    parser.add_argument("--encoders", default="original,conv")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--epochs", type=int, default=100, help="for part views")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.out.exists():
        options.out.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    done = pd.read_csv(options.out, dtype={"variant": str})
    done = set(zip(done.part, done.encoder, done.seed, done.stage, done.variant, strict=True))
    data = image_dls(options.data, device="cpu").data
    make = views_runs if options.part == "views" else precision_runs
    for seed in map(int, options.seeds.split(",")):
        for encoder in options.encoders.split(","):
            for stage, variant, run, dls in make(data, encoder, seed, options):
                if (options.part, encoder, seed, stage, variant) in done:
                    continue
                learn, seconds = run()
                score = learn.validate(dl=dls.test)[-1]
                row = [options.part, encoder, seed, stage, variant, f"{score:.5f}", f"{seconds:.1f}"]
                with options.out.open("a", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerow(row)
                print(*row, sep="\t", flush=True)
    report(options.out, options.part)


def report(path: Path, part: str) -> None:
    rows = pd.read_csv(path, dtype={"variant": str})
    rows = rows[rows.part == part]
    reference = "fresh" if part == "views" else "float32"
    for (encoder, stage), group in rows.groupby(["encoder", "stage"]):
        scores = group.pivot(index="seed", columns="variant", values="macro_f1")
        seconds = group.pivot(index="seed", columns="variant", values="seconds")
        print(f"{encoder}, {stage}: {reference} {mean_interval(scores[reference]).text()}")
        for variant in scores.columns.drop(reference):
            paired = (scores[variant] - scores[reference]).dropna()
            faster = (seconds[reference] / seconds[variant]).median()
            print(
                f"  {variant}: {mean_interval(scores[variant].dropna()).text()}, difference"
                f" {mean_interval(paired).text(sign=True)} ({len(paired)} seeds), {faster:.1f} times as fast"
            )


if __name__ == "__main__":
    main()
