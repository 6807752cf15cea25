"""What the two commands and the image install: the versions of constraints.txt, each file by its hash, and no more."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_BUILDS = re.compile(r"(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)$")


def pins(path: str) -> dict[str, str]:
    """Versions by name, as package indexes spell it."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    found = [re.match(r"([\w.-]+)==([\w.+!]+)", line) for line in lines]
    return {re.sub(r"[-_.]+", "-", match[1]).lower(): match[2] for match in found if match}


@pytest.mark.parametrize("part", ["study", "dev", "image", "pods", "tools"])
def test_each_package_has_hashes_and_no_index_is_named(part):
    text = (ROOT / f"pins/{part}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) == len(pins(f"pins/{part}.txt")) > (10 if part == "pods" else 50)
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text and "index" not in text


@pytest.mark.parametrize("part", ["study", "dev", "image", "pods"])
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


def asked(*extras: str) -> set[str]:
    """Names of what the package, or extras of it, ask for."""
    lines = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]] or PROJECT["dependencies"]
    return {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in lines} - {"torch", "torchvision"}


def test_all_that_the_package_asks_for_is_pinned():
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert asked() <= set(pins("pins/study.txt")), "run `make pins`"
    assert asked("dev") <= set(pins("pins/dev.txt")), "run `make pins`"
    assert asked() | asked(*extras.split(",")) <= set(pins("pins/image.txt")), "run `make pins`"
    assert asked("s3") <= set(pins("pins/pods.txt")), "run `make pins`"


def test_a_pod_gets_what_the_image_has():
    assert pins("pins/pods.txt").items() <= pins("pins/image.txt").items()
