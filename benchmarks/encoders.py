"""What each encoder costs, and how it scores, compared in one run.

    python benchmarks/encoders.py --folder ~/.cache/sslfast/cifar10

Prints, for every seed and as means: parameters; images per second of pre-training, classifying and supervised training
(and the ratio to `original`); the autoencoder's RMSE; test macro-F1 of the frozen encoder and of supervised training.
Uses one thread; the numbers of epochs are options.
"""

import argparse

import pandas as pd
import torch
from timing import fitted

from sslfast import autoencoder_learner, classifier_learner, image_dls, supervised_learner


def rate(learn, epochs: int) -> float:
    """Images per second of a fit, including validation and the features of a frozen encoder."""
    return epochs * len(learn.dls.train_ds) / fitted(learn, epochs)[1]


def measure(encoder: str, data, seed: int, options: argparse.Namespace) -> dict:
    dls = image_dls(data, unlabelled=options.unlabelled, labelled=options.labelled, seed=seed, device="cpu")
    pretrained = autoencoder_learner(dls.pretrain, encoder, seed=seed)
    row = {"encoder": encoder, "seed": seed, "parameters": sum(p.numel() for p in pretrained.encoder.parameters())}
    row["pretrain images/s"] = rate(pretrained, options.pretrain_epochs)
    row["rmse"] = pretrained.recorder.values[-1][-1]
    frozen = classifier_learner(dls.classify, pretrained, seed=seed)
    row["classify images/s"] = rate(frozen, options.epochs)
    row["F1 frozen"] = frozen.validate(dl=dls.test)[-1]
    supervised = supervised_learner(dls.classify, encoder, seed=seed)
    row["supervised images/s"] = rate(supervised, options.epochs)
    row["F1 supervised"] = supervised.validate(dl=dls.test)[-1]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="a folder of images, or the name of a data set")
    parser.add_argument("--unlabelled", type=float, default=0.2)
    parser.add_argument("--labelled", type=float, default=0.2)
    parser.add_argument("--pretrain-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--encoders", nargs="+", default=["conv"], help="compared with original")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = image_dls(options.folder, device="cpu").data
    rows = []
    for seed in range(options.seeds):
        for encoder in ("original", *options.encoders):  # side by side: one after the other, seed by seed
            rows.append(measure(encoder, data, seed, options))
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    means = pd.DataFrame(rows).groupby("encoder").mean().drop(columns="seed")
    print(means.round(4).T.to_string())
    print("\nratio to original\n" + (means / means.loc["original"]).round(2).T.to_string())


if __name__ == "__main__":
    main()
