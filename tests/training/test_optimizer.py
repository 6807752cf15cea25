"""The fused Adam against fastai's own."""

import copy

import pytest
import torch
from fastai.optimizer import Adam
from torch import nn

from sslfast.training.optimizer import FusedAdam, fused_adam


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    )


def take_steps(net: nn.Module, opt, n: int, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        net(torch.randn(16, 3, 8, 8, generator=generator)).square().mean().backward()
        opt.step()
        opt.zero_grad()


def optimizer(make, net: nn.Module, **hypers):
    groups = [list(net[:2].parameters()), list(net[2:].parameters())]
    opt = make(groups, lr=1e-3, **hypers)
    opt.set_hypers(lr=[1e-3, 1e-2])
    for p in net[1].parameters():
        opt.state[p]["do_wd"] = False  # as a Learner does for normalisation
    return opt


@pytest.mark.parametrize("hypers", [{}, {"wd": 0.0}, {"wd": 0.3}, {"mom": 0.5, "sqr_mom": 0.9, "eps": 1e-3}])
def test_takes_the_steps_of_fastais_adam(hypers):
    ours, theirs = model(), model()
    take_steps(ours, optimizer(fused_adam, ours, **hypers), 30)
    take_steps(theirs, optimizer(Adam, theirs, **hypers), 30)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("first", [Adam, fused_adam])
def test_goes_on_from_a_stored_state_of_either_optimizer(first):
    whole, parts = model(), model()
    take_steps(whole, optimizer(fused_adam, whole, wd=0.1), 10, seed=1)
    take_steps(parts, opt := optimizer(first, parts, wd=0.1), 10, seed=1)
    again = optimizer(fused_adam, parts, wd=0.1)
    again.load_state_dict(copy.deepcopy(opt.state_dict()))
    opt_whole = optimizer(fused_adam, whole, wd=0.1)
    opt_whole.load_state_dict(copy.deepcopy(opt.state_dict()))
    take_steps(whole, opt_whole, 5, seed=2)
    take_steps(parts, again, 5, seed=2)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_leaves_parameters_without_gradient_alone_and_drops_gradients():
    net = model()
    opt = optimizer(fused_adam, net, wd=0.5)
    frozen = {k: v.clone() for k, v in net[:2].state_dict().items() if "running" not in k and "num" not in k}
    net[:2].requires_grad_(False)
    take_steps(net, opt, 3)
    assert all(torch.equal(v, net[:2].state_dict()[k]) for k, v in frozen.items())
    assert all(p.grad is None for p in net.parameters())


def test_is_fastais_adam_where_torch_has_no_fused_kernel(monkeypatch):
    assert isinstance(fused_adam(list(model().parameters()), 1e-3), FusedAdam)
    monkeypatch.setattr("sslfast.training.optimizer._KERNEL", None)
    stock = fused_adam(list(model().parameters()), 1e-3)
    assert not isinstance(stock, FusedAdam)
    net = model()
    take_steps(net, fused_adam(list(net.parameters()), 1e-3), 2)


def test_l2_regularisation_and_closures_are_as_in_fastai():
    ours, theirs = model(), model()
    for net, make in ((ours, fused_adam), (theirs, Adam)):
        take_steps(net, optimizer(make, net, wd=0.3, decouple_wd=False), 10)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    with pytest.raises(NotImplementedError, match="closure"):
        fused_adam(list(model().parameters()), 1e-3).step(lambda: None)
