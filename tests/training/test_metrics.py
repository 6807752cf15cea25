"""RMSE and macro-F1 are those of a whole set, for any batch size."""

import pytest
import torch
from fastai.callback.progress import ProgressCallback
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from sslfast import autoencoder_learner, image_dls
from sslfast.training.metrics import MacroF1


def test_rmse_metric_is_that_of_the_whole_validation_set_for_any_batch_size(digits):
    values = []
    for bs in (32, 600):
        dls = image_dls(digits, seed=0, bs=bs, device="cpu")
        learn = autoencoder_learner(dls.pretrain, "original", seed=0)
        learn.remove_cbs(learn.cbs.filter(lambda cb: isinstance(cb, ProgressCallback)))
        loader = dls.pretrain.valid.new(bs=bs)
        values.append(learn.validate(dl=loader)[-1])
        with torch.no_grad():
            batch = dls.pretrain.valid.new(bs=1000).one_batch()
            expected = float(((learn.model.eval()(batch[0]) - batch[1]) ** 2).mean().sqrt())
        assert values[-1] == pytest.approx(expected, rel=1e-5)
    assert values[0] == pytest.approx(values[1], rel=1e-6)


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_macro_f1_is_scikit_learns_over_the_whole_set_not_a_mean_over_batches(n_classes, n, seed):
    g = torch.Generator().manual_seed(seed)
    scores, true = torch.randn(n, n_classes, generator=g), torch.randint(n_classes, (n,), generator=g)
    metric = MacroF1()
    metric.reset()
    for part in torch.arange(n).split(7):
        metric.accum_values(scores[part].argmax(1), true[part])
    assert metric.value == pytest.approx(f1_score(true.numpy(), scores.argmax(1).numpy(), average="macro"))
