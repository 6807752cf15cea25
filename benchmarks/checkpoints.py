"""What a checkpoint costs: milliseconds per save, and its size, for RGB images of 32 pixels.

python benchmarks/checkpoints.py --folder results     # on the disk of `results`
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import quiet, table

from sslfast import Checkpoint, autoencoder_learner, classifier_learner, image_dls, supervised_learner
from sslfast.data.images import Arrays, from_arrays


class TimedCheckpoint(Checkpoint):
    """Records the seconds and bytes of each save."""

    def before_fit(self):
        super().before_fit()
        self.saves = []

    def _save(self):
        start = time.perf_counter()
        super()._save()
        self.saves.append((time.perf_counter() - start, self.file.stat().st_size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=".", help="a folder on the disk to write to")
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (400, 32, 32, 3), dtype=np.uint8), np.arange(400) % 10
    data = from_arrays("noise", Arrays(x, y, x[:50], y[:50], tuple("abcdefghij")), "noise")
    dls = image_dls(data, seed=0, device="cpu")
    rows = [("", "ms a save (median, highest)", "kB")]
    for encoder in ("original", "conv"):
        for make, loaders in (
            (autoencoder_learner, dls.pretrain),
            (classifier_learner, dls.classify),
            (supervised_learner, dls.classify),
        ):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                learn = quiet(make(loaders, encoder, seed=0))
                learn.fit(options.epochs, 1e-3, cbs=(checkpoint := TimedCheckpoint(Path(folder) / "c")))
            seconds, sizes = np.array(checkpoint.saves).T
            name = make.__name__.removesuffix("_learner")
            times = f"{np.median(seconds) * 1e3:.1f}, {seconds.max() * 1e3:.1f}"
            rows.append((f"{encoder}, {name}", times, f"{sizes.max() / 1e3:.0f}"))
    print(table(rows))


if __name__ == "__main__":
    main()
