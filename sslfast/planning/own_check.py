"""Whether a person's own methods and encoders are what a study needs, tried before anything trains.

A process of its own does it (`python -m sslfast.planning.own_check < study.json`), so that Snakemake's needs no torch.
"""

import json
import subprocess
import sys
from collections.abc import Mapping

from ..errors import ConfigError, SslfastError, one_line
from ..study.base_nets import base_of, leave_out, nets_of, skippable
from ..study.datasets import image_shape_of
from ..study.depends import method_settings
from ..study.image_size import image_size_of
from ..study.study import Study

__all__ = ["check_own", "without_missing"]

N_IMAGES = 32  # of noise, of two classes


def check_own(study: Study) -> None:
    """`ConfigError` for an encoder of the person's own that makes no feature map of the study's images, or a learner
    factory that returns no Learner with the encoder that it was given; for a base net whose weights are not here, or do
    not fit. Without own code and base nets, it costs nothing."""
    needed = study.own or any(nets_of(study, name) for name in study.methods)
    if needed and (said := _apart("own", study)):
        raise ConfigError(said)


def without_missing(study: Study) -> Study:
    """`study` without base nets that it can do without, and whose weights their library cannot give here."""
    why = {name: _apart(name, study) for name in skippable(study)}
    return leave_out(study, {name: text for name, text in why.items() if text})


def _apart(what: str, study: Study) -> str:
    """What is wrong with `study`, found by a process of its own; nothing if all is well."""
    command = [sys.executable, "-P", "-m", "sslfast.planning.own_check", what]
    given = json.dumps(study.as_config())
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
    return lines[-1] if done.returncode else ""


def main(what: str = "own") -> None:
    """Try what the study on standard input names: all that is not sslfast's `own`, or one base net; what is
    wrong is the last line on standard error."""
    study = Study.of(json.load(sys.stdin))
    try:
        if what == "own":
            _try_all(study)
        else:
            _try_net(study, what, base_of(study, what) or {})
    except SslfastError as error:
        sys.exit(str(error))


def _try_net(study: Study, name: str, arm: Mapping) -> None:
    from ..models import base_encoder

    weights = study.weights_files.get(arm["weights"], arm["weights"])
    try:
        base_encoder(arm["net"], weights, arm["size"], image_size=image_size_of(image_shape_of(study)[1:]))
    except SslfastError as error:
        raise ConfigError(f"{name}: {error}") from error


def _try_all(study: Study) -> None:
    from ..models import create_encoder
    from ..stages import RunSettings

    shape, run = image_shape_of(study), RunSettings(own=study.own)
    for name in study.encoders:
        if name in study.own:
            create_encoder(run.encoder(name), shape[0], image_size_of(shape[1:]))
    for name in study.methods:
        for arm in nets_of(study, name):
            _try_net(study, name, arm)
        if (made := method_settings(study, name))["method"] in study.own:
            _try_method(f"variants.{name}.method", made, run, study.encoders[0], shape)


def _try_method(key: str, made: Mapping, run, encoder: str, shape: tuple[int, int, int]) -> None:
    from fastai.learner import Learner

    from ..models import Encoder

    kind, dls = run.method(made["method"]), _noise(shape)
    try:
        learn = kind.load()(dls, run.encoder(encoder), seed=0, precision="float32", **made["options"])
    except SslfastError as error:
        raise ConfigError(f"{key}: {kind.name}: {error}") from error
    except Exception as error:  # whatever the code of others raises
        expected = f"{kind.learner.attribute}(dls, encoder, seed=…, precision=…, and its options)"
        raise ConfigError(f"{key}: {kind.name} failed ({one_line(error)[:200]}), called as {expected}") from error
    trained = getattr(learn, "encoder", None) if isinstance(learn, Learner) else None
    if not isinstance(trained, Encoder) or trained.name != encoder:
        found = f"a {type(learn).__name__}" + ("" if trained is None else f" with a {type(trained).__name__} in it")
        raise ConfigError(
            f"{key}: {kind.name} returns {found}, expected a fastai Learner whose .encoder is the encoder that it was"
            " given (see sslfast.models.as_encoder)"
        )


def _noise(shape: tuple[int, int, int]):
    """DataLoaders of a few images of noise, as pre-training gets them."""
    import numpy as np

    from ..data.augment import Augment
    from ..data.images import Arrays, from_arrays
    from ..data.loaders import pretrain_dls
    from ..data.splits import make_split

    x = np.random.default_rng(0).integers(0, 256, (N_IMAGES, *shape[1:], shape[0]), dtype=np.uint8)
    y = np.arange(N_IMAGES) % 2
    data = from_arrays("noise", Arrays(x, y, x[:2], y[:2], ("one", "other")), "noise")
    split = make_split(data, 0, 0.25)
    return pretrain_dls(data, split, split.unlabelled(1), bs=8, augment=Augment(), device="cpu")


if __name__ == "__main__":
    main(*sys.argv[1:])
