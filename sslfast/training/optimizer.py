"""fastai's Adam in one fused kernel for all parameters, instead of about ten operations per parameter."""

from typing import Any

import torch
from fastai.optimizer import Adam, Optimizer
from torch import Tensor

__all__ = ["FusedAdam", "fused_adam"]

# torch's fused kernel, or None; called directly, since its wrapper in `torch.optim` takes a second to import
_KERNEL: Any = getattr(torch, "_fused_adamw_", None)


def fused_adam(params, lr: float, **hypers: float) -> Optimizer:
    """fastai's `Adam(params, lr, mom, sqr_mom, eps, wd)`, as a `FusedAdam` if this version of torch has the kernel.

    With `decouple_wd=False` (L2 regularisation instead of decoupled weight decay) it is fastai's own Adam.
    """
    stock = Adam(params, lr, **hypers)
    return FusedAdam(stock) if _KERNEL and hypers.get("decouple_wd", True) else stock


class FusedAdam(Optimizer):
    """The optimiser `stock` (a fastai `Adam` with decoupled weight decay), with one kernel call per parameter group.

    Results agree with fastai's Adam up to rounding, and its state dicts can be loaded. `zero_grad` sets gradients to
    None, so that a parameter which is frozen later is no longer updated.

    Source: Kingma and Ba 2015, Adam; Loshchilov and Hutter 2019, decoupled weight decay.
    """

    def __init__(self, stock: Optimizer):
        super().__init__(list(map(list, stock.param_lists)), stock.cbs)
        self.hypers = stock.hypers

    def zero_grad(self) -> None:
        for group in self.param_lists:
            for p in group:
                p.grad = None

    def step(self, closure=None) -> None:
        if closure is not None:
            super().step(closure)  # raises: fastai's optimisers take no closure
        for group, hyper in zip(self.param_lists, self.hypers, strict=True):
            decayed: list[Tensor] = []
            spared: list[Tensor] = []  # biases and normalisation, unless the learner says otherwise
            for p in group:
                if p.grad is not None:
                    (decayed if hyper["wd"] and self.state[p].get("do_wd", True) else spared).append(p)
            self._update(decayed, hyper, hyper["wd"])
            self._update(spared, hyper, 0.0)

    def _update(self, params: list[Tensor], hyper: dict, wd: float) -> None:
        if not params:
            return
        states = [self._state(p) for p in params]
        steps = [s["step"] for s in states]
        torch._foreach_add_(steps, 1)
        _KERNEL(
            params,
            [p.grad for p in params],
            [s["grad_avg"] for s in states],
            [s["sqr_avg"] for s in states],
            [],
            steps,
            amsgrad=False,
            lr=float(hyper["lr"]),
            beta1=float(hyper["mom"]),
            beta2=float(hyper["sqr_mom"]),
            weight_decay=wd,
            eps=hyper["eps"],
            maximize=False,
            grad_scale=None,
            found_inf=None,
        )

    def _state(self, p: Tensor) -> dict:
        state = self.state[p]
        if "grad_avg" not in state:
            state |= {"grad_avg": torch.zeros_like(p), "sqr_avg": torch.zeros_like(p), "step": 0}
        if not isinstance(state["step"], Tensor):  # fastai's Adam counts in Python
            state["step"] = torch.tensor(float(state["step"]), device=p.device)
        return state
