"""Downloads are checked by sum: a wrong or half file is named, never read, and fetched again the next time."""

import gzip
import hashlib
import importlib
import io
import pickle
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import Trap, is_one_line, trap

from sslfast import load_dataset
from sslfast.errors import DataError

tv = importlib.import_module("torchvision.datasets")  # after sslfast, which makes it work beside a CPU build of torch


class Mirror(ThreadingHTTPServer):
    """A mirror of data sets on this machine; `files` by name, of which those in `cut` end in the middle."""

    def __init__(self):
        self.files, self.cut, self.asked = {}, set(), []

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.lstrip("/")
                whole = self.server.files.get(name)
                self.server.asked.append(name)
                self.send_response(200 if whole is not None else 404)
                self.send_header("Content-Length", str(len(whole or b"")))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write((whole or b"")[: len(whole or b"") // 2 if name in self.server.cut else None])

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def mirror(monkeypatch) -> Iterator[Mirror]:
    for scheme in ("http", "https", "all"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)
    server = Mirror()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.fixture
def mnist(mirror, monkeypatch, digit_images) -> Mirror:
    """A mirror that offers MNIST: 30 digits, 28 × 28."""
    names = ("zero", "one", "two")
    x = np.concatenate([np.kron(digit_images(name)[:10], np.ones((1, 3, 3), dtype=np.uint8)) for name in names])
    images, labels = np.pad(x, ((0, 0), (2, 2), (2, 2))), np.repeat(np.arange(3, dtype=np.uint8), 10)
    for part in ("train", "t10k"):
        mirror.files |= {f"{part}-images-idx3-ubyte.gz": idx(images), f"{part}-labels-idx1-ubyte.gz": idx(labels)}
    sums = [(name, hashlib.md5(mirror.files[name]).hexdigest()) for name, _ in tv.MNIST.resources]
    monkeypatch.setattr(tv.MNIST, "resources", sums)
    monkeypatch.setattr(tv.MNIST, "mirrors", [mirror.url])
    return mirror


@pytest.fixture
def cifar(mirror, monkeypatch) -> Mirror:
    """A mirror that offers CIFAR-10: 60 grey squares in the files that its authors' archive holds."""
    held, sums = io.BytesIO(), {}
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]:
            batch = {"data": np.full((10, 3072), 9, dtype=np.uint8), "labels": list(range(10))}
            content = pickle.dumps({"label_names": list("abcdefghij")} if name == "batches.meta" else batch)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size, sums[name] = len(content), hashlib.md5(content).hexdigest()
            archive.addfile(entry, io.BytesIO(content))
    mirror.files["cifar-10-python.tar.gz"] = held.getvalue()
    monkeypatch.setattr(tv.CIFAR10, "url", f"{mirror.url}cifar-10-python.tar.gz")
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", hashlib.md5(held.getvalue()).hexdigest())
    monkeypatch.setattr(tv.CIFAR10, "train_list", [[f"data_batch_{n}", sums[f"data_batch_{n}"]] for n in range(1, 6)])
    monkeypatch.setattr(tv.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(tv.CIFAR10, "meta", {**tv.CIFAR10.meta, "md5": sums["batches.meta"]})
    return mirror


SETS = {"mnist": ("train-images-idx3-ubyte.gz", "MNIST/raw"), "cifar10": ("cifar-10-python.tar.gz", "")}


@pytest.fixture(params=SETS)
def dataset(request) -> str:
    request.getfixturevalue({"mnist": "mnist", "cifar10": "cifar"}[request.param])
    return request.param


def refusal(dataset: str, root: Path) -> str:
    with pytest.raises(DataError, match=rf"^dataset: .*{dataset}") as caught:
        load_dataset(dataset, data_root=root)
    assert is_one_line(caught.value)
    assert not [path for path in (root / "cache").iterdir() if path.is_dir()], "a part is left"
    return str(caught.value)


@pytest.mark.parametrize("accident", ["another file", "cut", "gone", "empty"])
def test_a_wrong_or_half_download_is_named_and_fetched_again(dataset, mirror, tmp_path, accident):
    name, folder = SETS[dataset]
    whole = mirror.files[name]
    if accident == "cut":
        mirror.cut = {name}
    elif accident == "gone":
        del mirror.files[name]
    else:
        mirror.files[name] = {"another file": gzip.compress(b"another file"), "empty": b""}[accident]
    assert "could not be downloaded" in refusal(dataset, tmp_path)
    mirror.files[name], mirror.cut = whole, set()
    data = load_dataset(dataset, data_root=tmp_path)
    assert len(data.test) in (10, 30)
    assert mirror.asked.count(name) >= 2
    assert hashlib.md5((tmp_path / folder / name).read_bytes()).digest() == hashlib.md5(whole).digest()


def test_an_archive_of_which_half_came_before_is_fetched_again(dataset, mirror, tmp_path):
    """A download that was killed leaves half a file under the name of the whole."""
    name, folder = SETS[dataset]
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / name).write_bytes(mirror.files[name][:100])
    assert len(load_dataset(dataset, data_root=tmp_path).test) in (10, 30)


def test_a_file_that_was_half_unpacked_is_named_with_what_to_delete(mnist, tmp_path):
    load_dataset("mnist", data_root=tmp_path / "whole")
    shutil.copytree(tmp_path / "whole/MNIST", tmp_path / "half/MNIST")
    path = tmp_path / "half/MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:5000])
    message = refusal("mnist", tmp_path / "half")
    assert "damaged" in message
    assert f"delete {path.parent} and try again" in message
    shutil.rmtree(path.parent)
    assert len(load_dataset("mnist", data_root=tmp_path / "half").test) == 30


def test_a_pickle_with_another_sum_is_never_opened(cifar, tmp_path):
    """CIFAR-10's own files are pickles: only those are read whose sum is the one that torchvision knows."""
    load_dataset("cifar10", data_root=tmp_path / "one")
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        root = tmp_path / name
        shutil.copytree(tmp_path / "one/cifar-10-batches-py", root / "cifar-10-batches-py")
        (root / "cifar-10-batches-py" / name).write_bytes(trap(tmp_path / "sprung"))
        (root / "cifar-10-python.tar.gz").write_bytes(trap(tmp_path / "sprung"))
        cifar.files.pop("cifar-10-python.tar.gz", None)
        refusal("cifar10", root)
        assert not (tmp_path / "sprung").exists()


def test_a_pickle_where_old_torchvision_kept_mnist_is_never_run(mnist, tmp_path):
    (tmp_path / "MNIST/processed").mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save(Trap(tmp_path / "sprung"), tmp_path / "MNIST/processed" / name)
    assert "mnist" in refusal("mnist", tmp_path)
    assert not (tmp_path / "sprung").exists()
