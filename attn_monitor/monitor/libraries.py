"""Whose code and objects are left alone: those of libraries that keep threads, files or caches."""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from typing import Final

from torch import nn

# Objects of these hold locks, threads, queues and files, or the machinery of the training itself.
_LIBRARIES: Final = frozenset(
    {"lightning", "pytorch_lightning", "lightning_fabric", "attn_monitor", "tensorboard", "tqdm"}
    | {"tensorboardX", "wandb", "mlflow", "neptune", "comet_ml", "aim", "swanlab", "clearml"}
    | {"rich", "logging", "threading", "queue", "multiprocessing", "concurrent", "asyncio"}
    | {"importlib", "weakref", "_weakref", "ctypes", "inspect", "typing", "abc", "enum"}
    | {"socket", "ssl", "subprocess", "sqlite3", "contextvars", "builtins", "torchgen", "sympy"}
)
_TORCH: Final = (
    "torch.optim",
    "torch.utils.tensorboard",
    "torch.utils.data",
    "torch.distributed",
    "torch._dynamo",
    "torch._inductor",
    "torch.fx",
    "torch.jit",
    "torch._C",
    "torch.cuda",
    "torch.autograd",
    "torch._ops",
)


def is_library_object(obj: object) -> bool:
    """Return whether an object is not entered; of a class: whether it is a library's."""
    if isinstance(obj, type):
        return _is_installed(getattr(obj, "__module__", ""))
    module = type(obj).__module__
    if module.partition(".")[0] in _LIBRARIES or module.startswith(_TORCH):
        return not isinstance(obj, nn.Module)
    return False


def is_library_module(module: types.ModuleType) -> bool:
    """Return whether a module is part of Python or of an installed package."""
    return _is_installed(module.__name__)


@functools.cache
def _is_installed(module: str) -> bool:
    if module.partition(".")[0] in _LIBRARIES or module == "__main__":
        return module != "__main__"
    held = sys.modules.get(module)
    file = getattr(held, "__file__", None)
    if file is not None:
        return is_library_code(file)
    package, _, inner = module.partition(".")
    if inner:
        return _is_installed(package)
    # Made by the user's own code, or executed by it and never registered: neither was imported.
    made = getattr(held, "__spec__", None) is None and not module.startswith("_")
    return module in sys.builtin_module_names or not made


@functools.cache
def is_library_code(file: str) -> bool:
    """Return whether a file is part of Python or of an installed package."""
    places = sysconfig.get_paths()
    standard = {places["stdlib"], places["platstdlib"]}
    return (
        file.startswith("<frozen")
        or "site-packages" in file
        or "dist-packages" in file
        or any(file.startswith(place) for place in standard)
    )
