"""How long a job takes until it trains, against the minimum that a fastai Learner needs.

    python benchmarks/startup.py

Measures processes from their start to their first training batch, in turns: the script of rule `supervised` (on
digits), a Learner with the imports fastai.basics and fastai.callback.all, and torch alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from timing import ratio_text, side_by_side

from sslfast.study.config import check_config, read_schema

ROOT = Path(__file__).parents[1]

TORCH = """
import os, torch
x, model = torch.rand(128, 4), torch.nn.Linear(4, 2)
model(x).sum().backward()
with torch.no_grad():
    for p in model.parameters():
        p.sub_(p.grad)
os._exit(0)
"""
FASTAI = """
import os
from fastai.basics import *
from fastai.callback.all import *
class Stop(Callback):
    def after_batch(self):
        os._exit(0)
data = [(torch.rand(4), torch.tensor(1)) for _ in range(256)]
dls = DataLoaders.from_dsets(data, data, bs=128, device="cpu", num_workers=0)
learn = Learner(dls, nn.Linear(4, 2), loss_func=nn.CrossEntropyLoss(), cbs=[Stop()])
with learn.no_bar():
    learn.logger = noop
    learn.fit(1)
"""
# the script itself, with what Snakemake gives it; the learning rate is asked for at the first step
OURS = """
import json, os, sys
class Bag(dict):
    __getattr__ = dict.__getitem__
class FirstStep(float):
    def __float__(self):
        os._exit(0)
folder, script, config = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
config["supervised"]["lr"] = FirstStep(1e-3)
snakemake = Bag(
    rule="supervised", log=[folder + "/log"], config=config, threads=1, resources=Bag(),
    wildcards=Bag(encoder="original", l="0.5", seed="0", length=""),
    params=Bag(asked={}, content={}),
    input=Bag(split=folder + "/split.parquet"),
    output=Bag(record=folder + "/records/supervised/original-l0.5-s0.json", predictions=folder + "/r.npy"),
)
exec(compile(open(script).read(), script, "exec"), dict(snakemake=snakemake, __name__="__main__"))
sys.exit("it ended without a step")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}  # as Snakemake sets it for `threads: 1`
    with tempfile.TemporaryDirectory() as folder:
        given = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
        given |= {"dataset": "digits", "data_root": folder, "device": "cpu"}
        study = check_config(given, read_schema(ROOT / "workflow/schemas/config.schema.yaml"))
        make_split = (
            "from sslfast import load_dataset, make_split; from sslfast.data.splits import write_split; import sys;"
            "folder, share = sys.argv[1], float(sys.argv[2]);"
            "data = load_dataset('digits', data_root=folder, test_fraction=share);"
            "write_split(make_split(data, 0), folder + '/split.parquet')"
        )
        command = [sys.executable, "-c", make_split, folder, str(study.test_fraction)]
        subprocess.run(command, check=True, env=env)

        def seconds(code: str, *arguments: str) -> float:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=env)
            return time.perf_counter() - start

        script = str(ROOT / "workflow/scripts/supervised.py")
        times = side_by_side(
            {
                "our script": lambda: seconds(OURS, folder, script, json.dumps(study.as_config())),
                "fastai": lambda: seconds(FASTAI),
                "torch": lambda: seconds(TORCH),
            },
            options.rounds,
        )
    medians = ", ".join(f"{name} {sorted(t)[len(t) // 2]:.2f}" for name, t in times.items())
    print(f"(d) {ratio_text(times['our script'], times['fastai'])} of a fastai Learner; seconds: {medians}")


if __name__ == "__main__":
    main()
