"""Which tensors an operator is about to write to, said before it does: in time for a copy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from torch import Tensor

_Listener = Callable[[Tensor], None]
AWAITED: Final[list[_Listener]] = []  # asked at every operator whether there is one


@contextmanager
def before_writes(listener: _Listener) -> Iterator[None]:
    """Call ``listener`` with each tensor that an operator in a capture will write to."""
    AWAITED.append(listener)
    try:
        yield
    finally:
        AWAITED.remove(listener)


def announce(func: object, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
    """Tell the listeners what an operator is about to write to."""
    for place, name in _written(func):
        value = args[place] if place < len(args) else kwargs.get(name)
        for tensor in value if isinstance(value, list | tuple) else (value,):
            if isinstance(tensor, Tensor):
                for listener in AWAITED:
                    listener(tensor)


@functools.lru_cache(4096)
def _written(func: object) -> tuple[tuple[int, str], ...]:
    """Return the arguments that an operator writes to, by their place and name."""
    schema: Any = getattr(func, "_schema", None)
    if schema is None or not schema.is_mutable:
        return ()
    return tuple(
        (place, argument.name)
        for place, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
