"""What is proposed holds for any numbers of images."""

from collections import defaultdict

import numpy as np
import pytest
from builders import SCHEMA
from hypothesis import given
from hypothesis import strategies as st
from test_init import speeds

from sslfast.data.found import split_counts
from sslfast.data.images import Arrays, from_arrays
from sslfast.data.splits import make_split, split_off
from sslfast.proposal.choices import choices_for, labelled_fractions, rungs, unlabelled_fractions
from sslfast.proposal.facts import facts_of
from sslfast.proposal.fitting import fitted, slots_of, speeds_here
from sslfast.proposal.looks import copies_among
from sslfast.study import fractions
from sslfast.study.config import check_config

counts = st.lists(st.integers(3, 120), min_size=2, max_size=6)


@given(counts, st.integers(0, 3))
def test_each_labelled_fraction_gives_some_images_of_every_class_and_no_more_than_there_are(counts, seed):
    """Of what a study itself splits: test images off the folder's, then validation images off the others."""
    y = np.repeat(np.arange(len(counts)), counts)
    off = split_off(y, 0.2, seed)
    left, names = np.delete(y, off), tuple(f"class {i}" for i in range(len(counts)))
    x = np.zeros((len(y), 8, 8, 1), dtype=np.uint8)
    split = make_split(from_arrays("made", Arrays(x[: len(left)], left, x[: len(off)], y[off], names), "-"), seed, 0.1)
    by_class = {"train": counts, "valid": [0] * len(counts), "test": [0] * len(counts)}
    known = split_counts({"by_class": by_class, "notes": {"test_split_off": True}}, 0.2, 0.1)
    whole = np.bincount(left[split.labelled(1)], minlength=len(counts))
    assert known["train"] == whole.tolist()
    assert known["valid"] == np.bincount(left[split.valid], minlength=len(counts)).tolist()
    assert known["test"] == np.bincount(y[off], minlength=len(counts)).tolist()

    proposed = labelled_fractions(known["train"])
    assert proposed[-1] == "1" and proposed == sorted(set(proposed), key=float) and len(proposed) <= 3
    for label in proposed[:-1]:
        found = np.bincount(left[split.labelled(label)], minlength=len(counts))
        assert (found >= 2).all() and (found <= whole).all() and found.sum() < whole.sum()


def test_many_labels_give_small_fractions_and_few_give_all_alone():
    assert labelled_fractions([5000, 9000]) == ["0.01", "0.1", "1"]
    assert labelled_fractions([50, 400]) == ["0.1", "0.3", "1"]
    assert labelled_fractions([6, 400]) == ["0.5", "1"]
    assert labelled_fractions([4, 400]) == ["1"]


@given(st.integers(2, 100_000))
def test_unlabelled_fractions_are_the_control_all_and_what_is_worth_training_on(pool):
    first, *between, last = unlabelled_fractions(pool)
    assert (first, last) == ("0", "1")
    assert all(fractions.count(u, pool) >= 50 for u in between)


@given(st.lists(st.sampled_from([b"", b"a", b"b", b"aa", b"ab", b"x" * 70_000, b"x" * 69_999 + b"y"]), max_size=12))
def test_copies_are_the_files_of_the_same_content(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("copies")
    files, wanted = [], defaultdict(list)
    for i, content in enumerate(contents):
        path = folder / f"{i:02}"
        path.write_bytes(content)
        files.append((str(path), len(content), 0))
        wanted[content].append(str(path))
    found, whole = copies_among(files)
    assert found == sorted(paths for paths in wanted.values() if len(paths) > 1)
    assert whole


GRID = {"dataset": "folder", "folder": "x", "image_size": 8, "channels": 1, "unlabelled": [0, 1], "labelled": [1]}


def test_speeds_are_measured_on_this_machine_for_each_kind_of_job():
    study = check_config({**GRID, "device": "cpu"}, SCHEMA)
    found = speeds_here(study, ["pretrain/autoencoder/original", "supervised/original"], 1)
    assert found.problems == {} and set(found.kinds) == {"pretrain/autoencoder/original", "supervised/original"}
    assert all(speed.trained > 0 for speed in found.kinds.values())
    assert found.start < 10 and slots_of(study) >= 1


@pytest.mark.parametrize("limit", [10, 600, 3600, 86400])
def test_the_largest_study_that_fits_is_proposed(image_folder, limit):
    folder = str(image_folder(train=90, test=20, unlabelled=150))
    facts = facts_of(check_config({**GRID, "folder": folder}, SCHEMA))
    studies = rungs(choices_for(facts, folder, {}), facts, {}, "so long")
    fit = fitted(studies, facts, SCHEMA, limit, speeds)
    place = studies.index(fit.choices)
    assert fit.seconds <= limit or place == len(studies) - 1
    assert all(fitted([larger], facts, SCHEMA, limit, speeds).seconds > limit for larger in studies[:place])


def test_each_study_is_smaller_than_the_one_before_and_what_is_chosen_stays(image_folder):
    folder = str(image_folder(train=90, test=20, unlabelled=150))
    facts = facts_of(check_config({**GRID, "folder": folder}, SCHEMA))
    seconds = [
        fitted([study], facts, SCHEMA, 0, speeds).seconds
        for study in rungs(choices_for(facts, folder, {}), facts, {}, "so long")
    ]
    assert len(seconds) > 5 and seconds == sorted(seconds, reverse=True) and len(set(seconds)) == len(seconds)
    chosen = {"seeds": 9, "labelled": [0.5]}
    for study in rungs(choices_for(facts, folder, chosen), facts, chosen, "so long"):
        assert {key: study[key].value for key in chosen} == chosen
