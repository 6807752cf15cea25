"""Checkpoints of a fit: after a kill at any time, the same call resumes from the last complete epoch."""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fastai
import numpy as np
import torch
from fastai.callback.core import Callback, CancelEpochException
from fastai.optimizer import Optimizer
from torch import Tensor

from ..data.batches import BatchDL
from ..errors import ConfigError, RecordError
from ..study.version import code_version
from .callbacks import EpochWatcher, History
from .states import read_state, write_state

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Saves a fit in `file` after every epoch, so that the same fit of a new learner can resume there.

    On a CPU the result is bit for bit that of a fit without a break. Model, optimiser, random generators, order of
    batches, smoothed loss, and the rows and clock of every `EpochWatcher` are restored; schedules follow from the
    epoch. Your own callbacks start anew.

    `about`: texts and numbers that identify the fit, together with the number of epochs, device, threads and versions.
    If the file belongs to another fit or is damaged, a printed line says why, the file is removed, and training starts
    anew. The last epoch is not saved, and the file is removed at the end of the fit unless `keep`. After the fit,
    `seconds` is the time that the epochs before the break took. Raises `ConfigError` for an optimiser that is not
    fastai's.

    Example: `learn.fit_one_cycle(10, cbs=Checkpoint("autoencoder.safetensors", seed=0))`.
    """

    order = -1000  # before all others, which must not see the events of epochs that were trained before the break

    def __init__(self, file: str | Path, keep: bool = False, **about: object):
        self.file, self.keep, self.about = Path(file), keep, about

    def before_fit(self):
        self.done, self.silenced = None, []  # done: how many epochs need no training; known once training begins
        self.seconds = 0.0
        if not any(isinstance(cb, History) for cb in self.learn.cbs):
            self.learn.add_cb(History())

    def before_epoch(self):
        self._silence([])
        if self.done is not None and self.epoch > self.done:  # the previous epoch was trained, and every callback ran
            self._save()

    def before_train(self):
        if hasattr(self.learn, "lr_finder"):
            return
        if self.done is None:
            self.done = self._restore()
        if self.epoch < self.done:
            self._silence([cb for cb in self.learn.cbs if cb is not self and cb.run])
            raise CancelEpochException

    def after_fit(self):
        if self.done is not None and not self.keep:
            self.file.unlink(missing_ok=True)

    def _silence(self, callbacks: list[Callback]) -> None:
        for cb in self.silenced:
            cb.run = True
        for cb in callbacks:
            cb.run = False
        self.silenced = callbacks

    def _save(self) -> None:
        try:
            write_state(self.file, self._about_now(), {"done": self.epoch, **_state_of(self.learn)})
        except OSError as error:  # a full disk, say: training goes on without this checkpoint
            print(f"{self.file}: not saved after epoch {self.epoch} ({error}); training goes on", flush=True)

    def _restore(self) -> int:
        """Restore the learner from the file, if there is one. Returns how many epochs were trained already."""
        if not isinstance(self.learn.opt, Optimizer):
            raise ConfigError(
                f"opt_func: found {type(self.learn.opt).__name__}, expected an optimiser of fastai's for Checkpoint"
            )
        if not self.file.exists():
            return 0
        try:
            about, state = read_state(self.file)
            if why := _difference(about, self._about_now()) or _misfit(self.learn, state):
                raise RecordError(f"{self.file}: of another fit ({why})")
        except RecordError as error:
            print(f"{error}; it is removed and training begins anew", flush=True)
            self.file.unlink(missing_ok=True)
            return 0
        _bring_to(self.learn, state)
        self.seconds = state["rows"][-1]["seconds"]
        print(f"goes on after epoch {state['done']} of {self.n_epoch}, saved in {self.file}", flush=True)
        return state["done"]

    def _about_now(self) -> dict:
        fit = {
            "epochs": self.n_epoch,
            "device": _device(self.learn).type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "fastai": fastai.__version__,
            "code_version": code_version(),
        }
        return json.loads(json.dumps({**fit, **self.about}, default=str))


def _state_of(learn) -> dict:
    """Everything that the next epochs depend on."""
    smooth = learn.recorder.smooth_loss
    return {
        "model": learn.model.state_dict(),
        "optimiser": [dict(learn.opt.state[p]) for p in _parameters(learn)],
        "hypers": [dict(group) for group in learn.opt.hypers],
        "generators": _generators(_device(learn)),
        "loaders": [dl.epoch if isinstance(dl, BatchDL) else _as_tensor(dl.rng.getstate()) for dl in learn.dls.loaders],
        "smooth_loss": {"value": smooth.val, "count": smooth.count},
        "batches": learn.train_iter,
        "rows": next(cb for cb in learn.cbs if isinstance(cb, History)).rows,
    }


def _bring_to(learn, state: Mapping) -> None:
    learn.model.load_state_dict(state["model"])
    for p, stored in zip(_parameters(learn), state["optimiser"], strict=True):
        learn.opt.state[p] = {name: _like(p, value) for name, value in stored.items()}
    for group, stored in zip(learn.opt.hypers, state["hypers"], strict=True):
        group.update(stored)
    _set_generators(_device(learn), state["generators"])
    for dl, stored in zip(learn.dls.loaders, state["loaders"], strict=True):
        if isinstance(dl, BatchDL):
            dl.epoch = stored
        else:
            dl.rng.setstate(_as_tuples(stored))
    smooth = learn.recorder.smooth_loss
    smooth.val, smooth.count = state["smooth_loss"]["value"], state["smooth_loss"]["count"]
    learn.train_iter = state["batches"]
    for watcher in learn.cbs:
        if isinstance(watcher, EpochWatcher):
            watcher.resume(state["rows"])


def _difference(found: Mapping, wanted: Mapping) -> str | None:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            return f"{name} was {found.get(name)!r}, is {wanted.get(name)!r}"
    return None


def _misfit(learn, state: Mapping) -> str | None:
    """What part of `state` does not fit the learner, or None; checked before the learner is changed."""
    own, stored = learn.model.state_dict(), state["model"]
    for name in sorted(own.keys() | stored.keys()):
        if _kind(own.get(name)) != _kind(stored.get(name)):
            return f"{name} of the model was {_kind(stored.get(name))}, is {_kind(own.get(name))}"
    if len(state["optimiser"]) != len(list(_parameters(learn))) or len(state["hypers"]) != len(learn.opt.hypers):
        return "other groups of parameters"
    if len(state["loaders"]) != len(learn.dls.loaders):
        return "another number of DataLoaders"
    return None


def _kind(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else f"{tensor.dtype} {list(tensor.shape)}"


def _device(learn) -> torch.device:
    return torch.device(learn.dls.device or "cpu")


def _parameters(learn) -> Iterator[Tensor]:
    return (p for group in learn.opt.param_lists for p in group)


def _like(p: Tensor, value):
    """A stored `value` on the device of `p`; in the memory layout of `p`, too, if it has the shape of `p`."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty_like(p, dtype=value.dtype).copy_(value) if value.shape == p.shape else value.to(p.device)


def _generators(device: torch.device) -> dict:
    """The global generators: Python's, numpy's, torch's for the CPU and for `device`."""
    of_numpy: Any = np.random.get_state()  # a tuple here; numpy's annotation also allows a dictionary
    kind, keys, *rest = of_numpy
    states = {
        "python": _as_tensor(random.getstate()),
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_generators(device: torch.device, states: Mapping) -> None:
    random.setstate(_as_tuples(states["python"]))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if "mps" in states:
        torch.mps.set_rng_state(states["mps"])


def _as_tensor(state: tuple) -> list:
    """A state of Python's `random` with its 625 numbers as a tensor, which is stored much faster than a list."""
    version, numbers, gauss = state
    return [version, torch.tensor(numbers), gauss]


def _as_tuples(state: list) -> tuple:
    version, numbers, gauss = state
    return version, tuple(numbers.tolist()), gauss
