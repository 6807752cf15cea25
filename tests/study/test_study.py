"""A study has an attribute for every key of its config, and is found again from what it hands on."""

import json
from dataclasses import FrozenInstanceError, fields

import pytest
from builders import SCHEMA
from grids import CONFIGS, checked
from hypothesis import given

from sslfast.stages import FitSettings
from sslfast.study.config import check_config
from sslfast.study.methods import methods
from sslfast.study.stage_table import STAGES
from sslfast.study.study import Prices, Study, Threshold

FOUND = {"own", "weights_files", "left_out"}  # by the check, not given


def test_every_key_of_a_config_is_an_attribute_or_the_section_of_a_method_or_an_evaluation():
    attributes = {"study" if entry.name == "name" else entry.name for entry in fields(Study)}
    keys, sections = set(SCHEMA["properties"]), {*methods(), *(stage.section for stage in STAGES.values())}
    assert attributes - FOUND - {"sections"} <= keys
    assert keys <= attributes | sections


@pytest.mark.parametrize("section, kind", [("prices", Prices), ("threshold", Threshold)])
def test_the_keys_of_a_section_are_those_of_its_type(section, kind):
    assert set(SCHEMA["properties"][section]["properties"]) == set(kind.__annotations__)


@pytest.mark.parametrize("stage", [stage for stage in STAGES.values() if stage.trains], ids=lambda stage: stage.name)
def test_what_a_config_says_of_training_reaches_the_job_and_its_record(stage):
    keys = set(SCHEMA["properties"][stage.section]["properties"])
    assert keys <= {entry.name for entry in fields(FitSettings)}
    assert keys - {"updates", "epochs"} <= set(stage.settings) and "length" in stage.settings


@given(CONFIGS)
def test_a_study_is_found_again_from_what_it_hands_on_as_json(config):
    study = check_config(config, SCHEMA)
    assert Study.of(json.loads(json.dumps(study.as_config()))) == study


def test_what_the_data_set_decides_is_in_no_study_of_it():
    digits, folder = checked(), checked(dataset="folder", folder="x")
    assert (digits.image_size, digits.channels, digits.follow_links) == (None, None, None)
    assert (folder.image_size, folder.channels, folder.follow_links) == (32, 3, False)
    assert not {"image_size", "channels", "follow_links"} & set(digits.as_config())


def test_a_section_that_a_study_lacks_is_empty():
    study = checked(linear={"pooling": "mean"}, vae={"beta": 2})
    assert study.section("linear") == {"pooling": "mean"}
    assert study.section("vae")["beta"] == 2
    assert study.section("nothing") == {}


def test_a_study_does_not_change():
    with pytest.raises(FrozenInstanceError):
        checked().seeds = (1,)
