"""fastai's own tests of its Learner and callbacks (13a_learner, 13_callback.*), re-created: what is tried there with
`Learner` gives the same with `LeanLearner`, number for number."""

import pytest
import torch
from fastai.callback.all import (
    BnFreeze,
    ChannelsLast,
    CSVLogger,
    CutMix,
    EarlyStoppingCallback,
    FetchPredsCallback,
    GradientAccumulation,
    GradientClip,
    MixUp,
    ParamScheduler,
    ReduceLROnPlateau,
    SaveModelCallback,
    SchedCos,
    TerminateOnNaNCallback,
)
from fastai.callback.core import (
    Callback,
    CancelBackwardException,
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelStepException,
    CancelTrainException,
    CancelValidException,
    TrainEvalCallback,
    event,
)
from fastai.learner import AvgMetric, Learner, Recorder, ValueMetric
from fastai.losses import CrossEntropyLossFlat, LabelSmoothingCrossEntropy
from fastai.metrics import F1Score, accuracy
from fastai.optimizer import SGD, Adam
from quiet import quiet
from torch import nn

from sslfast import image_dls
from sslfast.training.lean import LeanLearner

EVENTS = [name for name in dir(event) if name.startswith(("before_", "after_"))]


@pytest.fixture
def both(digits, tmp_path):
    """`both(scenario, **options)`: the scenario's result with fastai's Learner, which LeanLearner's has to equal."""

    def one(kind, scenario, options):
        dls = image_dls(digits, labelled=0.1, valid_fraction=0.05, seed=0, bs=32, device="cpu").classify
        torch.manual_seed(0)
        (tmp_path / kind.__name__).mkdir()
        net = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
        made = {key: value() if callable(value) else value for key, value in options.items()}
        options = {"loss_func": CrossEntropyLossFlat(), "metrics": accuracy, "opt_func": Adam, "splitter": halves}
        learn = kind(dls, net, path=tmp_path / kind.__name__, **{**options, **made})
        quiet(learn)
        return simple(scenario(learn))

    def compare(scenario, **options):
        stock, lean = (one(kind, scenario, options) for kind in (Learner, LeanLearner))
        assert lean == stock
        return stock

    return compare


def halves(net) -> list:
    return [list(net[:2].parameters()), list(net[2:].parameters())]


def simple(found):
    """Tensors as lists of numbers, to compare."""
    if isinstance(found, torch.Tensor):
        return found.as_subclass(torch.Tensor).tolist()
    if isinstance(found, dict):
        return {key: simple(value) for key, value in found.items()}
    return [simple(part) for part in found] if isinstance(found, list | tuple) else found


def trained(learn) -> list:
    rows = [[float(value) for value in row] for row in learn.recorder.values]
    return [rows, [float(loss) for loss in learn.recorder.losses], learn.recorder.lrs, state(learn)]


def state(learn) -> dict:
    return {name: value.clone() for name, value in learn.model.state_dict().items()}


class Log(Callback):
    """Every event with what the learner is at then; `stop[event]`: raises such an error at the second."""

    order = 55

    def __init__(self, **stop):
        self.stop, self.seen = stop, []

    def note(self, name):
        learn = self.learn
        self.seen.append((name, learn.training, *(getattr(learn, key, None) for key in ("iter", "epoch"))))
        if name in self.stop and [seen[0] for seen in self.seen].count(name) == 2:
            raise self.stop[name]()


for _name in EVENTS:
    setattr(Log, _name, lambda self, name=_name: self.note(name))


@pytest.mark.parametrize(
    ("where", "stop"),
    [
        ("before_batch", CancelBatchException),
        ("after_pred", CancelBatchException),
        ("before_backward", CancelBackwardException),
        ("before_step", CancelStepException),
        ("after_step", CancelBatchException),
        ("before_train", CancelTrainException),
        ("after_batch", CancelTrainException),
        ("before_validate", CancelValidException),
        ("before_epoch", CancelEpochException),
        ("after_loss", CancelEpochException),
        ("after_epoch", CancelFitException),
        ("after_batch", CancelFitException),
    ],
)
def test_a_callback_can_cancel_whatever_it_likes(both, where, stop):
    def scenario(learn):
        learn.add_cb(log := Log(**{where: stop}))
        learn.fit(3, 1e-2)
        return [log.seen, state(learn)]

    seen = both(scenario)[0]
    assert any(name.startswith("after_cancel") for name, *_ in seen)


