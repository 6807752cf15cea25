"""What a pre-training method costs: images per second, compared with the autoencoder on the same images.

    python benchmarks/methods.py --data ~/.cache/sslfast/cifar10

Prints for each encoder and method the training images per second, without validation, and their ratio to the
autoencoder's, as median and range over rounds in which the methods take turns in one process. An image counts once,
whatever its number of views. With `--views`: for how many images per second two views are made, and which share of
SimCLR's training this takes.
"""

import argparse
import time

import numpy as np
import torch
from learners import fit_rate, synchronize
from timing import ratio_text, side_by_side, table

from sslfast import image_dls
from sslfast.data.augment import Augment, Stream
from sslfast.data.views import Views
from sslfast.study.methods import methods
from sslfast.training.precision import resolve_precision


def view_rate(dls, batches: int):
    """A function that makes two views of `batches` batches; returns images per second."""
    x = dls.train.one_batch()[1].as_subclass(torch.Tensor)
    views, stream = Views(), Stream("views")

    def run() -> float:
        synchronize(x.device)
        start = time.perf_counter()
        for _ in range(batches):
            views(x, stream)
        synchronize(x.device)
        return batches * len(x) / (time.perf_counter() - start)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a folder of images, or the name of a data set")
    parser.add_argument("--encoders", nargs="+", default=["conv"])
    parser.add_argument("--methods", nargs="+", help="all, unless named")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--views", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, precision = torch.device(options.device), resolve_precision(options.precision, options.device)
    print(f"{device}, {precision}, {options.threads} thread(s), batch {options.batch_size}")
    data = image_dls(options.data, device=device).data
    share = min(1.0, options.batches * options.batch_size / (0.9 * len(data.train)))
    kwargs = {"unlabelled": share, "bs": options.batch_size, "device": device}
    dls = image_dls(data, **kwargs).pretrain
    plain = image_dls(data, augment=Augment(), **kwargs).pretrain  # for methods that make views of their own
    known = methods()
    chosen = ["autoencoder", *(name for name in options.methods or known if name != "autoencoder")]
    for encoder in options.encoders:
        contestants = {
            name: fit_rate(kind.load()(plain if kind.own_views else dls, encoder, seed=0, precision=precision))
            for name, kind in ((name, known[name]) for name in chosen)
            if not kind.teacher and (not kind.encoders or encoder.partition("_x")[0] in kind.encoders)
        }
        if options.views:
            contestants["two views alone"] = view_rate(plain, options.batches)
        rates = side_by_side(contestants, options.rounds)
        rows = [("method", "images/s", "of the autoencoder's")]
        rows += [(name, f"{np.median(r):,.0f}", ratio_text(r, rates["autoencoder"])) for name, r in rates.items()]
        print(f"\n{encoder}, {data.train.image_size} pixels\n{table(rows)}")
        if options.views and "simclr" in rates:
            print(f"making views takes {ratio_text(rates['simclr'], rates['two views alone'])} of SimCLR's training")


if __name__ == "__main__":
    main()
