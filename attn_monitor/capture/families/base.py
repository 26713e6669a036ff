"""Which family looks at which operator."""

from __future__ import annotations

from collections.abc import Callable

from attn_monitor.capture.operators import operator_name
from attn_monitor.capture.tracer import Observer

_OBSERVERS: dict[str, Observer] = {}
_OTHERS: list[Observer] = []


def observes(*operators: str) -> Callable[[Observer], Observer]:
    """Register a function that is shown every finished call of the named operators."""

    def register(observer: Observer) -> Observer:
        _OBSERVERS.update(dict.fromkeys(operators, observer))
        return observer

    return register


def observes_the_rest(observer: Observer) -> Observer:
    """Register the function that is shown every operator no family asked for."""
    _OTHERS[:] = [observer]
    return observer


def observer_of(operator: object) -> Observer | None:
    """Return the family function of an operator; ``None`` where none can learn from it."""
    name = operator_name(operator)
    if name in _OBSERVERS:
        return _OBSERVERS[name]
    schema = getattr(operator, "_schema", None)
    return _OTHERS[0] if schema is not None and schema.returns else None
