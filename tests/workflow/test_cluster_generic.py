"""A study through `cluster-generic`, with the profile of docs/clusters.md and a script in the place of a cluster's."""

import re

import pytest
import yaml
from killed import results
from studies import ROOT, TINY

pytest.importorskip("snakemake_executor_plugin_cluster_generic")

SUBMIT = """#!/bin/sh
# takes a job's script, behind what the profile asks for, and prints a number
echo "$@" >> {folder}/submitted
for script; do :; done
nohup sh "$script" > "$script.output" 2>&1 < /dev/null &
echo $!
"""
RECORD = "records/supervised/conv-l0.1-s0.json"


def profile() -> dict:
    """The first two blocks of the page: for all clusters, and for this one."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/clusters.md").read_text(encoding="utf-8"), re.DOTALL)
    common, own = map(yaml.safe_load, blocks[:2])
    assert own["executor"] == "cluster-generic"
    del own["cluster-generic-status-cmd"], own["cluster-generic-cancel-cmd"]  # of a cluster that there is not
    return {**common, **own, "latency-wait": 10}


def test_what_a_local_run_makes_a_cluster_makes_bit_for_bit(finished, workflow, tmp_path):
    (submit := tmp_path / "submit").write_text(SUBMIT.format(folder=tmp_path))
    submit.chmod(0o755)
    settings = profile()
    settings["cluster-generic-submit-cmd"] = settings["cluster-generic-submit-cmd"].replace("qsub", str(submit))
    (workflow.folder / "profiles/mine").mkdir()
    (workflow.folder / "profiles/mine/config.yaml").write_text(yaml.safe_dump(settings))
    call = ["--workflow-profile", "profiles/mine", "--seconds-between-status-checks", "1"]  # not 10
    result = workflow.run(f"results/tiny/{RECORD}", *call, config=TINY)
    assert result.returncode == 0, result.stderr
    made, local = results(workflow.folder), results(finished.folder)
    assert f"results/tiny/{RECORD}" in made
    assert made == {name: local[name] for name in made}
    prepare, supervised = (tmp_path / "submitted").read_text().splitlines()
    assert "h_rt=0:70:0 " in prepare  # images and a split go together: 60 and 10 minutes
    assert re.search(r"-l h_rt=0:\d+:0 -l h_vmem=\d+M -pe smp 1 ", supervised)
