"""What it costs that changed bits are found and that files outlast a power failure, for a study that has ended.

python benchmarks/integrity.py results/digits --data digits
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from timing import table

from sslfast import load_dataset
from sslfast.files import CHECKSUM, replacing, verify

READ = ("records/**/*.json", "records/**/*.npy", "encoders/*", "pictures/*", "splits/*", "tables/*.parquet", "*.npz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the study's folder of results, on the disk to write to")
    parser.add_argument("--data", default="digits", help="the data set of the study")
    options = parser.parse_args()
    files = [path for pattern in READ for path in sorted(options.results.glob(pattern)) if path.is_file()]
    records = [json.loads(path.read_text()) for path in files if path.suffix == ".json"]
    data = load_dataset(options.data)
    n_bytes, n_images = sum(path.stat().st_size for path in files), len(data.train) + len(data.test)
    of_files = seconds(lambda: [verify(path) for path in files])
    of_images = seconds(lambda: [images.check() for images in (data.train, data.test)])
    # each file is read about once; each job looks at most at every image; checkpoints are not waited for
    n_writes = len(files)
    size = n_bytes // len(files)
    with mock.patch.object(os, "fsync", lambda handle: None):
        unsynced = seconds(lambda: write(options.results, size, 30)) / 30
    synced = seconds(lambda: write(options.results, size, 30)) / 30
    whole = sum(sum(record["seconds"].values()) for record in records)
    checked, lasting = of_files + of_images * len(records), (synced - unsynced) * n_writes
    rows = [
        ("", "how much", "seconds", "share of the study"),
        ("verify each file once", f"{len(files)} files, {n_bytes / 1e6:.1f} MB", f"{of_files:.3f}", ""),
        ("check each image once", f"{n_images} images", f"{of_images:.3f}", ""),
        ("both, in all jobs", f"{len(records)} jobs", f"{checked:.2f}", f"{checked / whole:.2%}"),
        ("sync", f"{n_writes} files, {size / 1e3:.0f} kB each", f"{lasting:.2f}", f"{lasting / whole:.2%}"),
        ("the study", f"{len(records)} jobs", f"{whole:.0f}", ""),
    ]
    print(table(rows))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write(folder: Path, size: int, times: int) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for _ in range(times):
            with replacing(Path(place) / "file", checksum=True) as scratch:
                scratch.write_bytes(bytes(size) + CHECKSUM.encode())


if __name__ == "__main__":
    main()
