"""Files that sslfast wrote, after an accident or by somebody else: read whole, or one line that names the file."""

import contextlib
import csv
import io
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from builders import grid, pretrain_record, realistic, results_table, run_record, tables
from hostile import NAMES, damaged, is_one_line, trap, try_all, trying
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sslfast import load_dataset, make_split
from sslfast.analysis.__main__ import main
from sslfast.analysis.image_summary import read_summary
from sslfast.analysis.results import analyse
from sslfast.analysis.tables import collect
from sslfast.data.splits import read_split, write_split
from sslfast.errors import DataError, RecordError, ResultsError
from sslfast.models import create_encoder, load_encoder, save_encoder
from sslfast.report.trust import facts
from sslfast.study.records import read_record, write_record

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from([10**400, 2**63, 1e308, "\ud800", "", "0.1", *NAMES])
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


@st.composite
def changed(draw, content):
    """`content` (as JSON) with one to three values, somewhere in it, lost, added or replaced."""
    content = json.loads(json.dumps(content))
    for _ in range(draw(st.integers(1, 3))):
        here = content
        while True:
            keys = sorted(here) if isinstance(here, dict) else range(len(here))
            if not len(keys):
                break
            key = draw(st.sampled_from(keys))
            if isinstance(here[key], dict | list) and here[key] and draw(st.integers(0, 3)):
                here = here[key]
                continue
            if draw(st.booleans()):
                here[key] = draw(ANYTHING)
            elif isinstance(here, list) or draw(st.booleans()):
                del here[key]
            else:
                here[draw(st.text(max_size=4))] = draw(ANYTHING)
            break
    return content


def as_file(content, whole: bytes | None = None) -> st.SearchStrategy[bytes]:
    """The JSON file of `content` (or `whole`) with another content, or with other bytes, or another file."""
    whole = json.dumps(content).encode() if whole is None else whole
    other = st.sampled_from([b"", b"{}", b"[]", b"null", b"\0" * 500, b"[" * 100_000, b'{"a":' * 50_000, b"1" * 9999])
    return changed(content).map(lambda c: json.dumps(c).encode()) | damaged(whole) | other | st.binary(max_size=30)


def checked_or_not(whole: bytes) -> st.SearchStrategy[bytes]:
    """`whole`, or the same without its checksum, which stops nearly every accident before anything else is read."""
    return st.sampled_from(
        [whole, re.sub(rb"<sslfast sha256 [0-9a-f]{64} sslfast>", lambda m: b"-" * len(m[0]), whole)]
    )


RECORDS = st.sampled_from([run_record(), run_record("supervised"), run_record(problem="lost"), pretrain_record()])


@trying(60, 5_000)
def test_any_record_is_read_or_one_line_and_what_is_read_makes_tables(n, tmp_path):
    path, good = tmp_path / "bad.json", tmp_path / "good.json"
    write_record(run_record(seed=1), good)

    def holds(content: bytes) -> str:
        path.write_bytes(content)
        try:
            record = read_record(path)
        except RecordError as error:
            assert is_one_line(error) and "bad.json" in str(error)
            return "one line"
        if record.stage != "pretrain":
            try:
                analyse(collect([path, good])[0])
            except ResultsError as error:
                assert is_one_line(error)
                return "one line of the analysis"
        return "read"

    try_all(n, holds, RECORDS.flatmap(lambda record: as_file(asdict(record))))


@trying(60, 5_000)
def test_any_split_is_read_or_one_line_and_what_is_read_can_be_used(n, tmp_path, digits):
    path = tmp_path / "split.parquet"
    split = make_split(digits, 0)
    write_split(split, path)
    whole = path.read_bytes()
    about = {name: getattr(split, name) for name in ("dataset", "fingerprint", "seed", "classes", "mean", "std")}
    place = whole.index(b'{"dataset"')

    def holds(content: bytes) -> str:
        path.write_bytes(content)
        try:
            found = read_split(path, digits)
        except RecordError as error:
            assert is_one_line(error) and "split.parquet" in str(error)
            return "one line"
        rows = [*found.valid, *found.labelled(1)]
        assert sorted(rows) == list(range(len(digits.train)))
        assert len(found.unlabelled(1)) == len(found.labelled(1))
        return "read"

    end = place + len(json.dumps(about))
    head = lambda file: damaged(file[place:end]).map(lambda part: file[:place] + part + file[end:])  # noqa: E731
    try_all(n, holds, checked_or_not(whole).flatmap(lambda file: damaged(file) | head(file)) | st.binary(max_size=40))


