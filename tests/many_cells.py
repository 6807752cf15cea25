"""`python many_cells.py N FOLDER`: N tiny cells in one process; what the process holds after each ten, as JSON lines.

Keys: `memory` (MB in RAM, without pages of files, which the system drops and reads again as it likes), `objects` that
Python keeps track of, open `files`, `threads`, and how many files lie in `TMPDIR` (`left`).
"""

import gc
import json
import os
import sys
import tempfile
from pathlib import Path

from sslfast import load_dataset, make_split
from sslfast.models import save_encoder
from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pretrain, supervised
from sslfast.study.records import write_record

RUN = RunSettings(budget="epochs", batch_size=32)
CACHED, FRESH = FitSettings(epochs=2, views=1), FitSettings(epochs=1, views="fresh")


def cell(data, number: int, folder: Path) -> None:
    """One of five: a pre-trained encoder with a classifier, three more classifiers over it, a baseline."""
    split = make_split(data, number // 5)
    if number % 5 == 0:
        encoder, made, _ = pretrain(data, split, RUN, FRESH, encoder="conv", u="0.1")
        save_encoder(encoder, folder / "e.safetensors", **encoder_header(made))
        write_record(made, folder / "e.json")
    files = {"encoder_file": folder / "e.safetensors", "pretrain_record": folder / "e.json"}
    if number % 5 == 4:
        _, record = supervised(data, split, RUN, FRESH, encoder="conv", l="0.05")
    else:
        _, record = classify(data, split, RUN, (CACHED, FRESH)[number % 2], l=("0.05", "0.1")[number % 2], **files)
    write_record(record, folder / "record.json")


def held() -> dict[str, float]:
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "memory": int(status["RssAnon"].split()[0]) / 1024,
        "objects": len(gc.get_objects()),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "left": len(os.listdir(tempfile.gettempdir())),
    }


if __name__ == "__main__":
    sys.stdout, out = sys.stderr, sys.stdout  # stages print their progress
    images, place = load_dataset("digits"), Path(sys.argv[2])
    for done in range(1, int(sys.argv[1]) + 1):
        cell(images, done - 1, place)
        if done % 10 == 0:
            print(json.dumps({"cells": done, **held()}), file=out, flush=True)
