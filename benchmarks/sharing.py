"""What several jobs at once get out of one GPU (`jobs_per_gpu`), against one job.

    python benchmarks/sharing.py --data cifar10 --jobs 1 2 4 8

Each job is a process that trains for itself, as those of a study do: a classifier over a frozen `original` on cached
features (most of the original grid), then an autoencoder `conv`. They begin to count together, after epochs to warm
up, and each trains the same number of epochs more. The table has images/s of all jobs together, and their ratio to
those of one job.
"""

import argparse
import multiprocessing
import os
import time

import torch
from fastai.callback.core import Callback
from timing import quiet, table

from sslfast import autoencoder_learner, classifier_learner, image_dls
from sslfast.features import AUTO_VIEWS

EPOCHS = {"classifier over original": (AUTO_VIEWS + 2, 14), "autoencoder conv": (1, 3)}  # to warm up, to count


class Together(Callback):
    """Waits for the other jobs after `warm_up` epochs and again at the end, noting when the last one was ready."""

    def __init__(self, barrier, warm_up: int):
        self.barrier, self.warm_up, self.times, self.images = barrier, warm_up, [], 0

    def _meet(self):
        if self.learn.dls.device.type == "cuda":
            torch.cuda.synchronize()
        self.barrier.wait()
        self.times.append(time.perf_counter())

    def before_epoch(self):
        if self.epoch == self.warm_up:
            self._meet()

    def after_batch(self):
        if self.learn.training and self.times:
            self.images += len(self.learn.xb[0])

    def after_fit(self):
        self._meet()


def job(number: int, options: argparse.Namespace, barriers: dict, rates) -> None:
    """Trains in every round that has more than `number` jobs; puts (round, images, seconds) into `rates`."""
    torch.set_num_threads(1)
    dls = image_dls(options.data, labelled=0.5, device=options.device)
    learners = {
        "classifier over original": classifier_learner(dls.classify, "original", seed=number),
        "autoencoder conv": autoencoder_learner(dls.pretrain, "conv", seed=number),
    }
    for (what, jobs), (begin, barrier) in barriers.items():
        begin.wait()
        if number >= jobs:
            continue
        warm_up, counted = EPOCHS[what]
        together = Together(barrier, warm_up)
        learn = quiet(learners[what])
        with learn.added_cbs(together):
            learn.fit(warm_up + counted, 1e-3, wd=0)
        rates.put(((what, jobs), together.images, together.times[1] - together.times[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a folder of images, or the name of a data set")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4, 8])
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    rounds = [(what, jobs) for what in EPOCHS for jobs in options.jobs]
    everybody = max(options.jobs)
    barriers = {r: (processes.Barrier(everybody), processes.Barrier(r[1])) for r in rounds}
    rates = processes.Queue()
    args = (options, barriers, rates)
    workers = [processes.Process(target=job, args=(number, *args), daemon=True) for number in range(everybody)]
    for worker in workers:
        worker.start()
    found: dict = {r: [] for r in rounds}
    for _ in range(sum(jobs for _, jobs in rounds)):
        r, images, seconds = rates.get(timeout=300)
        found[r].append((images, seconds))
    totals = {r: sum(i for i, _ in each) / max(s for _, s in each) for r, each in found.items()}
    print(f"{options.device}, {os.cpu_count()} processors")
    rows = [("training", *(f"{jobs} at once" for jobs in options.jobs))]
    for what in EPOCHS:
        one = totals[what, options.jobs[0]]
        rows.append((what, *(f"{totals[what, n]:,.0f} images/s ({totals[what, n] / one:.2f})" for n in options.jobs)))
    print(table(rows))


if __name__ == "__main__":
    main()
