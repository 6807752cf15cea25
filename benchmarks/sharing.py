"""How much faster several jobs are that share one GPU (`jobs_per_gpu`) or a few cores (`threads`), against one job.

    python benchmarks/sharing.py --data cifar10 --ways 1 4 8
    python benchmarks/sharing.py --data cifar10 --device cpu --ways 1 1x2 2

`--ways`: numbers of jobs; `x2` gives each job two threads.

Each job is a process of its own, as in a study. It trains a classifier over a frozen `original` on cached features
(most of the original grid consists of these), then an autoencoder `conv`. After some epochs to warm up, all jobs start
to count at the same time, and each trains the same number of further epochs. The table has the images per second of all
jobs together, and their ratio to the first way.
"""

import argparse
import multiprocessing
import os
import time

import torch
from fastai.callback.core import Callback
from timing import quiet, table

from sslfast import autoencoder_learner, classifier_learner, image_dls
from sslfast.study.limits import AUTO_VIEWS

EPOCHS = {"classifier over original": (AUTO_VIEWS + 2, 14), "autoencoder conv": (1, 3)}  # to warm up, to count


class Together(Callback):
    """Waits for the other jobs after `warm_up` epochs and again at the end, and records when the last one was ready."""

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
    """Train in every round with more than `number` jobs, and put (round, images, seconds) into `rates`."""
    dls = image_dls(options.data, unlabelled=options.share, labelled=options.share / 2, device=options.device)
    learners = {
        "classifier over original": classifier_learner(dls.classify, "original", seed=number),
        "autoencoder conv": autoencoder_learner(dls.pretrain, "conv", seed=number),
    }
    for (what, way), (begin, barrier) in barriers.items():
        begin.wait()
        jobs, threads = way
        torch.set_num_threads(threads)
        if number >= jobs:
            continue
        warm_up, counted = EPOCHS[what]
        together = Together(barrier, warm_up)
        learn = quiet(learners[what])
        with learn.added_cbs(together):
            learn.fit(warm_up + counted, 1e-3, wd=0)
        rates.put(((what, way), together.images, together.times[1] - together.times[0]))


def _way(text: str) -> tuple[int, int]:
    """`4` → four jobs of one thread; `1x2` → one of two."""
    jobs, _, threads = text.partition("x")
    return int(jobs), int(threads or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a folder of images, or the name of a data set")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--ways", type=_way, nargs="+", default=[(1, 1), (4, 1), (8, 1)])
    parser.add_argument("--share", type=float, default=1.0, help="of the images, for slow machines")
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    rounds = [(what, way) for what in EPOCHS for way in options.ways]
    everybody = max(jobs for jobs, _ in options.ways)
    barriers = {(what, way): (processes.Barrier(everybody), processes.Barrier(way[0])) for what, way in rounds}
    rates = processes.Queue()
    args = (options, barriers, rates)
    workers = [processes.Process(target=job, args=(number, *args), daemon=True) for number in range(everybody)]
    for worker in workers:
        worker.start()
    found: dict = {r: [] for r in rounds}
    for _ in range(sum(jobs for _, (jobs, _) in rounds)):
        r, images, seconds = rates.get(timeout=600)
        found[r].append((images, seconds))
    totals = {r: sum(i for i, _ in each) / max(s for _, s in each) for r, each in found.items()}
    print(f"{options.device}, {os.cpu_count()} processors")
    named = [f"{jobs} at once" + (f", {threads} threads each" if threads > 1 else "") for jobs, threads in options.ways]
    rows = [("training", *named)]
    for what in EPOCHS:
        rates_of = [totals[what, way] for way in options.ways]
        rows.append((what, *(f"{rate:,.0f} images/s ({rate / rates_of[0]:.2f})" for rate in rates_of)))
    print(table(rows))


if __name__ == "__main__":
    main()
