"""`--config folder=…` and nothing else: a study of these images, under their folder's name."""

import json

import pandas as pd
import pytest
from studies import Workflow

FAST = [
    *("seeds=1", "unlabelled=[1]", "labelled=[1]", "image_size=8", "channels=1", "batch_size=8", "budget=epochs"),
    *("pretrain={epochs: 1}", "classify={epochs: 1}", "device=cpu"),
]


@pytest.fixture(scope="module")
def study(once, image_folder_of_digits) -> Workflow:
    """A real run of it, as short as can be."""

    def run(folder):
        images = image_folder_of_digits(folder / "Holiday in Köln")
        done = Workflow(folder).run("--cores", "2", "--config", f"folder={images}", *FAST)
        assert done.returncode == 0, done.stderr

    return Workflow.at(once("folder-alone", run)[0])


@pytest.fixture(scope="module")
def image_folder_of_digits(digit_images):
    from PIL import Image

    def build(root):
        for name in ("three", "eight"):
            (root / name).mkdir(parents=True)
            for i, pixels in enumerate(digit_images(name)[:12]):
                Image.fromarray(pixels).save(root / name / f"{i}.png")
        return root

    return build


def test_it_is_called_after_the_folder_and_leaves_the_digits_alone(study):
    assert {path.name for path in (study.folder / "results").iterdir()} == {"Holiday-in-Koln"}
    assert (study.folder / "reports/Holiday-in-Koln/report.html").read_text(encoding="utf-8").count("Holiday in Köln")
    cells = pd.read_csv(study.folder / "results/Holiday-in-Koln/tables/cells.csv")
    assert set(cells.dataset) == {"folder"} and len(cells) == 2


def test_images_are_mirrored_and_never_turned_upside_down(study):
    records = list((study.folder / "results/Holiday-in-Koln/records").rglob("*.json"))
    assert records
    for path in records:
        augment = json.loads(path.read_text(encoding="utf-8"))["settings"]["augment"]
        assert (augment["flip_horizontal"], augment["flip_vertical"]) == (0.5, 0)