@trying(60, 5_000)
def test_any_encoder_is_read_or_one_line(n, tmp_path):
    path, whole_path = tmp_path / "bad.safetensors", tmp_path / "whole.safetensors"
    save_encoder(create_encoder("original", 1, 8), whole_path, method="random", u="0", seed=0)
    weights, whole = load_file(whole_path), whole_path.read_bytes()
    spec = {"format": "sslfast-encoder-1", "encoder": "original", "channels": 1, "image_size": 8}

    def with_header(header: dict) -> bytes:
        save_file(weights, path, metadata={"sslfast": json.dumps(header)})
        return path.read_bytes()

    def holds(content: bytes) -> str:
        path.write_bytes(content)
        try:
            encoder = load_encoder(path)
        except RecordError as error:
            assert is_one_line(error) and "bad.safetensors" in str(error)
            return "one line"
        with torch.no_grad():
            assert encoder(torch.zeros(1, 1, 8, 8)).shape == (1, *encoder.out_shape)
        return "read"

    header = lambda file: damaged(file[:800]).map(lambda part: part + file[800:])  # noqa: E731
    damage = checked_or_not(whole).flatmap(lambda file: damaged(file) | header(file))
    try_all(n, holds, damage | changed(spec).map(with_header) | st.binary(max_size=40))


@trying(60, 5_000)
def test_any_store_of_images_is_read_or_one_line(n, tmp_path):
    load = lambda: load_dataset("digits", data_root=tmp_path)  # noqa: E731
    load()
    (store,) = (path for path in tmp_path.glob("cache/*") if path.is_dir())
    parts = {path.name: path.read_bytes() for path in store.iterdir()}

    def holds(name: str, content: bytes) -> str:
        (store / name).write_bytes(content)
        try:
            data = load()
            make_split(data, 0)
            return "read"
        except DataError as error:
            assert is_one_line(error)
            return "one line"
        finally:
            (store / name).write_bytes(parts[name])

    def accident(name: str) -> st.SearchStrategy:
        head = lambda file: damaged(file[:140]).map(lambda part: part + file[140:])  # noqa: E731
        damage = lambda file: (damaged(file) | head(file)) if len(file) < 20_000 else head(file)  # noqa: E731
        return st.tuples(st.just(name), checked_or_not(parts[name]).flatmap(damage) | st.binary(max_size=40))

    try_all(n, lambda both: holds(*both), st.sampled_from(sorted(parts)).flatmap(accident))


@trying(40, 3_000)
def test_any_note_on_images_makes_a_table_of_trust_or_one_line(n, tmp_path, digits):
    results, path = analyse(*tables(grid(realistic, us=["0", "1"], ls=["0.5"]))), tmp_path / "images.json"

    def holds(content: bytes) -> str:
        path.write_bytes(content)
        try:
            found = facts(results, "Digits", read_summary(path))
        except ResultsError as error:
            assert is_one_line(error) and "images.json" in str(error)
            return "one line"
        assert all(isinstance(text, str) for text in found.values())
        return "read"

    try_all(n, holds, as_file({**digits.summary(), "notes": {"images_skipped": 2, "skipped": ["a.png"]}}))


# ── tables from elsewhere, through the command line ─────────────────────────────────────────────

ODD_CELLS = [
    *NAMES, "", " ", "NA", "inf", "-inf", "-1", "1e308", "1e-320", "9" * 400, "0", "1", "2", "-0.0", "0.5", "0,5",
    "True", "ok", "diverged", "supervised", "random", "autoencoder", "2026-01-01", "1e5", "0x10", "½", "٣",
]  # fmt: skip


def as_rows(table: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.to_csv(index=False))))


@st.composite
def mangled(draw, rows: list[list[str]]) -> bytes:
    """A table with other cells, headers, rows or columns; now and then other bytes or another way to write it."""
    rows = [list(row) for row in rows]
    for _ in range(draw(st.integers(1, 3))):
        i, j = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(rows[0]) - 1))
        match draw(
            st.sampled_from(["cell", "cell", "column", "header", "drop row", "drop column", "row twice", "cut"])
        ):
            case "cell":
                rows[i][j : j + 1] = [draw(st.sampled_from(ODD_CELLS))]
            case "column":
                value = draw(st.sampled_from(ODD_CELLS))
                rows[1:] = [[*row[:j], value, *row[j + 1 :]] for row in rows[1:]]
            case "header":
                rows[0][j : j + 1] = [draw(st.sampled_from([*ODD_CELLS, *rows[0]]))]
            case "drop row" if len(rows) > 1:
                del rows[i]
            case "drop column" if len(rows[0]) > 1:
                rows = [row[:j] + row[j + 1 :] for row in rows]
            case "row twice":
                rows.append(rows[i])
            case "cut":
                rows = rows[: max(1, i)]
    text = io.StringIO()
    csv.writer(text, delimiter=draw(st.sampled_from(",,,,,,,;\t"))).writerows(rows)
    encoding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-16", "utf-8-sig"]))
    whole = text.getvalue().encode(encoding, "surrogatepass")
    return draw(st.just(whole) | st.just(whole) | st.just(whole) | damaged(whole))


