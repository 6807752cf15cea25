"""Fixtures: a copy of the workflow, and studies that are run once for all tests, whichever process they are in."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from killed import STUDY, results
from studies import HALVED, TINY, Workflow


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], tuple[Path, object]]:
    """`once(name, make)`: a folder that `make(folder)` filled, and what that returned.

    Of the processes of a run (`-n`) the first one calls `make`, in a folder of the run; each gets a copy of its own.
    As pytest-xdist's documentation has it ("making session-scoped fixtures execute only once").
    """

    def find(name: str, make: Callable[[Path], object]) -> tuple[Path, object]:
        own = tmp_path_factory.getbasetemp()
        common = own.parent if own.name.startswith("popen-") else own
        folder, made = common / f"once-{name}", common / f"once-{name}.pickle"
        with FileLock(f"{folder}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
                folder.mkdir()
                found = make(folder)
                made.write_bytes(pickle.dumps(found))
        mine = shutil.copytree(folder, tmp_path_factory.mktemp(name) / "study", symlinks=True)
        return mine, pickle.loads(made.read_bytes())

    return find


@pytest.fixture(scope="session")
def finished(once):
    """The tiny study, run by plain `snakemake` alone, with a temporary folder and a data root of its own.

    `output`: what Snakemake printed; `ran_in`: where that was.
    """

    def run(folder: Path) -> tuple[str, Path]:
        for name in ("tmp", "data"):
            (folder / name).mkdir()
        return printed(folder, TINY, alone=True, TMPDIR=str(folder / "tmp"), SSLFAST_DATA=str(folder / "data")), folder

    folder, (output, ran_in) = once("tiny", run)
    workflow = Workflow.at(folder)
    workflow.output, workflow.ran_in = output, ran_in
    return workflow


@pytest.fixture(scope="session")
def halved(once) -> Workflow:
    """A study by updates, run once, that checks its length: with runs of half of it, and of equal passes."""
    return Workflow.at(once("halved", lambda folder: printed(folder, HALVED))[0])


@pytest.fixture(scope="session")
def pretended(once) -> Workflow:
    """A tiny study that Snakemake takes for finished, for plans only."""
    return Workflow.at(once("pretended", lambda folder: Workflow(folder).pretend(TINY))[0])


@pytest.fixture(scope="session")
def unbroken(once):
    """What the study of `killed` makes one job after the other, without a break."""

    def run(folder: Path) -> dict:
        printed(folder, STUDY, "--cores", "1", "--until", "collect")  # the last job that deletes something
        return results(folder)

    made = once("unbroken", run)[1]
    assert len(made) == 3 + 2 + 1 + 1 + 1  # records, predictions, pictures, encoder, split
    return made


def printed(folder: Path, config: dict, *arguments: str, **how) -> str:
    """What Snakemake prints as it runs a study in `folder`."""
    done = Workflow(folder).run(*arguments, config=config, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
