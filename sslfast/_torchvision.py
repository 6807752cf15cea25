"""Let torchvision import beside a torch build that its compiled operators do not fit.

The torchvision wheel on PyPI is compiled for CUDA torch. With the CPU build of torch its
operators cannot be loaded, and `import torchvision` then fails while describing operators that
do not exist. Declaring the two that it describes by name (`nms`, `qnms`) is enough for its data
sets, models and transforms. On an ordinary install nothing is declared.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["install"]

_libraries: list = []  # torch forgets the declarations when the Library object is collected


class _BeforeTorchvision(MetaPathFinder):
    """Runs once, at the first import of torchvision, and then gets out of the way."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            uninstall()
            spec = PathFinder.find_spec(name)
            if spec and spec.submodule_search_locations and not operators_load(spec.submodule_search_locations[0]):
                declare_operators()
        return None  # the ordinary import goes on


_finder = _BeforeTorchvision()


def install() -> None:
    """Watch for the first import of torchvision; no effect if it is imported already."""
    if "torchvision" not in sys.modules and _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


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


def declare_operators() -> None:
    """Declare the schemas of the operators that torchvision describes when it is imported."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "qnms(Tensor dets, Tensor scores, float iou_threshold, float dets_scale, int dets_zero_point,"
        " float scores_scale, int scores_zero_point) -> Tensor"
    )
    _libraries.append(library)