@pytest.mark.parametrize(
    "fit",
    [
        lambda learn: learn.fit(2, 1e-2),
        lambda learn: learn.fit(2, slice(1e-3, 1e-2), wd=0.1),
        lambda learn: learn.fit(3, 1e-2, start_epoch=1),
        lambda learn: (learn.fit(1, 1e-2), learn.fit(1, 1e-2, reset_opt=True)),
        lambda learn: learn.fit_one_cycle(2, 1e-2, pct_start=0.5, moms=(0.9, 0.8, 0.9)),
        lambda learn: learn.fit_flat_cos(2, 1e-2),
        lambda learn: learn.fit_sgdr(2, 1),
        lambda learn: learn.fine_tune(1, 1e-2, freeze_epochs=1),
        lambda learn: (learn.freeze(), learn.fit(1, 1e-2), learn.unfreeze(), learn.fit(1, 1e-3)),
        lambda learn: (learn.freeze_to(-1), learn.fit(1, 1e-2)),
        lambda learn: (learn.lr_find(num_it=12, show_plot=False), learn.fit(1, 1e-2)),
        lambda learn: learn.fit(1, 1e-2, cbs=ParamScheduler({"lr": SchedCos(1e-3, 1e-2)})),
    ],
)
def test_every_way_to_fit_gives_the_same_numbers(both, fit):
    def scenario(learn):
        fit(learn)
        return [*trained(learn), [dict(hyper) for hyper in learn.opt.hypers]]

    assert len(both(scenario)[0]) >= 1


@pytest.mark.parametrize(
    "options",
    [
        {"opt_func": lambda: SGD},
        {"train_bn": False},
        {"wd_bn_bias": True, "wd": 0.1},
        {"metrics": lambda: [accuracy, F1Score(average="macro"), AvgMetric(accuracy)]},
        {"loss_func": LabelSmoothingCrossEntropy},
        {"cbs": lambda: GradientClip(0.1)},
        {"cbs": lambda: GradientAccumulation(64)},
        {"cbs": lambda: [BnFreeze(), ChannelsLast()]},
        {"cbs": lambda: TerminateOnNaNCallback()},
        {"cbs": lambda: EarlyStoppingCallback("accuracy", min_delta=2, patience=0)},
        {"cbs": lambda: ReduceLROnPlateau("accuracy", min_delta=2, patience=0)},
        {"cbs": lambda: SaveModelCallback("accuracy", every_epoch=True)},
        {"cbs": lambda: CSVLogger()},
        {"cbs": lambda: MixUp()},
        {"cbs": lambda: CutMix()},
    ],
    ids=lambda options: " ".join(options),
)
def test_every_option_and_callback_gives_the_same_numbers(both, options):
    def scenario(learn):
        torch.manual_seed(1)
        learn.fit(2, 1e-2)
        files = sorted(str(file.relative_to(learn.path)) for file in learn.path.rglob("*") if file.is_file())
        return [*trained(learn), files]

    both(scenario, **options)


@pytest.mark.parametrize("train_metrics", [False, True])
@pytest.mark.parametrize("add_time", [False, True])
def test_the_recorder_records_what_it_is_asked_to(both, train_metrics, add_time):
    def scenario(learn):
        learn.fit(2, 1e-2)
        rows = [[float(value) for value in row] for row in learn.recorder.values]
        return [list(learn.recorder.metric_names), rows, learn.recorder.iters]

    def cbs():
        return [TrainEvalCallback(), Recorder(add_time=add_time, train_metrics=train_metrics)]

    names = both(scenario, default_cbs=False, cbs=cbs)[0]
    assert ("train_accuracy" in names, "time" in names) == (train_metrics, add_time)


