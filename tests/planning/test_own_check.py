"""Own code that is no method or encoder ends a study before anything trains."""

import io
import json
import sys

import pytest
from builders import SCHEMA

from sslfast.errors import ConfigError
from sslfast.planning.own_check import check_own, main
from sslfast.study.config import check_config
from sslfast.study.study import Study

CODE = """
from torch import nn
from sslfast import autoencoder_learner, create_encoder
class Net(nn.Conv2d):
    def __init__(self, channels, image_size):
        super().__init__(channels, 4, 3, stride=2, padding=1)
class NoMap(nn.Flatten):
    def __init__(self, channels, image_size):
        super().__init__()
def good(dls, encoder, seed, precision):
    return autoencoder_learner(dls, encoder, seed=seed, precision=precision)
def nothing(dls, encoder, seed, precision): ...
def another(dls, encoder, seed, precision):
    return autoencoder_learner(dls, create_encoder("original", 1, 8), seed=seed, precision=precision)
def fails(dls, encoder, seed, precision):
    return 1 / 0
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "own.py").write_text(CODE)

    def of(encoder: str, learner: str) -> Study:
        given = {"dataset": "digits", "unlabelled": [1], "labelled": [1], "encoders": [f"own.py:{encoder}"]}
        given |= {"methods": ["mine"], "variants": {"mine": {"method": f"own.py:{learner}"}}}
        return check_config(given, SCHEMA, tmp_path)

    return of


@pytest.mark.parametrize(
    ("encoder", "learner", "line"),
    [
        ("NoMap", "good", "own.py:NoMap is no encoder of images of 8 pixels with 1 channels"),
        ("Net", "nothing", "variants.mine.method: own.nothing returns a NoneType, expected a fastai Learner"),
        ("Net", "another", "own.another returns a LeanLearner with a Original in it, expected a fastai Learner"),
        ("Net", "fails", "own.fails failed (ZeroDivisionError: division by zero), called as fails(dls, encoder"),
    ],
)
def test_what_is_no_encoder_or_learner_factory_is_one_line(config, monkeypatch, encoder, learner, line):
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(config(encoder, learner).as_config())))
    with pytest.raises(SystemExit) as caught:
        main()
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_a_process_of_its_own_tries_what_a_config_names(config):
    check_own(config("Net", "good"))
    with pytest.raises(ConfigError, match=r"own.nothing returns a NoneType"):
        check_own(config("Net", "nothing"))
