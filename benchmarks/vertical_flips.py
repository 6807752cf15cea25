"""What the original study's vertical flips do to scores, paired by seed, in one run.

    python benchmarks/vertical_flips.py --folder ~/.cache/sslfast/cifar10

Prints test macro-F1 of the frozen autoencoder and of the supervised baseline, with vertical flips (probability 0.5) and
without, everything else equal, and the paired difference with its 95 % interval.
"""

import argparse

import torch
from timing import fitted

from sslfast import autoencoder_learner, classifier_learner, image_dls, supervised_learner
from sslfast.analysis.intervals import mean_interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="a folder of images, or the name of a data set")
    parser.add_argument("--unlabelled", type=float, default=0.1)
    parser.add_argument("--labelled", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = image_dls(options.folder, device="cpu").data
    scores: dict[tuple[str, float], list[float]] = {}
    for seed in range(options.seeds):
        for flips in (0.5, 0.0):
            dls = image_dls(
                data, unlabelled=options.unlabelled, labelled=options.labelled, seed=seed, device="cpu",
                augment={"flip_horizontal": 0.5, "flip_vertical": flips, "noise": 0.1},
            )  # fmt: skip
            pretrained, _ = fitted(autoencoder_learner(dls.pretrain, seed=seed), 10)
            for name, learn in (
                ("frozen autoencoder", classifier_learner(dls.classify, pretrained, seed=seed)),
                ("supervised", supervised_learner(dls.classify, seed=seed)),
            ):
                score = fitted(learn, 20)[0].validate(dl=dls.test)[-1]
                scores.setdefault((name, flips), []).append(score)
                print(f"seed {seed}, vertical flips {flips}: {name} {score:.4f}", flush=True)
    for name in ("frozen autoencoder", "supervised"):
        paired = [a - b for a, b in zip(scores[name, 0.0], scores[name, 0.5], strict=True)]
        with_flips, without = mean_interval(scores[name, 0.5]), mean_interval(scores[name, 0.0])
        print(
            f"{name}: with {with_flips.text()}, without {without.text()}, gain {mean_interval(paired).text(sign=True)}"
        )


if __name__ == "__main__":
    main()
