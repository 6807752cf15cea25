"""Two attempts at a job never work at once, and work that ended well is not done again."""

import errno
import fcntl
import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from grids import checked
from killing import in_a_process, kill_this_process, killed

from sslfast.runtime.attempts import CHECKPOINT, attempt, attempt_folder, checkpoints_of, digest_of, forget


@pytest.fixture
def box(tmp_path):
    """A job's folder and outputs, as the workflow names them."""
    records = tmp_path / "results/study/records/classify"
    records.mkdir(parents=True)
    outputs = [records / "vae-conv-u0.2-l0.1-s0.json", records / "vae-conv-u0.2-l0.1-s0.npy"]
    return tmp_path / "results/study/checkpoints/classify/vae-conv-u0.2-l0.1-s0", outputs


def work(outputs, content="result"):
    for output in outputs:
        output.write_text(f"{content} {output.suffix}")


def run(box, key="key", content="result", say=print):
    """An attempt as a job makes it: whether it found that there is nothing to do."""
    folder, outputs = box
    with attempt(folder, outputs, key, say) as ended:
        if not ended:
            (folder / CHECKPOINT).touch()
            work(outputs, content)
    return ended


def contents(outputs):
    return [output.read_text() for output in outputs]


def test_results_that_snakemake_deleted_since_are_in_place_again(box):
    _, outputs = box
    assert not run(box)
    before = [output.stat().st_mtime_ns for output in outputs]
    for output in outputs:
        output.unlink()
    assert run(box, content="never written")
    assert contents(outputs) == ["result .json", "result .npy"]
    assert all(output.stat().st_mtime_ns > old for output, old in zip(outputs, before, strict=True))


def test_results_of_another_key_are_made_anew(box):
    run(box)
    assert not run(box, key="another", content="new")
    assert contents(box[1]) == ["new .json", "new .npy"]
    assert run(box, key="another")


@pytest.mark.parametrize("harm", ["result", "about", "gone"])
def test_kept_results_that_were_damaged_are_not_taken(box, harm):
    folder, outputs = box
    run(box)
    if harm == "result":
        outputs[0].write_text("res")  # kept by a link: what is done to the one is done to the other
    elif harm == "about":
        (folder / "ended/about.json").write_text('{"key": "k')
    else:
        (folder / "ended/1.npy").unlink()
    assert not run(box, content="new")
    assert contents(outputs) == ["new .json", "new .npy"]


