"""How long a job takes to load its data, and how much memory it takes for itself.

    python benchmarks/memory.py --data ~/.cache/sslfast/cifar10

(g) seconds that `load_dataset` takes in a new process, if the images were decoded before;
(h) for each encoder, the most memory that a process took for itself (anonymous pages, without memory-mapped images and
    large cached features): while pre-training at u = 1, and while training a classifier and the baseline at l = 0.9.
"""

import argparse
import multiprocessing
import time
from pathlib import Path

STAGES = ("pretrain", "classify", "supervised")


def load(source: str, answers) -> None:
    from sslfast import load_dataset

    start = time.perf_counter()
    data = load_dataset("folder", folder=source) if Path(source).is_dir() else load_dataset(source)
    answers.put((time.perf_counter() - start, len(data.train) + len(data.test)))


def train(source: str, encoder: str, stage: str, answers) -> None:
    import torch

    from sslfast import autoencoder_learner, classifier_learner, image_dls, supervised_learner
    from sslfast.runtime.memory import keep_freed_memory
    from sslfast.study.limits import AUTO_VIEWS

    torch.set_num_threads(1)
    keep_freed_memory()
    dls = image_dls(source, labelled=0.9, device="cpu")
    if stage == "pretrain":
        learn = autoencoder_learner(dls.pretrain, encoder, seed=0)
    else:
        learn = {"classify": classifier_learner, "supervised": supervised_learner}[stage](dls.classify, encoder, seed=0)
    learn.logger = lambda row: None
    with learn.no_bar():
        learn.fit(AUTO_VIEWS + 1 if stage == "classify" else 1, 1e-3, wd=0)  # fewer would not keep features
    answers.put(True)


def peak(context, arguments: tuple) -> float:
    """The highest RssAnon of a process, in MB, measured fifty times per second."""
    answers = context.Queue()
    process = context.Process(target=train, args=(*arguments, answers))
    process.start()
    highest = 0
    while process.is_alive():
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            break
        highest = max([highest, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))])
        time.sleep(0.02)
    process.join()
    if process.exitcode:
        raise SystemExit(f"{arguments}: exit code {process.exitcode}")
    return highest / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a folder of images, or the name of a data set")
    options = parser.parse_args()
    source, context = str(Path(options.data).expanduser()), multiprocessing.get_context("spawn")
    source = source if Path(source).is_dir() else options.data
    times = []
    for _ in range(4):  # the first decodes, if need be
        answers = context.Queue()
        process = context.Process(target=load, args=(source, answers))
        process.start()
        seconds, n = answers.get()
        process.join()
        times.append(seconds)
    print(f"(g) {n:,} images at hand in {min(times[1:]):.2f} s (best of 3; the first took {times[0]:.2f} s)")
    if not Path("/proc/self/status").exists():
        print("(h) not measured: this system has no /proc")
        return
    for encoder in ("original", "conv"):
        found = {stage: peak(context, (source, encoder, stage)) for stage in STAGES}
        print(f"(h) {encoder}: " + ", ".join(f"{stage} {mb:,.0f} MB" for stage, mb in found.items()))


if __name__ == "__main__":
    main()