def test_a_value_metric_is_whatever_a_callback_says(both):
    class Count(Callback):
        order = 40

        def before_validate(self):
            self.n = 0

        def after_batch(self):
            if not self.training:
                self.n += len(self.yb[0])

    def scenario(learn):
        learn.add_cb(counting := Count())
        learn.metrics = [ValueMetric(lambda: counting.n, "images")]
        learn.fit(1, 1e-2)
        return [list(learn.recorder.metric_names), learn.recorder.values[-1][-1]]

    assert both(scenario)[1] > 10


def test_predictions_come_in_every_form_that_is_asked_for(both):
    def scenario(learn):
        learn.fit(1, 1e-2)
        found = [
            learn.get_preds(),
            learn.get_preds(ds_idx=0),
            learn.get_preds(with_input=True, with_decoded=True, with_loss=True),
            learn.get_preds(act=lambda x: x * 2, reorder=False),
            learn.get_preds(dl=learn.dls.test_dl(learn.dls.valid.items[:5]), with_decoded=True),
            list(learn.validate()),
            list(learn.validate(0)),
            list(learn.validate(dl=learn.dls.valid.new(bs=7))),
            list(learn.predict(learn.dls.valid.items[0], with_input=True)),
            list(learn.tta(n=2)),
        ]
        return found

    preds = both(scenario)[0][0]
    assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in preds)


def test_predictions_may_be_fetched_while_a_fit_goes_on(both):
    class Keep(Callback):
        run_after, kept = FetchPredsCallback, None

        def after_epoch(self):
            self.kept = self.learn.fetch_preds.preds

    def scenario(learn):
        learn.fit(1, 1e-2, cbs=[FetchPredsCallback(ds_idx=1), keep := Keep()])
        return [keep.kept, state(learn)]

    assert both(scenario)[0] is not None


def test_contexts_change_a_learner_inside_and_nothing_afterwards(both):
    def scenario(learn):
        logger, loss_func, n = learn.logger, learn.loss_func, len(learn.cbs)
        with learn.no_logging(), learn.loss_not_reduced():
            inside = [learn.logger is not logger, learn.loss_func.func.reduction]
        with learn.added_cbs([log := Log()]):
            learn.fit(1, 1e-2)
        with learn.removed_cbs(learn.recorder):
            without = hasattr(learn, "recorder")
        learn.add_cb(Log)  # a class is made
        learn.remove_cb(Log)
        return [inside, log.seen, without, len(learn.cbs) == n, learn.logger is logger, learn.loss_func is loss_func]

    assert both(scenario)[0] == [True, "none"]


def test_callbacks_see_and_set_what_is_the_learners(both, capsys):
    class Double(Callback):
        run_valid = False

        def after_loss(self):
            self.learn.loss_grad = self.loss_grad * 2
            self.loss = None  # on itself, of which fastai warns

    def scenario(learn):
        learn.fit(1, 1e-2, cbs=(double := Double()))
        return [trained(learn), str(double), double.name]

    with pytest.warns(UserWarning, match="You are shadowing an attribute"):
        both(scenario)


def test_a_learner_is_saved_and_loaded_with_its_optimizer_and_shows_its_loop(both, capsys):
    def scenario(learn):
        learn.fit(1, 1e-2)
        path = learn.save("one")
        before = state(learn)
        learn.fit(1, 1e-2)
        learn.load("one", with_opt=True)
        same = simple(state(learn)) == simple(before)
        steps = [value.get("step") for value in learn.opt.state.values()]
        learn.show_training_loop()
        loop = capsys.readouterr().out.replace("_LeanRecorder", "Recorder")
        return [path.name, same, steps, loop, learn.ordered_cbs("before_fit").__class__.__name__]

    name, same, *_ = both(scenario)
    assert (name, same) == ("one.pth", True)
