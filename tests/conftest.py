"""Shared fixtures: real images (scikit-learn's handwritten digits), as a data set and as files in folders."""

import os

# Images are so small here that a second thread only costs time: a lot of it on a busy machine, where each waits for
# the other. Libraries read this once, as they are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from builders import DIGIT_NAMES
from hypothesis import HealthCheck, settings
from PIL import Image
from sklearn.datasets import load_digits

matplotlib.use("Agg")
os.environ["MPLBACKEND"] = "Agg"  # for processes that tests start

# the same examples every time, so that a failure is seen by everybody who runs the tests
settings.register_profile(
    "sslfast",
    deadline=None,
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("sslfast")


def pytest_configure(config) -> None:
    config.option.loadscopereorder = False  # pytest-xdist would begin the files of the fewest tests, the longest, last


def pytest_collection_modifyitems(items) -> None:
    """What runs whole studies begins first, so that all processes (`-n`) end at about the same time."""
    items.sort(key=lambda item: item.path.parent.name not in ("slurm", "workflow"))


@pytest.fixture(scope="session", autouse=True)
def own_data_root(tmp_path_factory) -> Iterator[Path]:
    """Data sets that tests load by name go to a folder of this session, never to the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("data-root")
        patch.setenv("SSLFAST_DATA", str(root))
        yield root


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Files are not forced to the disk: no power fails here, and thousands of small files would wait for that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def draw_only(monkeypatch) -> Callable[..., None]:
    """`draw_only("confusion")`: of a report's figures, which take most of its time, these and no others are drawn."""
    from sslfast.report import page
    from sslfast.report.figures import all_figures

    def draw(*names: str) -> None:
        chosen = {name: figure for name, figure in all_figures().items() if name in names}
        monkeypatch.setattr(page, "all_figures", lambda: chosen)

    return draw


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Figures that a test drew are closed after it."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="session")
def digits(own_data_root):
    """scikit-learn's digits as an `ImageData`: 8 × 8, grey, ten classes. Shared: never write to it."""
    from sslfast import load_dataset

    return load_dataset("digits", data_root=own_data_root)


@pytest.fixture(scope="session")
def digit_images() -> Callable[[str], np.ndarray]:
    """`digit_images("seven")`: all images of that digit, uint8 `[N, 8, 8]`, in scikit-learn's order."""
    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return lambda name: pixels[data.target == DIGIT_NAMES.index(name)]


@pytest.fixture
def image_folder(tmp_path, digit_images) -> Callable[..., Path]:
    """Builds a folder of digits as image files and returns its path.

    `image_folder(root, classes=…, train=6, test=3, unlabelled=4, tree=False, suffix=".png")`: so many
    images a class in `train/<class>/` and `test/<class>/` (no such folder where the number is 0), and
    so many in `unlabelled/`; `train` and `test` may be dicts of numbers by class. With `tree`, the
    class folders stand at the top. No image occurs twice.
    """

    def build(
        root: str | Path | None = None,
        *,
        classes: tuple[str, ...] = ("zero", "one", "two"),
        train: int | dict[str, int] = 6,
        test: int | dict[str, int] = 3,
        unlabelled: int = 4,
        tree: bool = False,
        suffix: str = ".png",
    ) -> Path:
        root = Path(root) if root else tmp_path / "images"
        options = {"lossless": True} if suffix == ".webp" else {}
        fresh = {name: iter(digit_images(name)) for name in DIGIT_NAMES}

        def write(folder: Path, name: str, n: int) -> None:
            for i in range(n):
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(next(fresh[name])).save(folder / f"{name}-{i:03}{suffix}", **options)

        def numbers(n: int | dict[str, int]) -> dict[str, int]:
            return n if isinstance(n, dict) else dict.fromkeys(classes, n)

        for name, n in numbers(train).items():
            write((root if tree else root / "train") / name, name, n)
        for name, n in numbers(0 if tree else test).items():
            write(root / "test" / name, name, n)
        for i in range(unlabelled):
            name = classes[i % len(classes)]
            folder = root / "unlabelled"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(next(fresh[name])).save(folder / f"{i:03}{suffix}", **options)
        return root

    return build
