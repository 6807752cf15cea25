"""A study whose files are all in a bucket (`profiles/s3`), against an S3 server of this machine."""

import shutil
import signal

import pytest
import yaml
from buckets import PLACE, S3, InBucket
from hostile import is_one_line
from killed import STUDY, results, wait_for
from studies import error_line

from sslfast.cluster.bucket import MARKER, check_bucket
from sslfast.errors import DataError

BASELINE = "results/tiny/records/supervised/conv-l0.3-s0"
PATIENCE = 600  # seconds, on a machine that is busy with other things


@pytest.fixture
def s3():
    server = S3()
    yield server
    server.stop()


def study_in(folder, s3) -> InBucket:
    study = InBucket(folder, s3)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(STUDY))
    return study


def test_a_killed_study_in_a_bucket_goes_on_and_ends_as_one_on_a_disk(s3, tmp_path, unbroken):
    study = study_in(tmp_path / "bucket", s3)
    snakemake = study.start()
    log = study.logs / "pretrain/autoencoder-conv-u0.2-s0.log"
    wait_for(lambda: log.exists() and "epoch 3 of" in log.read_text(), PATIENCE)
    (trainer,) = (job for job in study.jobs() if ".pretrain.py" in job.info["cmdline"][1])
    trainer.send_signal(signal.SIGKILL)
    assert snakemake.wait() != 0
    assert (study.checkpoints / "tiny/pretrain/autoencoder-conv-u0.2-s0/checkpoint.safetensors").exists()
    again = study.run()
    assert again.returncode == 0, again.stderr

    there = s3.fetch(tmp_path / "fetched")
    text = (there / log.relative_to(study.logs.parents[2])).read_text()
    assert "goes on after epoch" in text
    assert {"report.html", "summary.md"} <= {path.name for path in (there / "reports/tiny").iterdir()}
    assert (there / "results/tiny/tables/cells.parquet").exists()
    assert not (study.folder / "results").exists() and not study.checkpoints.joinpath("tiny").exists()

    assert results(there) == unbroken

    assert "Nothing to be done" in study.run().stderr
    shutil.rmtree(study.folder / ".snakemake")
    assert "Nothing to be done" in study.run().stderr


def test_a_bucket_that_takes_no_more_loses_no_result(s3, tmp_path):
    study = study_in(tmp_path, s3)
    snakemake = study.start(f"{BASELINE}.json")
    log = study.logs / "supervised/conv-l0.3-s0.log"
    wait_for(lambda: log.exists() and "epoch 1 of" in log.read_text(), PATIENCE)
    with s3.without_rights():
        assert snakemake.wait() != 0
        output = (tmp_path / "output.txt").read_text()
        assert f"Failed to store output in storage {PLACE}/{BASELINE}.json" in output
        assert "Forbidden" in output or "AccessDenied" in output, output
        line = error_line(study.run())
        assert line.startswith(f"error: {PLACE}: this bucket cannot be used (") and is_one_line(line)
    assert f"{BASELINE}.json" not in s3.names()
    again = study.run(f"{BASELINE}.json")
    assert again.returncode == 0, again.stderr
    text = (s3.fetch(tmp_path / "fetched") / "results/tiny/logs/supervised/conv-l0.3-s0.log").read_text()
    last = text.rsplit(", process ", 1)[1]  # of what the attempts wrote
    assert "an earlier attempt ended well" in last and "epoch 1 of" not in last


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            "s3://no-such-bucket/x",
            "s3://no-such-bucket/x: this bucket cannot be used (An error",
        ),
        ("studies/of-tests", "default-storage-prefix: found 'studies/of-tests', expected s3://<bucket>/<prefix>"),
        ("", "default-storage-prefix: found '', expected s3://<bucket>/<prefix>"),
    ],
)
def test_a_place_that_is_none_is_one_line(s3, place, words):
    with pytest.raises(DataError) as refused:
        check_bucket(s3.service(), place)
    assert str(refused.value).startswith(words) and is_one_line(str(refused.value))


def test_a_server_that_does_not_answer_is_one_line(s3):
    service = s3.service()
    s3.stop()
    with pytest.raises(DataError, match=r"this bucket cannot be used .Could not connect to the endpoint URL"):
        check_bucket(service, PLACE)


def test_an_object_that_stays_keeps_the_bucket_and_a_dry_run_leaves_none(s3):
    check_bucket(s3.service(), PLACE, write=False)
    assert s3.names() == []
    check_bucket(s3.service(), f"{PLACE}/")
    assert s3.names() == [MARKER]