def conclusions_or_one_line(folder: Path, *arguments: str) -> str:
    out, said, failed = folder / "out", io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(failed):
        code = main([*arguments, "--out", str(out)])
    if code:
        assert failed.getvalue().startswith("error: ") and is_one_line(failed.getvalue().removesuffix("\n"))
        assert not out.exists(), "a partial result"
        return "one line"
    assert (out / "summary.md").exists()
    for path in out.iterdir():
        path.unlink()
    out.rmdir()
    return "conclusions"


@trying(15, 3_000)
def test_any_table_of_results_makes_conclusions_or_one_line(n, tmp_path):
    rows = as_rows(results_table(realistic, us=(0, 0.1, 1), ls=(0.1, 0.5), seeds=range(3)))
    path = tmp_path / "cells.csv"

    def holds(content: bytes) -> str:
        path.write_bytes(content)
        return conclusions_or_one_line(tmp_path, str(path))

    try_all(n, holds, mangled(rows))


@trying(10, 1_000)
def test_any_history_makes_conclusions_or_one_line(n, tmp_path):
    cells, history = tables(grid(realistic, us=["0", "1"], ls=["0.1", "0.5"]))
    cells.to_csv(tmp_path / "cells.csv", index=False)
    path = tmp_path / "history.csv"

    def holds(content: bytes) -> str:
        path.write_bytes(content)
        return conclusions_or_one_line(tmp_path, str(tmp_path / "cells.csv"), "--history", str(path))

    try_all(n, holds, mangled(as_rows(history)))


@trying(20, 1_000)
def test_any_parquet_table_makes_conclusions_or_one_line(n, tmp_path):
    path = tmp_path / "cells.parquet"
    results_table(realistic, us=(0, 1), ls=(0.1, 0.5), seeds=range(2)).to_parquet(path)
    whole = path.read_bytes()

    def holds(content: bytes) -> str:
        path.write_bytes(content)
        return conclusions_or_one_line(tmp_path, str(path))

    try_all(n, holds, damaged(whole) | st.binary(max_size=40))


@pytest.mark.parametrize("name", ["cells.csv", "cells.parquet", "cells.pkl", "cells.csv.gz", "cells"])
def test_a_pickle_in_place_of_a_table_is_never_opened(tmp_path, name):
    (tmp_path / name).write_bytes(trap(tmp_path / "sprung"))
    assert conclusions_or_one_line(tmp_path, str(tmp_path / name)) == "one line"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("read", [read_record, read_split, read_summary, load_encoder])
def test_a_pickle_in_place_of_any_file_of_a_study_is_never_opened(tmp_path, read):
    (tmp_path / "file").write_bytes(trap(tmp_path / "sprung"))
    with pytest.raises((RecordError, ResultsError)) as caught:
        read(tmp_path / "file")
    assert is_one_line(caught.value)
    assert not (tmp_path / "sprung").exists()


SPOILT = {  # a well-formed split that `make_split` never makes: (column, another content)
    "an index that is not there": ("index", lambda column: column + 1),
    "another role": ("role", lambda column: column.replace("valid", "test")),
    "a class too many": ("class", lambda column: column + 5),
    "two images of one rank": ("labelled_rank", lambda column: column.replace(1, 0)),
    "an image without a rank": ("unlabelled_rank", lambda column: column.replace(3, -1)),
}


@pytest.mark.parametrize("column, spoil", SPOILT.values(), ids=SPOILT)
def test_a_split_that_cannot_be_is_refused(tmp_path, digits, column, spoil):
    split = make_split(digits, 0)
    table = split.table.assign(**{column: spoil(split.table[column])})
    write_split(replace(split, table=table), tmp_path / "split.parquet")
    with pytest.raises(RecordError, match=r"split\.parquet: not a readable split \(its .* cannot be\)"):
        read_split(tmp_path / "split.parquet")


def test_stored_labels_of_classes_that_are_not_there_are_refused(tmp_path):
    load_dataset("digits", data_root=tmp_path)
    (meta,) = tmp_path.glob("cache/*/meta.json")
    meta.write_text(json.dumps({"classes": ["0", "1"], "notes": {}}))
    with pytest.raises(DataError, match=r"are damaged \(labels from 0 to 9 for 2 classes\); delete that folder"):
        load_dataset("digits", data_root=tmp_path)
