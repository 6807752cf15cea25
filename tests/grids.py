"""Small studies, and speeds that are easy to reckon with."""

from builders import SCHEMA
from hypothesis import strategies as st

from sslfast.planning.speeds import Speed, Speeds
from sslfast.planning.work import Sizes
from sslfast.study.config import check_config
from sslfast.study.grid import jobs_of
from sslfast.study.methods import methods
from sslfast.study.study import Study

BASE = {"study": "small", "dataset": "digits", "unlabelled": [0, 0.2, 1], "labelled": [0.1, 0.5], "seeds": 2}


def checked(**changes) -> Study:
    """A small study on digits, with `changes` of its config."""
    return check_config({**BASE, **changes}, SCHEMA)


def sizes(study: Study, n_train: int = 1000) -> Sizes:
    """Of a study with `n_train` training images, all labelled, and a tenth as many to validate and to test."""
    of = study.labelled if study.pool == "rest" else [None]
    pool = {label: n_train - round(float(label or 0) * n_train) for label in of}
    return Sizes(
        n_valid=n_train // 10,
        n_test=n_train // 10,
        n_pool=n_train,
        n_labelled=n_train,
        labelled={label: round(float(label) * n_train) for label in study.labelled},
        unlabelled={(u, label): round(float(u) * pool[label]) for u in study.unlabelled if u != "0" for label in of},
    )


def speeds(study: Study, speed: Speed, **options) -> Speeds:
    """The same `speed` for all kinds of jobs of the study."""
    kinds = {job.kind: speed for job in jobs_of(study) if "/" in job.kind or job.kind == "pixels"}
    return Speeds(**{"side_by_side": 2, "start": 1.0, "kinds": kinds, **options})


def _some(values, most=3):
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


CONFIGS = st.fixed_dictionaries(
    {
        "study": st.just("small"),
        "dataset": st.just("digits"),
        "unlabelled": _some([0, 0.1, 0.25, 1]),
        "labelled": _some([0.05, 0.2, 0.5]),
        "seeds": st.integers(1, 3),
        "encoders": _some(["original", "conv", "conv_x2"], 2),
        "methods": _some([*(name for name in methods() if not methods()[name].encoders), "cool"]),
        "variants": st.just({"cool": {"method": "simclr", "temperature": 0.1}}),
        "evaluate": _some(["head", "linear", "knn", "finetune"], 4),
        "pool": st.sampled_from(["all", "rest"]),
        "controls": st.sampled_from([[], ["pixels"], ["shuffled"], ["pixels", "shuffled"]]),
    }
)
