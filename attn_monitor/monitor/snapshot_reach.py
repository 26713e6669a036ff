"""What a snapshot enters, and what it passes by."""

from __future__ import annotations

import collections
import csv
import dis
import functools
import gc
import io
import itertools
import operator
import re
import types
import weakref
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

import numpy as np
import torch
from torch import nn

ATOMIC: Final = frozenset(
    {
        int,
        float,
        str,
        bool,
        bytes,
        complex,
        type(None),
        range,
        slice,
        frozenset,
        types.ModuleType,
    }
    | {types.BuiltinFunctionType, types.GetSetDescriptorType, types.CodeType, Decimal}
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
MOST_OBJECTS: Final = 500_000

TRAINER: Final = frozenset({"_trainer", "_fabric", "_jit_module", "trainer"})
COUNTERS: Final[tuple[type, ...]] = (
    itertools.count,
    type(iter([])),
    type(iter(())),
    type(iter(range(0))),
)
DEFINED: Final = (
    types.FunctionType,
    classmethod,
    staticmethod,
    property,
    functools.cached_property,
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.BuiltinFunctionType,
)  # what a class statement makes and nobody changes
CACHED: Final = type(functools.lru_cache(len))
ABSENT: Final = object()
NAMESPACE: Final = frozenset({"__name__", "__spec__", "__loader__"})
MACHINERY: Final = tuple(vars(nn.Module()))
PLAIN: Final = frozenset({int, float, str, bool, type(None)})
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


def leads_to(obj: object) -> tuple[object, ...] | None:
    """Return what something without state of its own leads to; ``None`` of another thing."""
    for kind, lead in _LEADS:
        if isinstance(obj, kind):
            return lead(obj)
    return None


def _written_to(writer: object) -> tuple[object, ...]:
    """Return the file that a writer of `csv` writes to: it shows it to the collector alone."""
    methods = (m for m in gc.get_referents(writer) if isinstance(m, types.BuiltinMethodType))
    return tuple(m.__self__ for m in methods)


def _seen_through(view: object) -> tuple[object, ...]:
    return tuple(gc.get_referents(view))


_Lead = Callable[[Any], tuple[object, ...]]
_LEADS: Final[tuple[tuple[Any, _Lead], ...]] = (
    (types.MethodType, lambda obj: (obj.__self__, obj.__func__)),
    (functools.partial, lambda obj: (obj.func, obj.args, obj.keywords)),
    (property, lambda obj: (obj.fget, obj.fset, obj.fdel)),
    (classmethod | staticmethod, lambda obj: (obj.__func__,)),
    (functools.cached_property, lambda obj: (obj.func,)),
    (CACHED, lambda obj: (obj.__wrapped__,)),
    (weakref.ReferenceType, lambda obj: (obj(),)),
    (weakref.WeakKeyDictionary, lambda obj: (obj.data,)),
    (weakref.WeakValueDictionary, lambda obj: (obj.data,)),
    (weakref.WeakSet, lambda obj: (obj.data,)),
    # Not the names of a class, which have a view of this kind as well.
    (types.MappingProxyType, lambda obj: () if "__module__" in obj else _seen_through(obj)),
    (memoryview, lambda obj: (obj.obj,)),
    (type(csv.writer(io.StringIO())), _written_to),
)


@functools.lru_cache(4096)
def globals_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the global names that a function reads or sets, those of functions in it included."""
    names = [i.argval for i in dis.get_instructions(code) if "GLOBAL" in i.opname]
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names += globals_of(inner)
    return tuple(dict.fromkeys(names))


@functools.lru_cache(4096)
def names_in(code: types.CodeType) -> frozenset[str]:
    """Return every name that a function reads or sets, attributes and inner functions included."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return frozenset(code.co_names).union(*map(names_in, inner))


def is_data(value: object) -> bool:
    """Return whether a global name stands for something that a function may change."""
    other = type | types.ModuleType | types.BuiltinFunctionType
    return value is not ABSENT and not isinstance(value, other)


def name_of(parent: Parent) -> str:
    """Return what to call something by the way to it."""
    names: list[str] = []
    at: object = parent
    while isinstance(at, tuple):
        names.append(at[1])
        at = at[0]
    # What nn.Module keeps in dicts is an attribute to whoever wrote it.
    return _OF_MODULES.sub(r".\1", "".join(reversed(names)))
