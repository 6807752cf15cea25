"""What the two commands install: the versions of constraints.txt, each file by its hash, and for a study no more."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OF_BUILDS = re.compile(r"(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)$")


def pins(path: str) -> dict[str, str]:
    """Versions by name, as package indexes spell it."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    found = [re.match(r"([\w.-]+)==([\w.+!]+)", line) for line in lines]
    return {re.sub(r"[-_.]+", "-", match[1]).lower(): match[2] for match in found if match}


@pytest.mark.parametrize("part", ["study", "dev", "tools"])
def test_each_package_has_hashes_and_no_index_is_named(part):
    text = (ROOT / f"pins/{part}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) == len(pins(f"pins/{part}.txt")) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text and "index" not in text


@pytest.mark.parametrize("part", ["study", "dev"])
def test_versions_are_those_of_the_constraints(part):
    known, found = pins("constraints.txt"), pins(f"pins/{part}.txt")
    differing = {name: (version, known[name]) for name, version in found.items() if known.get(name, version) != version}
    assert not differing, "run `make pins`"
    assert not [name for name in found if OF_BUILDS.match(name)]


def test_a_study_gets_no_plugin_of_snakemake_and_tests_get_what_a_study_gets():
    study, dev = pins("pins/study.txt"), pins("pins/dev.txt")
    assert study.items() <= dev.items()
    plugins = re.compile(r"snakemake-(executor|storage|logger|report|scheduler)-plugin-")
    assert not [name for name in study if plugins.match(name)]
    assert [name for name in dev if plugins.match(name)]


def test_all_that_the_package_asks_for_is_pinned():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for part, asked in {"study": project["dependencies"], "dev": project["optional-dependencies"]["dev"]}.items():
        names = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in asked}
        assert names - {"torch", "torchvision"} <= set(pins(f"pins/{part}.txt")), "run `make pins`"
