"""A group of cells that is cancelled in the middle: what had ended is not trained again."""

from pathlib import Path

import pytest
import yaml
from conftest import CALL, STUDY, running
from killed import results, wait_for
from studies import Workflow

CELLS = [f"results/tiny/records/classify/random-conv-u0-l{share}-s0.json" for share in ("0.1", "0.2", "0.3")]


@pytest.mark.long
def test_cells_that_had_ended_when_their_group_was_cancelled_are_taken_and_the_rest_trained(cluster, tmp_path):
    config = {**STUDY, "unlabelled": [0], "labelled": [0.1, 0.2, 0.3]}
    local = Workflow(tmp_path / "local")
    assert local.run("--cores", "2", *CELLS, config=config).returncode == 0
    folder = tmp_path / "cluster"
    Workflow(folder)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    kept = folder / "results/tiny/checkpoints/classify"
    with running(folder, *CELLS, *CALL, **cluster.environment) as snakemake:
        wait_for(lambda: list(kept.glob("*/ended/about.json")), 600)
        ended = {path.parents[1].name for path in kept.glob("*/ended/about.json")}
        cluster.run("scancel", *(number for number, job in cluster.jobs().items() if job.startswith("rule_cells")))
        assert snakemake.wait(900) == 0, (folder / "output.txt").read_text()
    taken = {
        log.stem
        for log in (folder / "results/tiny/logs/classify").iterdir()
        if "an earlier attempt ended well" in log.read_text()
    }
    assert ended <= taken < {Path(cell).stem for cell in CELLS}
    assert results(folder) == results(tmp_path / "local")
