"""What differs between runs of the same seed: repeated, with more threads, in another precision, on a GPU.

    python benchmarks/determinism.py                        # scikit-learn's digits, on the CPU
    python benchmarks/determinism.py --data cifar10 --device cuda

Each variant runs in two separate processes. Each process pre-trains an encoder (u = 0.5), and trains a classifier over
it and the supervised baseline (l = 0.5), for 10 epochs each with seed 0. The table compares each variant with the first
one: the largest difference of a weight of the encoder after pre-training, the share of test images with another
predicted class, and the difference of macro-F1. `again`: whether both processes gave the same bit by bit, histories
included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from timing import table

STAGES = ("classifier", "baseline")


def variants(device: str) -> dict[str, tuple[str, int, str]]:
    """(precision, threads, device) by name; the first variant is the reference."""
    ways = [("float32", 1), ("float32", 2), ("bfloat16", 1), ("bfloat16", 2)]
    on_cpu = {f"{p}, {n} thread{'s'[: n - 1]}": (p, n, "cpu") for p, n in (ways if device == "cpu" else ways[:1])}
    there = {f"{device}, {p}": (p, 1, device) for p in ("float32", "bfloat16") if device != "cpu"}
    return on_cpu | there


def train(options, folder: Path) -> None:
    """Train one variant, and write `weights.npz`, predictions and scores to `folder`."""
    from sslfast import load_dataset
    from sslfast.data.splits import make_split
    from sslfast.models import save_encoder
    from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pretrain, supervised
    from sslfast.study.records import write_record

    precision, threads, device = options.run
    data = load_dataset(options.data)
    split = make_split(data, 0)
    run = RunSettings(budget="epochs", batch_size=64, device=device, threads=int(threads), precision=precision)
    fit = FitSettings(epochs=options.epochs)
    encoder, made, _ = pretrain(data, split, run, fit, encoder="conv", u="0.5")
    save_encoder(encoder, folder / "e.safetensors", **encoder_header(made))
    write_record(made, folder / "e.json")
    files = {"encoder_file": folder / "e.safetensors", "pretrain_record": folder / "e.json"}
    results = [
        classify(data, split, run, fit, l="0.5", **files),
        supervised(data, split, run, fit, encoder="conv", l="0.5"),
    ]
    histories = [[{k: v for k, v in row.items() if k != "seconds"} for row in made.history]]
    for name, (predictions, record) in zip(STAGES, results, strict=True):
        np.save(folder / f"{name}.npy", predictions)
        histories.append([{k: v for k, v in row.items() if k != "seconds"} for row in record.history])
    scores = {name: record.test["macro_f1"] for name, (_, record) in zip(STAGES, results, strict=True)}
    (folder / "about.json").write_text(json.dumps({"histories": histories, "scores": scores}))
    np.savez(folder / "weights.npz", **{k: v.cpu().numpy() for k, v in encoder.state_dict().items()})


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "weights.npz") as stored:
        return dict(stored)


def compared(first: Path, other: Path) -> list[str]:
    """The differences between `other` and `first`: weights, and the classes and scores of each stage."""
    scores = [json.loads((folder / "about.json").read_text())["scores"] for folder in (first, other)]
    a, b = weights_of(first), weights_of(other)
    difference = max(float(np.abs(a[name] - b[name]).max()) for name in a)
    cells = [f"{difference:.1e}" if difference else "same"]
    for name in STAGES:
        share = float((np.load(first / f"{name}.npy") != np.load(other / f"{name}.npy")).mean())
        cells.append(f"{share:.1%}, {scores[1][name] - scores[0][name]:+.4f}" if share else "same")
    return cells


def identical(first: Path, other: Path) -> bool:
    """Whether histories, scores, predictions and weights are the same bit by bit."""
    files = ["about.json", *(f"{name}.npy" for name in STAGES)]
    a, b = weights_of(first), weights_of(other)
    same_files = all((first / file).read_bytes() == (other / file).read_bytes() for file in files)
    return same_files and all(np.array_equal(a[name], b[name]) for name in a)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--device", default="cpu", help="another device to compare with the CPU")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--run", nargs=3, metavar=("PRECISION", "THREADS", "DEVICE"), help="one variant, for itself")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.run:
        train(options, options.folder)
        return
    rows = [("variant", "weights", "classifier: other class, ΔF1", "baseline: other class, ΔF1", "again")]
    with tempfile.TemporaryDirectory() as root:
        first = Path(root, "0-0")
        for number, (name, variant) in enumerate(variants(options.device).items()):
            pair = [Path(root, f"{number}-{turn}") for turn in (0, 1)]
            for folder in pair:
                folder.mkdir()
                command = [sys.executable, __file__, "--data", options.data, "--epochs", str(options.epochs)]
                command += ["--folder", str(folder), "--run", *map(str, variant)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            rows.append((name, *compared(first, pair[0]), "same" if identical(*pair) else "differs"))
    print(table(rows))


if __name__ == "__main__":
    main()
