"""A stage that is killed and called again gives what it would have given without a break, bit for bit."""

import os
import pkgutil
import random
import shutil
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.optimizer import SGD, Adam, OptimWrapper
from killing import in_a_process, kill_this_process, killed

from sslfast import Checkpoint, TimeToAccuracy, classifier_learner, image_dls
from sslfast.data.splits import make_split
from sslfast.errors import ConfigError
from sslfast.models import save_encoder
from sslfast.runtime.attempts import attempt
from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pretrain, supervised
from sslfast.study.arrays import write_predictions
from sslfast.study.records import read_record, write_record
from sslfast.training.callbacks import History, SeedEpochs
from sslfast.training.lean import LeanLearner
from sslfast.training.states import read_state

RUN = RunSettings(study="test", budget="epochs", batch_size=32, precision="float32")
FIT = FitSettings(epochs=4, lr=5e-3, views=2)
CHECKPOINT = "checkpoint.safetensors"


@pytest.fixture(scope="module")
def split(digits):
    return make_split(digits, 0)


@pytest.fixture(scope="module")
def stages(digits, split, tmp_path_factory):
    """`stages[name](run, fit, checkpoint)`: weights or predictions as bytes, and the record without times."""
    folder = tmp_path_factory.mktemp("encoder")
    encoder, made, _ = pretrain(digits, split, RUN, replace(FIT, epochs=1), encoder="conv", u="0.1")
    save_encoder(encoder, folder / "e.safetensors", **encoder_header(made))
    write_record(made, folder / "e.json")
    files = {"encoder_file": folder / "e.safetensors", "pretrain_record": folder / "e.json"}

    def weights(run, fit, checkpoint=None):
        encoder, record, _ = pretrain(digits, split, run, fit, encoder="conv", u="0.2", checkpoint=checkpoint)
        state = {name: tensor.numpy().tobytes() for name, tensor in encoder.state_dict().items()}
        return state, without_times(record)

    def over_frozen(run, fit, checkpoint=None):
        return scored(classify(digits, split, run, fit, l="0.2", checkpoint=checkpoint, **files))

    def baseline(run, fit, checkpoint=None):
        return scored(supervised(digits, split, run, fit, encoder="conv", l="0.2", checkpoint=checkpoint))

    def scored(results):
        predictions, record = results
        return None if predictions is None else predictions.tobytes(), without_times(record)

    return {"pretrain": weights, "classify": over_frozen, "supervised": baseline}


def without_times(record):
    record.check()  # that time does not run backwards, among other things
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in record.history]
    return replace(record, history=history, seconds={})


@pytest.fixture
def kill_in_epoch(monkeypatch):
    """`kill_in_epoch(3)`: processes begun from now on are killed in the middle of their epoch 3; 0: no more."""
    batch = LeanLearner._do_one_batch

    def patch(epoch):
        def one(learn):
            if learn.training and learn.epoch + 1 == epoch and learn.iter == 1:
                kill_this_process()
            batch(learn)

        monkeypatch.setattr(LeanLearner, "_do_one_batch", one)

    return patch


def line_of(text, start):
    """The one line of `text` with `start` in it."""
    (line,) = [line for line in text.splitlines() if start in line]
    return line


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
@pytest.mark.parametrize(
    ("stage", "views"), [("pretrain", 2), ("classify", 2), ("classify", "fresh"), ("supervised", 2)]
)
def test_a_killed_stage_ends_as_if_never_killed(
    stages, stage, views, schedule, precision, tmp_path, kill_in_epoch, capsys
):
    run, fit = replace(RUN, precision=precision), replace(FIT, schedule=schedule, views=views, wd=0.01)
    expected = stages[stage](run, fit)
    file = tmp_path / CHECKPOINT
    for epoch in (3, 4):  # the second time it has gone on once already
        kill_in_epoch(epoch)
        assert killed(lambda: stages[stage](run, fit, file))
    kill_in_epoch(0)
    capsys.readouterr()
    assert stages[stage](run, fit, file) == expected
    assert "goes on after epoch 3 of 4" in capsys.readouterr().out


def test_a_checkpoint_changes_nothing_of_an_unbroken_stage(stages, tmp_path):
    for name, stage in stages.items():
        assert stage(RUN, FIT, tmp_path / f"{name}.safetensors") == stage(RUN, FIT)


