"""The lean Learner against fastai's own: the same events, losses and scores."""

import inspect
import subprocess
import sys

import cloudpickle
import pytest
import torch
from fastai.callback.core import Callback, TrainEvalCallback, event
from fastai.callback.tracker import EarlyStoppingCallback
from fastai.callback.training import GradientClip
from fastai.learner import Learner, Recorder
from fastai.optimizer import Adam
from quiet import quiet

import sslfast
from sslfast import image_dls
from sslfast.data.loaders import ImageLoaders
from sslfast.models import Classifier, create_encoder, create_head
from sslfast.training.lean import LeanLearner
from sslfast.training.losses import CrossEntropy
from sslfast.training.metrics import MacroF1

LEARNERS = sorted(name for name in sslfast.__all__ if name.endswith("_learner"))
PLACES = {name: inspect.getmodule(getattr(sslfast, name)).__name__ for name in LEARNERS}
EVENTS = [name for name in dir(event) if name.startswith(("before_", "after_"))]


@pytest.fixture
def dls(digits) -> ImageLoaders:
    return image_dls(digits, labelled=0.2, seed=0, bs=32, device="cpu")


def learner(kind: type, dls, **kwargs) -> Learner:
    torch.manual_seed(0)
    encoder = create_encoder("conv", 1, 8)
    model = Classifier(encoder, create_head(encoder.out_shape, 10))
    learn = kind(dls.classify, model, loss_func=CrossEntropy(), metrics=[MacroF1()], **kwargs)
    quiet(learn)
    return learn


def fit(learn: Learner, dls, epochs: int = 2) -> Learner:
    dls.classify.train.epoch = 0
    torch.manual_seed(1)
    learn.fit_one_cycle(epochs, 1e-2)
    return learn


class Witness(Callback):
    """Notes every event, with what is seen of the learner at that moment."""

    def __init__(self):
        self.seen = []


for _name in EVENTS:
    setattr(Witness, _name, lambda self, name=_name: self.seen.append((name, self.learn.training)))


def test_same_events_in_the_same_order(dls):
    logs = []
    for kind in (Learner, LeanLearner):
        learn = learner(kind, dls, opt_func=Adam, cbs=[events := Witness()])
        fit(learn, dls).validate()
        logs.append(events.seen)
    assert logs[0] == logs[1]
    assert len(logs[0]) > 100


def test_same_numbers_with_the_same_optimizer(dls):
    stock, lean = (fit(learner(kind, dls, opt_func=Adam), dls) for kind in (Learner, LeanLearner))
    assert lean.recorder.values == stock.recorder.values
    assert torch.equal(torch.stack(lean.recorder.losses), torch.stack(stock.recorder.losses))
    assert lean.recorder.lrs == stock.recorder.lrs
    assert all(torch.equal(a, b) for a, b in zip(lean.model.parameters(), stock.model.parameters(), strict=True))


def test_nearly_the_same_numbers_with_its_own_optimizer(dls):
    stock, lean = fit(learner(Learner, dls), dls), fit(learner(LeanLearner, dls), dls)
    assert lean.recorder.values[-1][1] == pytest.approx(stock.recorder.values[-1][1], rel=0.02)


def test_a_callback_is_heard_however_it_listens(dls):
    """By methods, by an overridden `__call__`, by methods that are set later, on the object or its class."""

    class Verbose(Callback):
        def __call__(self, event_name):
            self.heard = [*getattr(self, "heard", ()), event_name]
            super().__call__(event_name)

    class Mute(Callback):
        pass

    logs = []
    for kind in (Learner, LeanLearner):
        learn = learner(kind, dls, cbs=[verbose := Verbose(), mute := Mute()])
        fit(learn, dls, 1)
        n_batches, counts = len(dls.classify.train) + len(dls.classify.valid), [0, 0]
        mute.after_batch = lambda counts=counts: counts.__setitem__(0, counts[0] + 1)
        fit(learn, dls, 1)
        Mute.before_epoch = lambda self, counts=counts: counts.__setitem__(1, counts[1] + 1)
        fit(learn, dls, 2)
        del Mute.before_epoch
        logs.append((verbose.heard, counts))
        assert counts == [3 * n_batches, 2]
    assert logs[0] == logs[1]


def test_a_new_order_counts_from_the_next_event_on(dls):
    class Named(Callback):
        def __init__(self, name, heard):
            self.title, self.heard = name, heard

        def before_batch(self):
            self.heard.append(self.title)

    logs = []
    for kind in (Learner, LeanLearner):
        heard: list[str] = []
        learn = learner(kind, dls, cbs=[first := Named("first", heard), Named("second", heard)])
        fit(learn, dls, 1)
        first.order = 5
        fit(learn, dls, 1)
        assert heard[:2] == ["first", "second"]
        assert heard[-2:] == ["second", "first"]
        logs.append(heard)
    assert logs[0] == logs[1]


