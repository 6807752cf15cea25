"""The worked example of docs/own-method.md, as a study; and what a change of a person's own code runs again."""

import json
import re

import pytest
import yaml
from studies import ROOT, TINY, Workflow

TEXT = (ROOT / "docs/own-method.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(?:yaml|python)\n# (config/\S+)\n(.*?)```", TEXT, re.DOTALL))
OWN = yaml.safe_load(FILES["config/mine.yaml"])
STUDY = {
    **TINY, "labelled": [0.3], "encoders": OWN["encoders"], "methods": ["autoencoder", "mine"],
    "variants": OWN["variants"], "controls": ["shuffled"],
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """A small study with the page's method and encoder."""
    workflow = Workflow(tmp_path_factory.mktemp("own"))
    for name, text in FILES.items():
        (workflow.folder / name).write_text(text)
    result = workflow.run(config=STUDY)
    assert result.returncode == 0, result.stderr
    return workflow


def records(workflow: Workflow, stage: str) -> dict[str, dict]:
    found = (workflow.folder / "results/tiny/records" / stage).glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in found}


def test_the_pages_own_config_is_a_study(finished):
    assert finished.planned(config=OWN)["pretrain"] == 28


def test_own_code_goes_to_the_report_and_its_digest_into_the_records_it_made(finished):
    made = records(finished, "pretrain")
    assert made["mine-my_nets.Small-u0.2-s0"]["status"] == "ok"
    used = {name: set(record["settings"].get("own_code", {})) for name, record in made.items()}
    assert used["mine-my_nets.Small-u0.2-s0"] == {"my_nets.Small", "my_methods.simsiam_learner"}
    assert used["shuffled_mine-conv-u0.2-s0"] == used["mine-conv-u0.2-s0"] == {"my_methods.simsiam_learner"}
    assert used["random-my_nets.Small-u0-s0"] == {"my_nets.Small"}
    assert used["autoencoder-conv-u0.2-s0"] == set()
    assert set(records(finished, "supervised")["my_nets.Small-l0.3-s0"]["settings"]["own_code"]) == {"my_nets.Small"}
    page = (finished.folder / "reports/tiny/report.html").read_text()
    assert "my_nets.Small" in page and "mine" in page
    assert str(finished.folder) not in json.dumps([*made.values()])


def test_a_change_of_own_code_runs_again_what_it_made_and_nothing_else(finished):
    methods, nets = (finished.folder / name for name in ("config/my_methods.py", "config/my_nets.py"))
    assert finished.planned(config=STUDY) == {}
    methods.write_text(FILES["config/my_methods.py"] + "# a comment\n")
    assert finished.planned(config=STUDY) == {}
    always = {"collect": 1, "examples": 1, "report": 1}
    methods.write_text(FILES["config/my_methods.py"].replace("nn.ReLU()", "nn.GELU()"))
    assert finished.planned(config=STUDY) == {"pretrain": 2, "shuffle": 2, "classify": 4, **always}
    methods.write_text(FILES["config/my_methods.py"])
    nets.write_text(FILES["config/my_nets.py"].replace("32)", "24)"))
    again = {"pretrain": 3, "shuffle": 2, "classify": 5, "supervised": 1, **always}
    assert finished.planned(config=STUDY) == again
    nets.write_text(FILES["config/my_nets.py"])


def test_a_method_that_fails_is_one_line_before_anything_runs(finished):
    broken = {**STUDY, "study": "broken", "variants": {"mine": {**OWN["variants"]["mine"], "width": 0}}}
    result = finished.run(config=broken)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode != 0 and len(lines) == 1
    assert lines[0].startswith(
        "error: config: variants.mine.method: my_methods.simsiam_learner: projector: found [0, 0]"
    )
    assert not (finished.folder / "results/broken").exists()


def test_the_pages_script_runs(finished):
    import subprocess
    import sys

    script = re.findall(r"```python\n(from sslfast import image_dls.*?)```", TEXT, re.DOTALL)[0]
    subprocess.run([sys.executable, "-c", script], cwd=finished.folder, check=True, capture_output=True)
