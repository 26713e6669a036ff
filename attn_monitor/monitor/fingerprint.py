"""A fingerprint of everything that a replay could disturb in a training."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from attn_monitor.capture.tensors import own_part

_WORD: Final = 8  # bytes of the integers that are summed
_SAMPLED: Final = 1 << 10  # numbers summed of a tensor of which all need not be
_STATES: Final = 16  # tensors of the optimizers whose numbers are looked at
_INTEGERS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a training stands at; two are equal where nothing moved in between.

    Attributes:
        parameters: The numbers of every parameter, summed as integers, with the counters of their
            changes.
        weights: The sampled :func:`sums` of the parameters.
        buffers: Likewise of the buffers.
        optimizer: The counters of the optimizers' state, with sampled numbers of some of it.
        random: The random state of Python, numpy, torch and the devices.
        batches: How many batches the trainer was given.
    """

    parameters: str
    weights: list[int]
    buffers: str
    optimizer: str
    random: str
    batches: str

    @property
    def digest(self) -> str:
        """All of it in a few characters."""
        return _digest([self.parameters, self.buffers, self.optimizer, self.random, self.batches])

    def differs_from(self, other: Fingerprint) -> tuple[str, ...]:
        """Return the names of what is not the same."""
        names = ("parameters", "buffers", "optimizer", "random", "batches")
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))


def fingerprint(
    model: nn.Module,
    *,
    optimizers: Sequence[object] = (),
    batches: object = "",
    sampled: bool = False,
) -> Fingerprint:
    """Return the fingerprint of a training as it stands.

    Args:
        model: The model that is trained.
        optimizers: Its optimizers.
        batches: Whatever counts the batches that came so far.
        sampled: Read some numbers of large tensors only.
    """
    parameters, buffers = list(model.parameters()), list(model.buffers())
    devices = {p.device.index or 0 for p in parameters if p.device.type == "cuda"}
    state = _random_state(devices)  # first: what follows could draw from it
    weights = sums(parameters, sampled=True)
    return Fingerprint(
        parameters=_digest(
            [*map(_counter, parameters), *(weights if sampled else sums(parameters))]
        ),
        weights=weights,
        buffers=_digest([*map(_counter, buffers), *sums(buffers, sampled=sampled)]),
        optimizer=_digest(_optimizer_state(optimizers)),
        random=_digest(state),
        batches=str(batches),
    )


def _counter(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place, as far as that is counted."""
    return 0 if tensor.is_inference() else tensor._version


def sums(tensors: Iterable[Tensor], *, sampled: bool = False) -> list[int]:
    """Return, per tensor, the sum of its bytes read as integers, wrapping around.

    Args:
        tensors: Any tensors; of sparse, nested and absent ones the sum is 0.
        sampled: Read some numbers of a large tensor only.
    """
    found: dict[tuple[torch.device, torch.dtype, int], list[tuple[int, Tensor]]] = {}
    total: list[int] = []
    with torch.inference_mode(mode=False), torch.no_grad():
        for at, tensor in enumerate(tensors):
            total.append(0)
            plain = None if is_lazy(tensor) else _plain(own_part(tensor.detach()))
            if plain is None:
                continue
            each = _some(plain) if sampled else _sum(plain.reshape(-1))
            found.setdefault((each.device, each.dtype, len(each)), []).append((at, each))
        for pairs in found.values():
            # One sum and one transfer for all that are alike, not one per tensor.
            values = torch.stack([each for _, each in pairs]).sum(dim=1, dtype=torch.int64)
            for (at, _), value in zip(pairs, values.tolist(), strict=True):
                total[at] = int(value)
    return total


def _plain(tensor: Tensor) -> Tensor | None:
    """Return a tensor's numbers without gaps; ``None`` if it has none that can be read."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return None
    if tensor.numel() == 0:
        return None
    whole = tensor if tensor.is_contiguous() else tensor.contiguous()
    return torch.view_as_real(whole) if whole.is_complex() else whole


def _some(tensor: Tensor) -> Tensor:
    """Return at most :data:`_SAMPLED` of the numbers, as integers."""
    count = tensor.numel()
    integers = tensor.view(_INTEGERS[tensor.element_size()])
    return integers.as_strided((min(count, _SAMPLED),), (max(1, count // _SAMPLED),))


def _sum(flat: Tensor) -> Tensor:
    """Return the sum of the bytes, as the only entry."""
    data = flat.view(torch.uint8)
    whole = len(data) // _WORD * _WORD
    aligned = data.data_ptr() % _WORD == 0 and data.storage_offset() % _WORD == 0
    if not (whole and aligned):
        return data.sum(dtype=torch.int64)[None]
    words = data[:whole].view(torch.int64)
    total = words.sum()
    rest = data[whole:]
    return (total + rest.sum(dtype=torch.int64) if len(rest) else total)[None]


def _optimizer_state(optimizers: Sequence[object]) -> list[object]:
    found: list[object] = []
    tensors: list[Tensor] = []
    for optimizer in optimizers:
        state = getattr(optimizer, "state", {})
        for entry in state.values() if isinstance(state, Mapping) else ():
            for value in entry.values() if isinstance(entry, Mapping) else ():
                if isinstance(value, Tensor):
                    tensors.append(value)
                elif isinstance(value, int | float):
                    found.append(value)
        for group in getattr(optimizer, "param_groups", ()):
            found += [v for v in group.values() if isinstance(v, int | float | bool)]
    found += map(_counter, tensors)
    return [*found, *sums(tensors[:: len(tensors) // _STATES + 1], sampled=True)]


def _random_state(devices: Iterable[int]) -> list[object]:
    states: list[object] = [
        random.getstate(),
        _numpy_state(),
        torch.get_rng_state().numpy().tobytes(),
    ]
    return states + [torch.cuda.get_rng_state(i).numpy().tobytes() for i in sorted(devices)]


def _numpy_state() -> bytes:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  # the one that others draw from
    return repr((name, rest)).encode() + np.asarray(keys).tobytes()


def _digest(values: Sequence[object]) -> str:
    joined = hashlib.blake2b(digest_size=8)
    for value in values:
        if isinstance(value, bytes):
            joined.update(value)
    joined.update(repr([value for value in values if not isinstance(value, bytes)]).encode())
    return joined.hexdigest()
