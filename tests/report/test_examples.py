"""The images that a report shows: which cells they are of, and that a file of them holds what was put in."""

import numpy as np
import pandas as pd
import pytest
from builders import LOST, cells_of, examples_of, grid, pretrain_record, realistic, run_record

from sslfast.errors import RecordError
from sslfast.evaluation import embed_2d
from sslfast.stages.examples import best_and_worst, gather
from sslfast.study.arrays import write_arrays
from sslfast.study.examples import read_examples, write_examples
from sslfast.study.records import FEATURES, write_record


@pytest.fixture
def pixels(digits):
    return digits.test.pixels()[:16]


def test_best_and_worst_are_single_runs_over_a_frozen_encoder():
    cells = cells_of(lambda **run: 0.99 if run["method"] == "supervised" else realistic(**run))
    chosen = best_and_worst(cells)
    assert chosen.index.tolist() == ["best", "worst"]
    frozen = cells[cells.method != "supervised"].test_macro_f1
    assert chosen.test_macro_f1.tolist() == [frozen.max(), frozen.min()]


def test_runs_without_a_result_are_never_the_worst():
    def score(**run):
        return LOST if run["u"] == 0 else realistic(**run)

    cells = cells_of(score)
    assert best_and_worst(cells).status.tolist() == ["ok", "ok"]
    assert best_and_worst(cells[cells.status != "ok"]).empty


def test_gathered_examples_are_those_of_the_records(pixels, tmp_path):
    encoder, cell = pretrain_record(), run_record(accuracy=0.8)
    write_record(encoder, tmp_path / "encoder.json")
    write_record(cell, tmp_path / "cell.json")
    features = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float16)
    arrays = {"samples": pixels[4:6], "reconstructions": pixels[:4] // 2, FEATURES: features}
    write_arrays(arrays, tmp_path / "some.npz")
    write_arrays({}, tmp_path / "none.npz")
    pictures = [(tmp_path / "encoder.json", tmp_path / f"{name}.npz") for name in ("some", "none")]
    classes = np.arange(20) % 2
    examples = gather(pixels[:4], pictures, {"best": tmp_path / "cell.json"}, pixels, ["cat", "dog"], classes)
    (rebuilt,), (invented,), best = examples.rebuilt, examples.invented, examples.outcomes["best"]
    (embedding,) = examples.embeddings
    assert np.array_equal(embedding.points, embed_2d(features, encoder.spec.seed))
    assert np.array_equal(embedding.classes, classes)
    assert (invented.kind, invented.spec) == ("samples", encoder.spec)
    assert np.array_equal(invented.images, pixels[4:6])
    assert rebuilt.spec == encoder.spec
    assert np.array_equal(rebuilt.images, pixels[:4] // 2)
    assert best.confusion == cell.test["confusion"]
    assert [m["image"] for m in best.mistakes] == [3]
    assert np.array_equal(best.images, pixels[[3]])


def same(a, b) -> bool:
    return (
        a.classes == b.classes
        and np.array_equal(a.originals, b.originals)
        and all(np.array_equal(vars(a.seen)[name], vars(b.seen)[name]) for name in vars(a.seen))
        and [(p.spec, p.kind) for p in a.pictures] == [(p.spec, p.kind) for p in b.pictures]
        and all(np.array_equal(x.images, y.images) for x, y in zip(a.pictures, b.pictures, strict=True))
        and [e.spec for e in a.embeddings] == [e.spec for e in b.embeddings]
        and all(np.array_equal(x.points, y.points) for x, y in zip(a.embeddings, b.embeddings, strict=True))
        and all(np.array_equal(x.classes, y.classes) for x, y in zip(a.embeddings, b.embeddings, strict=True))
        and all(np.array_equal(a.outcomes[n].images, b.outcomes[n].images) for n in a.outcomes)
        and [(n, o.spec, o.macro_f1, o.confusion, o.mistakes) for n, o in a.outcomes.items()]
        == [(n, o.spec, o.macro_f1, o.confusion, o.mistakes) for n, o in b.outcomes.items()]
    )


@pytest.mark.parametrize("records", [grid(realistic), grid(lambda **_: LOST), []], ids=["a grid", "lost", "nothing"])
def test_what_is_read_is_what_was_written(pixels, tmp_path, records):
    examples = examples_of(records, pixels, classes=("<b>", "Süß"))
    write_examples(examples, tmp_path / "examples.npz")
    assert same(read_examples(tmp_path / "examples.npz"), examples)


@pytest.mark.parametrize("damage", ["half of it", "another file", "a pickle", "nothing"])
def test_a_damaged_file_is_one_line(pixels, tmp_path, damage):
    path = tmp_path / "examples.npz"
    write_examples(examples_of(grid(realistic), pixels), path)
    whole = path.read_bytes()
    if damage == "half of it":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "another file":
        path.write_text("cells")
    elif damage == "a pickle":
        pd.Series([1, 2]).to_pickle(path)
    else:
        path.unlink()
    with pytest.raises(RecordError, match=r"examples.npz: not readable as arrays .*; delete it") as error:
        read_examples(path)
    assert "\n" not in str(error.value)
