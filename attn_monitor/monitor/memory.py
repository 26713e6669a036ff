"""Probes in a checkpoint, as plain tensors, lists and texts that any loader of it accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, get_args

import torch
from torch import Tensor

from attn_monitor.core.nouns import Split
from attn_monitor.monitor.calls import ModuleCall
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import ProbeBatch, read

LARGEST: Final = 1 << 26  # bytes; larger probes are chosen anew after a resume
_PLAIN = bool | int | float | str | bytes | None
Types = Mapping[str, type]


class CannotKeepError(Exception):
    """Something that a checkpoint should not hold: an object of a class of one's own."""


def dump_probes(batches: Sequence[ProbeBatch]) -> list[dict[str, Any]]:
    """Return probes as plain values; an empty list where they cannot be kept that way."""
    try:
        found = [
            {
                "split": batch.split,
                "batch": _dump(batch.batch),
                "rows": list(batch.rows),
                "calls": [
                    [c.module, _dump(c.args), _dump(dict(c.kwargs)), c.from_batch]
                    for c in batch.calls
                ],
            }
            for batch in batches
        ]
    except CannotKeepError:
        return []
    return found if sum(map(_size, found)) <= LARGEST else []


def load_probes(
    state: Sequence[Mapping[str, Any]], types: Types, options: MonitorOptions
) -> tuple[ProbeBatch, ...]:
    """Return the probes that :func:`dump_probes` kept.

    Args:
        state: What it returned.
        types: The classes of a batch of this training, by name: none is taken from the checkpoint.
        options: What the user set.

    Raises:
        CannotKeepError: A class is not among ``types``, or the state is not what it should be.
    """
    probes = []
    for entry in state:
        if entry["split"] not in get_args(Split):
            raise CannotKeepError(str(entry["split"]))
        batch = _load(entry["batch"], types)
        calls = [
            ModuleCall(str(name), _load(args, types), _load(kwargs, types), bool(from_batch))
            for name, args, kwargs, from_batch in entry["calls"]
        ]
        probes.append(
            ProbeBatch(
                split=entry["split"],
                batch=batch,
                tokens=read(batch, options),
                rows=tuple(int(row) for row in entry["rows"]),
                calls=tuple(calls),
            )
        )
    return tuple(probes)


def types_in(value: object) -> dict[str, type]:
    """Return the classes of the containers that a batch is made of, by name."""
    found: dict[str, type] = {}
    if isinstance(value, Tensor | _PLAIN):
        return found
    found[_type_name(value)] = type(value)
    for inner in _contents(value):
        found.update(types_in(inner))
    return found


def _contents(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return ()


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _dump(value: object) -> Any:  # noqa: ANN401  # plain values of any kind
    if isinstance(value, Tensor):
        if value.layout != torch.strided or type(value) is not Tensor:
            raise CannotKeepError(str(type(value)))
        return value.detach().cpu().clone()
    if isinstance(value, _PLAIN):
        return value
    name = _type_name(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str | int) for key in value):
            raise CannotKeepError("keys")
        return ["mapping", name, [[key, _dump(inner)] for key, inner in value.items()]]
    if isinstance(value, list | tuple):
        named = "named" if hasattr(value, "_make") else "sequence"
        return [named, name, [_dump(inner) for inner in value]]
    if is_dataclass(value) and not isinstance(value, type):
        pairs = [[f.name, _dump(getattr(value, f.name))] for f in fields(value)]
        return ["fields", name, pairs]
    raise CannotKeepError(name)


def _load(value: Any, types: Types) -> Any:  # noqa: ANN401  # as it was dumped
    if isinstance(value, Tensor | _PLAIN):
        return value
    kind, name, content = value
    plain: dict[str, type] = {"builtins.dict": dict, "builtins.list": list, "builtins.tuple": tuple}
    made = plain.get(name) or types.get(name)
    if made is None:
        raise CannotKeepError(name)
    if kind == "sequence":
        return made([_load(inner, types) for inner in content])
    if kind == "named":
        return made(*[_load(inner, types) for inner in content])
    pairs = {key: _load(inner, types) for key, inner in content}
    if kind == "mapping":
        return made(pairs)
    twin: object = object.__new__(made)
    for key, inner in pairs.items():
        object.__setattr__(twin, key, inner)
    return twin


def _size(value: object) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    inner = value.values() if isinstance(value, Mapping) else value
    return (
        sum(map(_size, inner))
        if isinstance(inner, Iterable) and not isinstance(inner, str | bytes)
        else 0
    )
