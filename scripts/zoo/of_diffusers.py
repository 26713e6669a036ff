"""diffusers: the small configurations that its own tests use, from a copy of its source.

``ZOO_DIFFUSERS`` names the folder of that copy, which holds ``tests/models``.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import diffusers
import torch
from diffusers.models import attention_processor
from entry import Entry, drawn
from torch import nn

TITLE = "diffusers"
_FOLDERS = ("transformers", "unets", "autoencoders")


def version() -> str:
    """Return the library's version."""
    return str(diffusers.__version__)


def _source() -> Path:
    folder = os.environ.get("ZOO_DIFFUSERS")
    if not folder:
        raise LookupError("ZOO_DIFFUSERS is not set; wanted: a folder with diffusers' tests/models")
    return Path(folder)


def names() -> list[str]:
    """Return the tests' configurations: a class each that says how a model is built and fed."""
    found = []
    for folder in _FOLDERS:
        for path in sorted((_source() / "tests" / "models" / folder).glob("test_*.py")):
            found += [
                f"{folder}/{path.stem}/{node.name}"
                for node in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(node, ast.ClassDef) and _configures(node)
            ]
    _import_all(found)
    return found


def _import_all(found: Iterable[str]) -> None:
    """Import the tests before any process is forked: that takes half a minute."""
    _stand_ins()
    for name in found:
        folder, file, _ = name.split("/")
        with suppress(Exception):  # the entry says so
            importlib.import_module(f"tests.models.{folder}.{file}")


def _configures(node: ast.ClassDef) -> bool:
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    return "model_class" in methods or bool(
        methods & {"get_init_dict", "prepare_init_args_and_inputs_for_common"}
    )


def built(name: str) -> Entry:
    """Return a model and what its test gives it."""
    folder, file, cls = name.split("/")
    if "tests" not in sys.modules:
        _stand_ins()
    module = importlib.import_module(f"tests.models.{folder}.{file}")
    case = getattr(module, cls)()
    if hasattr(case, "get_init_dict"):
        settings, inputs = case.get_init_dict(), case.get_dummy_inputs()
    else:
        settings, inputs = case.prepare_init_args_and_inputs_for_common()
    torch.manual_seed(0)
    model = case.model_class(**settings)
    also: dict[str, Callable[[nn.Module], object]] = {"eager": _unfused}
    if hasattr(model, "set_attention_slice"):
        also["slices"] = lambda m: (_unfused(m), m.set_attention_slice("max"))
    return Entry(drawn(model), (), _on_cpu(inputs), also)


def _on_cpu(inputs: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in inputs.items() if n != "generator"}


def _unfused(model: nn.Module) -> bool:
    """Let attention compute step by step; says whether any can."""
    plain = attention_processor.AttnProcessor2_0, attention_processor.AttnProcessor
    found = False
    for module in model.modules():
        if type(getattr(module, "processor", None)) is plain[0]:
            module.set_processor(plain[1]())
            found = True
    return found


class _StandIn(ModuleType):
    """A module of the tests that only decorates and mixes in."""

    __path__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "torch_device":
            return "cpu"
        if name == "floats_tensor":
            return lambda shape, *_, **__: torch.rand(shape)
        if name[0].isupper():
            return type(name, (), {"torch_dtype": torch.float32})
        return _Nothing()


class _Nothing:
    """Stands for a decorator, with arguments or without, and for what decorators hang on."""

    def __call__(self, *args: Any, **_kwargs: Any) -> Any:
        """Return what is decorated."""
        return args[0] if len(args) == 1 and callable(args[0]) else self

    def __getattr__(self, name: str) -> Any:
        """Return another."""
        return self


def _stand_ins() -> None:
    for name in ("tests", "tests.models", *(f"tests.models.{f}" for f in _FOLDERS)):
        module = ModuleType(name)
        module.__path__ = [str(_source() / name.replace(".", "/"))]
        sys.modules[name] = module
    for name in (
        *("tests.testing_utils", "tests.models.testing_utils", "tests.models.test_modeling_common"),
        *(
            "tests.models.autoencoders.testing_utils",
            "parameterized",
            "tests.models.unets.testing_utils",
        ),
    ):
        sys.modules[name] = _StandIn(name)
