"""How long evaluations of a frozen encoder take, compared with its pre-training and the study's head.

    python benchmarks/evaluations.py
    python benchmarks/evaluations.py --images 5000 --features 128

Features are simulated to resemble an encoder's: they are not negative, and vary much in a few directions and little in
many. With independent features the linear probe would be too fast, since its number of iterations depends on how much
the directions differ. Prints wall-clock seconds, and processor seconds for machines that are busy with other work.
"""

import argparse
import time

import numpy as np
import torch
from timing import table

from sslfast.evaluation import Encoded, cluster, embed_2d, knn, linear_probe


def features(n: int, d: int, y: np.ndarray, n_classes: int, rng: np.random.Generator, mix, centres) -> np.ndarray:
    """Simulated features, float32 `[n, d]`: not negative, as after ReLU; the k-th direction varies as k^(-1/2)."""
    hidden = (centres[y] + rng.standard_normal((n, d), dtype=np.float32)) * np.arange(
        1, d + 1, dtype=np.float32
    ) ** -0.5
    return np.maximum(hidden @ mix, 0)


def cell(n: int, n_valid: int, n_test: int, d: int, n_classes: int, seed: int = 0) -> tuple[Encoded, np.ndarray]:
    """The simulated features of a cell, and its test labels."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((d, d), dtype=np.float32)
    centres = 0.12 * rng.standard_normal((n_classes, d), dtype=np.float32)
    parts = []
    for size in (n, n_valid, n_test):
        y = rng.integers(n_classes, size=size)
        parts += [features(size, d, y, n_classes, rng, mix, centres), y]
    return Encoded(*parts[:5], n_classes), parts[5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000, help="labelled images")
    parser.add_argument("--valid", type=int, default=5_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--clustered", type=int, default=5_000, help="images for k-means")
    parser.add_argument("--embedded", type=int, default=1_000, help="images for t-SNE")
    parser.add_argument("--threads", type=int, default=1, help="of torch; set OMP_NUM_THREADS for scikit-learn's")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    encoded, y = cell(options.images, options.valid, options.test, options.features, options.classes)
    rows = [("evaluation", "images", "seconds", "of the CPU", "result")]

    def timed(name: str, images: str, run, result) -> None:
        start, cpu = time.perf_counter(), time.process_time()
        found = run()
        took = f"{time.perf_counter() - start:.1f}", f"{time.process_time() - cpu:.1f}"
        rows.append((name, images, *took, result(found)))

    def scored(scores) -> str:
        return f"accuracy {(scores.test.argmax(1) == y).mean():.3f}, {scores.notes}"

    size = f"{options.images:,} × {options.features}, {options.test:,} to test"
    timed("linear probe", size, lambda: linear_probe(encoded), scored)
    timed("nearest neighbours", size, lambda: knn(encoded), scored)
    part, labels = encoded.test[: options.clustered], y[: options.clustered]
    timed(
        "k-means",
        f"{len(part):,}",
        lambda: cluster(part, labels, options.classes),
        lambda c: f"accuracy {c.accuracy:.3f}",
    )
    few = encoded.test[: options.embedded]
    timed("t-SNE", f"{len(few):,}", lambda: embed_2d(few), lambda places: f"{len(places):,} places")
    print(table(rows))


if __name__ == "__main__":
    main()
