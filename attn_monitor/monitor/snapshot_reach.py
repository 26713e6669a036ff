"""What a snapshot enters, and what it passes by."""

from __future__ import annotations

import collections
import dis
import functools
import itertools
import operator
import re
import types
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

ATOMIC: Final = frozenset(
    {
        int,
        float,
        str,
        bool,
        bytes,
        complex,
        type(None),
        type,
        range,
        slice,
        frozenset,
        types.ModuleType,
    }
    | {types.BuiltinFunctionType, types.GetSetDescriptorType, types.CodeType, property, Decimal}
    | {
        torch.dtype,
        torch.device,
        torch.Size,
        torch.layout,
        np.dtype,
        Fraction,
        UUID,
        date,
        timedelta,
    }
)
LARGEST_ARRAY: Final = 1 << 28  # bytes; whole data sets are not what a forward pass writes to
MOST_OBJECTS: Final = 500_000
NOT_ENTERED: Final = (DataLoader, Dataset, Sampler, PurePath)
TRAINER: Final = frozenset({"_trainer", "_fabric", "_jit_module", "trainer"})
COUNTERS: Final[tuple[type, ...]] = (
    itertools.count,
    type(iter([])),
    type(iter(())),
    type(iter(range(0))),
)
MACHINERY: Final = tuple(vars(nn.Module()))
PLAIN_HOLDERS: Final = frozenset({dict, collections.OrderedDict, set})
_OF_MODULES: Final = re.compile(r"\._(?:buffers|parameters|modules)\['([^']*)'\]")
Parent = tuple[object, str]  # the parent of its holder, and its name there


def differ(now: Mapping[Any, object], before: Mapping[Any, object]) -> bool:
    """Return whether two mappings hold other things, or in another order."""
    same = (
        len(now) == len(before)
        and all(map(operator.is_, now.keys(), before.keys()))
        and all(map(operator.is_, now.values(), before.values()))
    )
    return not same


@functools.lru_cache(4096)
def globals_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the global names that a function reads or sets, those of functions in it included."""
    names = [i.argval for i in dis.get_instructions(code) if "GLOBAL" in i.opname]
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names += globals_of(inner)
    return tuple(dict.fromkeys(names))


def is_data(value: object) -> bool:
    """Return whether a global name stands for something that a function may change."""
    return not isinstance(value, type | types.ModuleType | types.BuiltinFunctionType)


def name_of(parent: Parent) -> str:
    """Return what to call something by the way to it."""
    names: list[str] = []
    at: object = parent
    while isinstance(at, tuple):
        names.append(at[1])
        at = at[0]
    # What nn.Module keeps in dicts is an attribute to whoever wrote it.
    return _OF_MODULES.sub(r".\1", "".join(reversed(names)))
