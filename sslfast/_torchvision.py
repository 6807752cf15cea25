"""Let torchvision import beside a torch build that its compiled operators do not fit.

The torchvision wheel on PyPI is compiled for CUDA torch. With the CPU build of torch its operators cannot be loaded,
and `import torchvision` then fails while describing operators that do not exist. Declaring the two that it describes
by name (`nms`, `qnms`) is enough for its data sets, models and transforms.
"""

import functools
import sys
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["make_importable"]

_libraries: list = []  # torch forgets the declarations when the Library object is collected


@functools.cache
def make_importable() -> None:
    """Declare torchvision's operators where its compiled ones do not load; no effect on an ordinary install.

    Called before sslfast imports torchvision, or timm, which does; and where a user takes a public name that imports
    torch, so that `from fastai.vision.all import *` works after `from sslfast import image_dls`.
    """
    if "torchvision" in sys.modules:
        return
    spec = PathFinder.find_spec("torchvision")
    if spec and spec.submodule_search_locations and not operators_load(spec.submodule_search_locations[0]):
        _declare_operators()


def operators_load(folder: str | Path) -> bool:
    """Whether the compiled operators in torchvision's `folder` fit the torch that is installed."""
    import torch

    for library in sorted(Path(folder).glob("_C*.so")) + sorted(Path(folder).glob("_C*.pyd")):
        try:
            torch.ops.load_library(library)
            return True
        except OSError:
            continue
    return False


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "qnms(Tensor dets, Tensor scores, float iou_threshold, float dets_scale, int dets_zero_point,"
        " float scores_scale, int scores_zero_point) -> Tensor"
    )
    _libraries.append(library)