@pytest.mark.parametrize("stage", ["pretrain", "classify", "supervised"])
def test_a_killed_stage_that_is_counted_in_updates_goes_on_too(stages, stage, tmp_path, kill_in_epoch, capsys):
    run, fit, file = replace(RUN, budget="updates"), replace(FIT, updates=80), tmp_path / CHECKPOINT
    expected = stages[stage](run, fit)
    assert expected[1].history[-1]["updates"] == 80
    for moment in (3, 30):  # of 40, each with two updates
        kill_in_epoch(moment)
        assert killed(lambda: stages[stage](run, fit, file))
    kill_in_epoch(0)
    capsys.readouterr()
    assert stages[stage](run, fit, file) == expected
    assert "goes on after epoch 29 of 40" in capsys.readouterr().out


def test_wherever_a_stage_is_killed_it_repeats_one_epoch_at_most(stages, tmp_path, monkeypatch, capsys):
    """In writing a checkpoint (half of it, all but its name, or just after), in testing, and with all done."""
    expected = stages["supervised"](RUN, FIT)
    write, put = Path.write_bytes, os.replace

    def half(path, content):
        write(path, content[: len(content) // 2])
        kill_this_process()

    moments = {
        "half of the third checkpoint": ("pathlib.Path.write_bytes", half, 3),
        "all but the name of the third checkpoint": ("os.replace", kill_this_process, 3),
        "just after the third checkpoint": ("os.replace", lambda *a: (put(*a), kill_this_process()), 3),
        "the test": ("sslfast.stages.outcome.f1_score", kill_this_process, 1),
    }
    for moment, (name, instead, nth) in moments.items():
        folder = tmp_path / moment
        calls = []
        original = pkgutil.resolve_name(name)
        with monkeypatch.context() as patch:

            def counted(*args, original=original, instead=instead, nth=nth, calls=calls, **kwargs):
                calls.append(None)
                return (instead if len(calls) == nth else original)(*args, **kwargs)

            patch.setattr(name, counted)
            assert killed(lambda folder=folder: stages["supervised"](RUN, FIT, folder / CHECKPOINT)), moment
        capsys.readouterr()
        assert stages["supervised"](RUN, FIT, folder / CHECKPOINT) == expected, moment
        resumed = int(line_of(capsys.readouterr().out, "goes on after").split()[4])
        assert resumed == (2 if moment.startswith(("half", "all")) else 3), moment
        assert [path.name for path in folder.iterdir()] == [CHECKPOINT], moment  # no scratch file is left


def test_epochs_before_a_kill_stay_on_the_clock(digits, split, tmp_path, kill_in_epoch):
    file = tmp_path / CHECKPOINT
    kill_in_epoch(4)
    assert killed(lambda: supervised(digits, split, RUN, FIT, l="0.2", checkpoint=file))
    kill_in_epoch(0)
    rows = read_state(file)[1]["rows"]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    _, record = supervised(digits, split, RUN, FIT, l="0.2", checkpoint=file)
    assert record.history[:3] == rows
    assert record.history[3]["seconds"] > rows[2]["seconds"]
    assert record.seconds["classify"] > record.history[3]["seconds"] - rows[2]["seconds"] + rows[2]["seconds"] * 0.99


def test_jobs_killed_at_fifty_random_moments_write_what_unbroken_ones_write(digits, split, tmp_path):
    """A job as the workflow has it, without the start of a process: attempt, training, test, record."""
    fit, chance = replace(FIT, epochs=8, schedule="one_cycle"), random.Random(4)
    folder, outputs = tmp_path / "checkpoints/box", [tmp_path / "box.npy", tmp_path / "box.json"]

    def work():
        with attempt(folder, outputs, "key") as ended:
            if not ended:
                results = supervised(digits, split, RUN, fit, l="0.2", checkpoint=folder / CHECKPOINT)
                write_predictions(results[0], outputs[0])
                write_record(results[1], outputs[1])

    def written():
        return outputs[0].read_bytes(), without_times(read_record(outputs[1]))

    start = time.monotonic()
    work()
    seconds, expected = time.monotonic() - start, written()
    hit, ended = Counter(), 0
    while hit.total() < 50:
        for output in outputs:
            output.unlink(missing_ok=True)  # as Snakemake does
        process = in_a_process(work)
        process.join(chance.uniform(0, seconds / 2))
        process.kill()
        process.join()
        if process.exitcode:
            if outputs[1].exists():
                phase = "record written"
            elif list(folder.glob(".checkpoint.*")):
                phase = "saving"
            else:
                phase = "training" if (folder / CHECKPOINT).exists() else "before a checkpoint"
            hit[phase] += 1
        else:
            assert written() == expected
            ended += 1
            shutil.rmtree(folder)
    for output in outputs:
        output.unlink(missing_ok=True)
    work()
    assert written() == expected
    assert sorted(path.name for path in folder.iterdir()) == ["ended", "lock"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box.json", "box.npy", "checkpoints"]
    print(f"50 kills, {ended + 1} jobs ended: {dict(hit)}")


@pytest.mark.parametrize("how", ["cut", "a bit changed", "empty", "something else"])
def test_a_damaged_checkpoint_is_named_and_training_begins_anew(stages, how, tmp_path, kill_in_epoch, capsys):
    file = tmp_path / CHECKPOINT
    kill_in_epoch(3)
    assert killed(lambda: stages["supervised"](RUN, FIT, file))
    kill_in_epoch(0)
    good = file.read_bytes()
    middle = len(good) // 2
    damaged = {
        "cut": good[:middle],
        "a bit changed": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        "empty": b"",
        "something else": b"\x80\x04pickled",
    }
    file.write_bytes(damaged[how])
    capsys.readouterr()
    result = stages["supervised"](RUN, FIT, file)
    line = line_of(capsys.readouterr().out, "begins anew")
    assert line.startswith(f"{file}: not a readable checkpoint (")
    assert result == stages["supervised"](RUN, FIT)


OTHERS = {
    "learning rate": (RUN, replace(FIT, lr=1e-3), "settings was {'batch_size': 32"),
    "epochs": (RUN, replace(FIT, epochs=5), "epochs was 4, is 5"),
    "precision": (replace(RUN, precision="bfloat16"), FIT, "precision was 'float32', is 'bfloat16'"),
    "study": (replace(RUN, study="other"), FIT, "spec was {'study': 'test'"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_checkpoint_of_another_fit_is_named_and_never_used(stages, other, tmp_path, kill_in_epoch, capsys):
    run, fit, message = OTHERS[other]
    file = tmp_path / CHECKPOINT
    kill_in_epoch(3)
    assert killed(lambda: stages["supervised"](RUN, FIT, file))
    kill_in_epoch(0)
    capsys.readouterr()
    result = stages["supervised"](run, fit, file)
    line = line_of(capsys.readouterr().out, "begins anew")
    assert line.startswith(f"{file}: of another fit ({message}")
    assert result == stages["supervised"](run, fit)


def test_a_checkpoint_of_another_code_or_data_or_encoder_is_never_used(
    digits, split, stages, tmp_path, kill_in_epoch, monkeypatch, capsys
):
    file = tmp_path / CHECKPOINT
    kill_in_epoch(3)
    for why, patch in {
        "code_version": lambda m: m.setattr("sslfast.stages.run.StageRun.code", "another"),
        "torch": lambda m: m.setattr(torch, "__version__", "2.99.0"),
        "weights": lambda m: m.setattr("pathlib.Path.read_bytes", lambda path: b"another"),
        "split": lambda m: m.setattr("pandas.util.hash_pandas_object", lambda table: table["index"]),
    }.items():
        kill_in_epoch(3)
        assert killed(lambda: stages["classify"](RUN, FIT, file))
        kill_in_epoch(0)
        capsys.readouterr()
        with monkeypatch.context() as m:
            patch(m)
            stages["classify"](RUN, FIT, file)
        assert f"of another fit ({why} was" in line_of(capsys.readouterr().out, "begins anew")


def test_a_killed_stage_goes_on_where_another_device_of_the_same_kind_is_free(stages, tmp_path, kill_in_epoch, capsys):
    file, elsewhere = tmp_path / CHECKPOINT, replace(RUN, device="cpu:0")
    kill_in_epoch(3)
    assert killed(lambda: stages["supervised"](RUN, FIT, file))
    kill_in_epoch(0)
    capsys.readouterr()
    assert stages["supervised"](elsewhere, FIT, file) == stages["supervised"](elsewhere, FIT)
    assert line_of(capsys.readouterr().out, "goes on after").startswith("goes on after epoch 2 of 4")


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_fit(stages, tmp_path, monkeypatch, capsys):
    expected = stages["supervised"](RUN, FIT)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sslfast.training.checkpoints.write_state", full)
    capsys.readouterr()
    assert stages["supervised"](RUN, FIT, tmp_path / CHECKPOINT) == expected
    assert "not saved after epoch 3 ([Errno 28] No space left on device); training goes on" in capsys.readouterr().out


def test_divergence_after_a_kill_is_noted_with_its_epoch(digits, split, tmp_path, kill_in_epoch, monkeypatch):
    fit = replace(FIT, epochs=5)
    step = LeanLearner._step

    def broken(learn):
        step(learn)
        if learn.epoch == 3:
            next(learn.model.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(LeanLearner, "_step", broken)
    expected = supervised(digits, split, RUN, fit, l="0.2")
    kill_in_epoch(3)
    assert killed(lambda: supervised(digits, split, RUN, fit, l="0.2", checkpoint=tmp_path / CHECKPOINT))
    kill_in_epoch(0)
    predictions, record = supervised(digits, split, RUN, fit, l="0.2", checkpoint=tmp_path / CHECKPOINT)
    assert predictions is None
    assert (record.status, record.reason) == ("diverged", "a loss was not finite in epoch 4")
    assert repr(without_times(record)) == repr(without_times(expected[1]))  # nan is not nan


# The callback, as a script of one's own uses it.


@pytest.fixture
def learners(digits):
    """`learners(**kwargs)`: the same new classifier every time it is called."""

    def make(**kwargs):
        dls = image_dls(digits, labelled=0.3, seed=0, bs=32, device="cpu")
        learn = classifier_learner(dls.classify, seed=0, precision="float32", cbs=SeedEpochs(0), **kwargs)
        learn.remove_cb(learn.progress)
        learn.logger = lambda row: None
        return learn

    return make


def weights_of(learn):
    return {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("opt_func", [None, Adam, SGD], ids=["fused", "adam", "sgd"])
def test_a_fit_with_any_fastai_optimiser_goes_on(learners, opt_func, tmp_path, kill_in_epoch):
    options = {} if opt_func is None else {"opt_func": opt_func}
    reference = learners(**options)
    reference.fit_one_cycle(4, 1e-2, wd=0.1)
    kill_in_epoch(3)
    assert killed(lambda: learners(**options).fit_one_cycle(4, 1e-2, wd=0.1, cbs=Checkpoint(tmp_path / "c")))
    kill_in_epoch(0)
    learn = learners(**options)
    learn.fit_one_cycle(4, 1e-2, wd=0.1, cbs=Checkpoint(tmp_path / "c"))
    assert same(weights_of(learn), weights_of(reference))
    assert learn.opt.hypers[-1]["lr"] == reference.opt.hypers[-1]["lr"]
    assert learn.train_iter == reference.train_iter
    assert not (tmp_path / "c").exists()  # the fit has ended


def test_an_optimiser_of_torch_is_refused_before_training(learners, tmp_path):
    learn = learners(opt_func=lambda params, lr: OptimWrapper(params, torch.optim.SGD, lr=lr))
    before = weights_of(learn)
    with pytest.raises(ConfigError, match="opt_func: found OptimWrapper, expected an optimiser of fastai's"):
        learn.fit(2, cbs=Checkpoint(tmp_path / "c"))
    assert same(weights_of(learn), before)


def test_watchers_know_the_epochs_before_the_kill(learners, tmp_path, kill_in_epoch):
    reference = learners()
    reference.fit(4, 5e-3, cbs=[history := History(), first := TimeToAccuracy("accuracy", 0.01)])
    assert first.reached.epochs == 1
    kill_in_epoch(3)
    assert killed(lambda: learners().fit(4, 5e-3, cbs=Checkpoint(tmp_path / "c")))
    kill_in_epoch(0)
    watch, rows = TimeToAccuracy("accuracy", 0.01), History()
    learners().fit(4, 5e-3, cbs=[Checkpoint(tmp_path / "c"), watch, rows])
    assert (watch.reached.epochs, watch.reached.images) == (1, first.reached.images)
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in rows.rows]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


def test_other_callbacks_hear_of_no_epoch_that_was_done_before(learners, tmp_path, kill_in_epoch):
    from fastai.callback.core import Callback

    heard = []

    class Listener(Callback):
        order = 80

        def before_epoch(self):
            heard.append(self.epoch)

        def after_epoch(self):
            heard.append(self.epoch)

    kill_in_epoch(3)
    assert killed(lambda: learners().fit(4, cbs=Checkpoint(tmp_path / "c")))
    kill_in_epoch(0)
    learn = learners()
    learn.logger = heard.append
    learn.fit(4, cbs=[Checkpoint(tmp_path / "c"), Listener()])
    assert [x for x in heard if isinstance(x, int)][-4:] == [2, 2, 3, 3]
    assert [len(row) > 2 for row in heard if not isinstance(row, int)] == [True, True]  # no empty rows in the table
    assert len(learn.recorder.values) == 2


def test_validating_predicting_and_lr_find_leave_checkpoint_and_model_alone(learners, tmp_path, kill_in_epoch):
    file = tmp_path / "c"
    kill_in_epoch(3)
    assert killed(lambda: learners().fit(4, cbs=Checkpoint(file)))
    kill_in_epoch(0)
    stored = file.read_bytes()
    learn = learners()
    learn.add_cb(Checkpoint(file))
    before = weights_of(learn)
    learn.validate()
    learn.get_preds()
    learn.lr_find(show_plot=False, num_it=3)
    assert same(weights_of(learn), before)
    assert file.read_bytes() == stored


def test_a_stock_learner_over_stock_loaders_goes_on(tmp_path):
    """Order of batches and dropout come from generators there, not from (seed, epoch)."""
    x = torch.arange(60.0).reshape(20, 3) / 60
    y = x.sum(1, keepdim=True)

    def fit(**options):
        torch.manual_seed(0)
        train = DataLoader(list(zip(x, y, strict=True)), bs=4, shuffle=True)
        train.rng.seed(0)
        valid = DataLoader(list(zip(x, y, strict=True)), bs=20)
        model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
        learn = Learner(DataLoaders(train, valid, device="cpu"), model, torch.nn.functional.mse_loss)
        learn.logger = lambda row: None
        draws = []
        torch.rand(options.pop("disturb", 0))
        with learn.no_mbar():
            learn.fit(5, 1e-2, cbs=options.get("cbs"))
        draws.append((np.random.rand(), float(torch.rand(1))))
        return weights_of(learn), draws

    np.random.seed(3)
    expected = fit()
    np.random.seed(3)
    batch = Learner._do_one_batch

    def one(learn):
        if learn.training and learn.epoch == 3 and learn.iter == 2:
            kill_this_process()
        batch(learn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "_do_one_batch", one)
        assert killed(lambda: fit(cbs=Checkpoint(tmp_path / "c")))
    np.random.seed(99)
    weights, draws = fit(cbs=Checkpoint(tmp_path / "c"), disturb=7)
    assert same(weights, expected[0])
    assert draws == expected[1]


def test_fit_of_another_model_does_not_take_the_checkpoint(learners, digits, tmp_path, kill_in_epoch, capsys):
    file = tmp_path / "c"
    kill_in_epoch(3)
    assert killed(lambda: learners().fit(4, cbs=Checkpoint(file)))
    kill_in_epoch(0)
    dls = image_dls(digits, labelled=0.3, seed=0, bs=32, device="cpu")
    learn = classifier_learner(dls.classify, "conv", seed=0, precision="float32")
    learn.fit(4, cbs=Checkpoint(file))
    assert "of another fit (0.0.bias of the model was" in capsys.readouterr().out


def test_checkpoint_is_exported_lazily_like_all_public_names():
    import sslfast

    assert sslfast.Checkpoint is Checkpoint
    assert Path(sslfast.__file__).parent.joinpath("training/checkpoints.py").exists()
