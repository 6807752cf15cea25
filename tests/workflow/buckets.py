"""An S3 server of this machine (moto), and a study whose files are all in a bucket of it."""

import logging
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from killed import Killed

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line a request

PLACE = "s3://studies/of-tests"


class S3:
    """The server, and what tests do to it. One at a time in a process: they share what they hold."""

    def __init__(self):
        self._server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        self.url = "http://{}:{}".format(*self._server.get_host_and_port())
        self._post("reset")  # what another server of this process was told, it knows, too
        self.client("s3").create_bucket(Bucket="studies")
        iam = self.client("iam")
        iam.create_user(UserName="student")
        self._key = iam.create_access_key(UserName="student")["AccessKey"]

    def client(self, service: str, **key):
        key = key or {"aws_access_key_id": "admin", "aws_secret_access_key": "admin"}
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", **key)

    def service(self):
        """As Snakemake's plugin has it, with the key that studies have."""
        return boto3.resource(
            "s3", endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id=self._key["AccessKeyId"], aws_secret_access_key=self._key["SecretAccessKey"],
            config=boto3.session.Config(retries={"max_attempts": 1}),
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self._key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._key["SecretAccessKey"],
        }

    @contextmanager
    def without_rights(self) -> Iterator[None]:
        """Nobody has a right to anything: the server begins to look at keys, and no policy allows one."""
        self._look_at_keys(after="0")
        try:
            yield
        finally:
            self._look_at_keys(after="inf")

    def _look_at_keys(self, after: str) -> None:
        self._post("reset-auth", after)

    def _post(self, name: str, what: str = "") -> None:
        plain = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.url}/moto-api/{name}", what.encode(), plain)
        urllib.request.urlopen(request).close()

    def names(self, prefix: str = "") -> list[str]:
        """The objects below `prefix` of the studies' place."""
        pages = (
            self.client("s3").get_paginator("list_objects_v2").paginate(Bucket="studies", Prefix=f"of-tests/{prefix}")
        )
        return [found["Key"].removeprefix("of-tests/") for page in pages for found in page.get("Contents", [])]

    def fetch(self, folder: Path) -> Path:
        """All of them, as files below `folder`."""
        for name in self.names():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self.client("s3").download_file("studies", f"of-tests/{name}", str(path))
        return folder

    def stop(self) -> None:
        if self._server:
            self._server.stop()
            self._server = None


class InBucket(Killed):
    """The study of `killed.STUDY`, its files in the bucket and its checkpoints in a folder of their own."""

    flags = ("--profile", "profiles/s3", "--default-storage-prefix", PLACE)

    def __init__(self, folder: Path, s3: S3):
        super().__init__(folder)
        self.checkpoints = folder / "checkpoints"
        self.environment = {**s3.environment, "SSLFAST_CHECKPOINTS": str(self.checkpoints)}
        self.logs = folder / ".snakemake/storage/s3/studies/of-tests/results/tiny/logs"  # while jobs are at work

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return super().run(*arguments, *self.flags, **{**self.environment, **environment})

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [Path(sys.executable).parent / "snakemake", *arguments, *self.flags]
        with open(self.folder / "output.txt", "w") as file:
            env = {**os.environ, **self.environment}
            return subprocess.Popen(command, cwd=self.folder, env=env, stdout=file, stderr=file)
