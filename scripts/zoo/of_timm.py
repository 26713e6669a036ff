"""timm: of every file of its models that attends, the smallest model of each name."""

from __future__ import annotations

import inspect
import re
import sys

import timm
import torch
from entry import Entry, drawn
from timm.layers import config
from timm.models import _registry
from torch import nn

TITLE = "timm"
_ATTENDS = re.compile(r"softmax|scaled_dot_product|Attention\(")
_MOST_PARAMETERS = 60_000_000
_SIDE = 128
_LESS: tuple[dict[str, object], ...] = (
    {"depth": 2, "img_size": _SIDE},
    {"depths": (1, 1, 1, 1), "img_size": _SIDE},
    {"img_size": _SIDE},
    {"depth": 2},
    {"depths": (1, 1, 1, 1)},
    {"num_classes": 10},
    {},
)
_SMALL = (
    *("test", "pico", "femto", "atto", "nano", "xxtiny", "xxsmall", "xxs", "_xs", "xsmall"),
    *("tiny", "_t0", "_b0", "_m0", "_s0", "_t_", "_t", "26", "_s12", "small", "_s", "mini", "_m"),
    *("lite", "medium", "base", "_b", "large", "_l", "huge", "giant"),
)


def version() -> str:
    """Return the library's version."""
    return str(timm.__version__)


def names() -> list[str]:
    """Return one model per file and kind of name; what no file computes has no entry."""
    chosen = []
    for module, models in sorted(_registry._module_to_models.items()):
        source = inspect.getsource(sys.modules[f"timm.models.{module}"])
        if not _ATTENDS.search(source):
            continue
        stems: dict[str, list[str]] = {}
        for model in sorted(models):
            stems.setdefault(_stem(model), []).append(model)
        chosen += [f"{module}/{min(group, key=_size)}" for group in stems.values()]
    return chosen


def built(name: str) -> Entry:
    """Return a model with few layers and small images, where it takes them."""
    config.set_fused_attn(enable=True)
    for less in _LESS:
        try:
            model = timm.create_model(name.rpartition("/")[2], **less)
            sides = model.pretrained_cfg.get("input_size", (3, 224, 224))
            if "img_size" in less or (less and "depth" not in less):
                sides = (sides[0], _SIDE, _SIDE)
            torch.manual_seed(1)
            entry = Entry(drawn(model), (torch.randn(2, *sides),), also={"eager": _unfused})
            with torch.no_grad():
                entry.run()
        except Exception:  # noqa: S112  # it has no such size
            continue
        if sum(p.numel() for p in model.parameters()) > _MOST_PARAMETERS:
            raise ValueError(f"stays larger than {_MOST_PARAMETERS} parameters")
        return entry
    raise ValueError("cannot be created")


def _stem(model: str) -> str:
    """Return the part of a name that says the architecture, without its size."""
    return re.split(r"[\d_]", model.removeprefix("test_"), maxsplit=1)[0]


def _size(model: str) -> tuple[int, int, str]:
    place = next((at for at, word in enumerate(_SMALL) if word in model), len(_SMALL))
    numbers = [int(n) for n in re.findall(r"\d{3}", model)]
    return place, max(numbers, default=224), model


def _unfused(model: nn.Module) -> bool:
    """Let every attention of a model compute step by step; says whether one did otherwise."""
    fused = [m for m in model.modules() if getattr(m, "fused_attn", False) is True]
    for module in fused:
        module.fused_attn = False
    return bool(fused)