def test_no_room_to_keep_results_does_not_harm_them(box, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sslfast.runtime.attempts._keep", full)
    assert not run(box)
    assert contents(box[1]) == ["result .json", "result .npy"]


def test_a_file_system_without_links_gets_copies(box, monkeypatch):
    def refuse(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    run(box)
    box[1][0].write_text("changed")
    assert run(box)
    assert contents(box[1]) == ["result .json", "result .npy"]


def test_the_checkpoint_goes_when_the_results_are_there_and_stays_when_work_fails(box):
    folder, _ = box
    run(box)
    assert not (folder / CHECKPOINT).exists()
    with pytest.raises(ValueError, match="broken"), attempt(folder, box[1], "other"):
        (folder / CHECKPOINT).touch()
        raise ValueError("broken")
    assert (folder / CHECKPOINT).exists()
    assert not run(box, key="other")


def test_folder_goes_once_a_job_has_the_record_as_its_input(box):
    folder, outputs = box
    run(box)
    other = (folder.with_name("vae-conv-u0.2-l0.2-s0"), [outputs[0].with_name("vae-conv-u0.2-l0.2-s0.json")])
    run(other)
    checkpoints = folder.parents[1]
    forget([outputs[0], outputs[0].parents[2] / "splits/digits-s0.parquet"], checkpoints)
    assert not folder.exists()
    assert other[0].exists()
    forget(other[1], checkpoints)
    assert not checkpoints.exists()
    assert contents(outputs) == ["result .json", "result .npy"]


def test_checkpoints_lie_beside_results_unless_a_person_says_where(monkeypatch):
    record = "anywhere/records/pretrain/random-conv-u0-s0.json"
    assert checkpoints_of(checked(study="mine")) == Path("results/mine/checkpoints")
    monkeypatch.setenv("SSLFAST_CHECKPOINTS", "/volume")
    assert checkpoints_of(checked(study="mine")) == Path("/volume/mine")
    found = attempt_folder(checkpoints_of(checked(study="mine", checkpoints="/other")), record)
    assert found == Path("/other/mine/pretrain/random-conv-u0-s0")


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("end", ["well", "killed", "of another key"])
def test_second_attempt_waits_for_the_first_and_takes_what_it_made(box, end):
    folder, outputs = box
    busy, go_on = get_context("fork").Event(), get_context("fork").Event()

    def first():
        with attempt(folder, outputs, "other" if end == "of another key" else "key"):
            busy.set()
            go_on.wait(30)
            work(outputs, "first")

    process = in_a_process(first)
    busy.wait(30)
    said = []

    def say(line):
        said.append(line)
        os.kill(process.pid, signal.SIGKILL) if end == "killed" else go_on.set()

    assert run(box, content="second", say=say) == (end == "well")
    process.join()
    (line,) = said
    assert line.startswith(f"waits for process {process.pid} on ")
    assert contents(outputs)[0] == ("first .json" if end == "well" else "second .json")


def test_never_two_at_once(box):
    """Eight processes, each several times: whoever finds the mark of another has found a hole in the lock."""
    folder, outputs = box
    mark = folder.parent / "mark"
    folder.mkdir(parents=True)

    def contend():
        for n in range(5):
            with attempt(folder, outputs, f"{os.getpid()} {n}", lambda line: None):
                mark.touch(exist_ok=False)
                work(outputs)
                mark.unlink()

    processes = [in_a_process(contend) for _ in range(8)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8


MOMENTS = {
    "before the results are kept": ("sslfast.runtime.attempts._keep", False),
    "while they are": ("sslfast.runtime.attempts.sum_of", False),
    "when they are, but for the name": ("os.replace", False),
    "before the checkpoint goes": ("pathlib.Path.unlink", True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_the_end_it_either_has_the_results_or_begins_again(box, moment, monkeypatch):
    name, taken = MOMENTS[moment]
    with monkeypatch.context() as patch:
        patch.setattr(name, kill_this_process)
        assert killed(lambda: run(box))
    for output in box[1]:
        output.unlink(missing_ok=True)  # as Snakemake does
    assert run(box, content="again") == taken
    assert contents(box[1])[0] == ("result .json" if taken else "again .json")
    assert sorted(path.name for path in box[0].iterdir()) == ["ended", "lock"]


def test_digest_follows_params_and_the_content_of_files(tmp_path):
    (tmp_path / "a").write_text("a")
    digest = digest_of(["classify", {"lr": 1}], [tmp_path / "a"])
    assert digest_of(["classify", {"lr": 1}], [tmp_path / "a"]) == digest
    assert digest_of(["classify", {"lr": 2}], [tmp_path / "a"]) != digest
    (tmp_path / "a").write_text("b")
    assert digest_of(["classify", {"lr": 1}], [str(tmp_path / "a")]) != digest


def test_lock_says_who_has_it(box):
    folder, outputs = box
    with attempt(folder, outputs, "key"):
        assert Path(folder / "lock").read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_of_and_keeps_nobody_waiting(box, monkeypatch, number):
    """As a cluster's may be: what a killed job left is not waited for, and two attempts make the same results."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    folder, outputs = box
    folder.mkdir(parents=True)
    (folder / "lock").write_text("process 1 on a node that is gone")
    monkeypatch.setattr(fcntl, "flock", refuse)
    said = []
    with attempt(folder, outputs, "key", said.append) as ended:
        assert not ended
        assert not run(box)
        work(outputs)
    assert "no locks on this file system" in said[0]
    assert contents(outputs) == ["result .json", "result .npy"]
    assert run(box)


def test_an_error_of_the_lock_that_is_no_lack_of_locks_ends_the_attempt(box, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        run(box)
    assert not any(output.exists() for output in box[1])