def test_an_event_that_does_not_exist_is_an_error_as_in_fastai(dls):
    with pytest.raises(Exception, match="missing after_lunch"):
        learner(LeanLearner, dls)("after_lunch")


def test_callbacks_may_come_and_go_between_and_during_fits(dls):
    learn = learner(LeanLearner, dls)
    fit(learn, dls, 1)
    seen = []

    class Once(Callback):
        def after_batch(self):
            seen.append(self.iter)
            if self.iter == 2:
                self.run = False  # fastai switches it on again after the fit

    with learn.added_cbs(Once()):
        fit(learn, dls, 1)
        fit(learn, dls, 1)
    fit(learn, dls, 1)
    assert seen == [0, 1, 2] * 2


def test_fastais_own_callbacks_work(dls):
    learn = learner(
        LeanLearner, dls, cbs=[GradientClip(0.1), EarlyStoppingCallback("macro_f1", patience=0, min_delta=2)]
    )
    fit(learn, dls, 5)
    assert len(learn.recorder.values) == 2  # the second epoch was no improvement of 2


def test_recorder_goes_by_its_usual_name_and_shows_the_losses(dls):
    learn = fit(learner(LeanLearner, dls), dls)
    assert type(learn.recorder).__mro__[1].__name__ == "Recorder"
    learn.recorder.plot_loss()
    assert len(learn.recorder.losses) == 2 * len(dls.classify.train)


def test_can_be_pickled(dls):
    learn = fit(learner(LeanLearner, dls), dls)
    x = dls.test.one_batch()[0]
    again = cloudpickle.loads(cloudpickle.dumps(learn))
    with torch.no_grad():
        assert torch.equal(again.model.eval()(x), learn.model.eval()(x))
    fit(again, dls, 1)


def test_goes_on_bit_by_bit_from_a_saved_model_and_optimizer(dls, tmp_path):
    whole = learner(LeanLearner, dls, path=tmp_path)
    whole.fit(1, 1e-2)
    whole.save("half")
    again = learner(LeanLearner, dls, path=tmp_path).load("half", with_opt=True)
    for learn in (whole, again):
        dls.classify.train.epoch = 1
        torch.manual_seed(1)  # dropout
        learn.fit(1, 1e-2)
    assert again.recorder.values[-1][1:] == whole.recorder.values[-1][1:]  # the first is a smoothed training loss
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True))


def test_a_recorder_of_ones_own_stays_and_settings_are_kept(dls):
    class Own(Recorder):
        name = "recorder"

    learn = learner(LeanLearner, dls, default_cbs=False, cbs=[TrainEvalCallback(), own := Own(train_metrics=True)])
    assert learn.recorder is own
    learn = learner(LeanLearner, dls, default_cbs=False, cbs=[TrainEvalCallback(), Recorder(train_metrics=True)])
    fit(learn, dls)
    assert list(learn.recorder.metric_names)[1:3] == ["train_loss", "train_macro_f1"]


# Each of the arguments is done in a fork, which has no name of fastai or sslfast yet; what else takes long is imported.
FORKS = """
import os, sys, traceback
import matplotlib.pyplot, pandas, scipy.stats, sklearn.metrics, torch

for imports in sys.argv[1:]:
    if os.fork() == 0:
        try:
            exec(imports)
            print(*dir(Learner), flush=True)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    if os.wait()[1]:
        sys.exit(f"this failed: {imports}")
"""
EVERYTHING = "from sslfast import image_dls; from fastai.vision.all import Learner"
ALONE = {
    (
        place,
        name,
    ): f"from {place} import {name}; from fastai.learner import Learner; assert 'fastai.vision' not in sys.modules"
    for place, name in [("sslfast", "simclr_learner"), *((PLACES[name], name) for name in LEARNERS)]
}


@pytest.fixture(scope="module")
def abilities() -> dict[str, set[str]]:
    """The names that fastai's Learner has after some imports and no others."""
    imports = [EVERYTHING, *ALONE.values()]
    result = subprocess.run([sys.executable, "-c", FORKS, *imports], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return dict(zip(imports, map(set, map(str.split, result.stdout.splitlines())), strict=True))


@pytest.mark.parametrize("place, name", ALONE)
def test_a_learner_imported_alone_can_do_all_that_fastais_can(place, name, abilities):
    can = abilities[ALONE[place, name]]
    assert {"fit_one_cycle", "fine_tune", "lr_find", "no_bar", "summary", "to_fp16"} <= can
    assert abilities[EVERYTHING] - can == set()


def test_a_learner_imported_alone_trains_in_one_line_and_tells_of_itself():
    code = """if True:
        from sslfast.methods.simclr import simclr_learner
        from sslfast.data.loaders import image_dls

        learn = simclr_learner(image_dls("digits", labelled=0.1, bs=64, device="cpu").pretrain, "conv", seed=0)
        with learn.no_bar():
            learn.fit_one_cycle(1, 1e-3)
        print(learn.summary())
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Total trainable params" in result.stdout
