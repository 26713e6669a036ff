"""What containers hold, noted before a replay and put back after it, past what a subclass does."""

from __future__ import annotations

import collections
import operator
import types
from collections.abc import Callable, Mapping
from typing import Any

from attn_monitor.monitor.snapshot_reach import differ
from attn_monitor.monitor.states import Undo

Lend = Callable[[object], object]  # from a value to what a replay sees
_Slot = types.MemberDescriptorType
_ABSENT = object()


def dict_of(
    obj: dict[Any, object], lend: Lend, renewed: Mapping[int, object]
) -> tuple[dict[Any, object], Undo]:
    """Note a dict; return what it holds too."""
    owner: Any = collections.OrderedDict if isinstance(obj, collections.OrderedDict) else dict
    before = dict(owner.items(obj))
    shown = {key: lend(value) for key, value in before.items()}
    lends = differ(before, shown)
    if lends:
        for key, value in shown.items():
            owner.__setitem__(obj, key, value)
    plain = type(obj) is owner

    def held() -> dict[Any, object]:
        return obj if plain else dict(owner.items(obj))

    def undo() -> bool:
        moved = differ(held(), shown)
        if moved or lends or renewed:
            wanted = {key: renewed.get(id(value), value) for key, value in before.items()}
            if [*map(id, held())] != [*map(id, wanted)]:
                owner.clear(obj)
            for key, value in wanted.items() if differ(held(), wanted) else ():
                owner.__setitem__(obj, key, value)
        return moved

    return before, undo


def sequence_of(
    obj: list[object] | collections.deque[object], lend: Lend, renewed: Mapping[int, object]
) -> tuple[list[object], Undo]:
    """Note a list or a deque; return what it holds too."""
    owner: Any = list if isinstance(obj, list) else collections.deque
    before: list[object] = [*owner.__iter__(obj)]
    shown = [*map(lend, before)]
    lends = not all(map(operator.is_, shown, before))
    if lends:
        owner.clear(obj)
        owner.extend(obj, shown)

    def undo() -> bool:
        now = owner.__iter__(obj)
        moved = owner.__len__(obj) != len(shown) or not all(map(operator.is_, now, shown))
        if moved or lends or renewed:
            kept = [renewed.get(id(value), value) for value in before]
            owner.clear(obj)
            owner.extend(obj, kept)
        return moved

    return before, undo


def set_of(obj: set[object]) -> tuple[set[object], Undo]:
    """Note a set; return what it holds too."""
    before = set(set.__iter__(obj))

    def undo() -> bool:
        moved = not set.__eq__(obj, before)
        if moved:
            set.clear(obj)
            set.update(obj, before)
        return moved

    return before, undo


def slots_of(kind: type) -> tuple[_Slot, ...]:
    """Return the slots of a class, whatever they are called and wherever they come from."""
    bases = (vars(base) for base in kind.__mro__ if "__slots__" in vars(base))
    return tuple(v for names in bases for v in names.values() if type(v) is _Slot)


def slot_of(obj: object, slot: _Slot, lend: Lend) -> tuple[object, Undo]:
    """Note what stands in a slot, or that nothing does; return what does too."""
    before = _in_slot(slot, obj)
    shown = before if before is _ABSENT else lend(before)
    if shown is not before:
        slot.__set__(obj, shown)

    def undo() -> bool:
        now = _in_slot(slot, obj)
        if now is not before:
            if before is _ABSENT:
                slot.__delete__(obj)
            else:
                slot.__set__(obj, before)
        return now is not shown

    return None if before is _ABSENT else before, undo


def _in_slot(slot: _Slot, obj: object) -> object:
    try:
        found: object = slot.__get__(obj, type(obj))
    except AttributeError:
        found = _ABSENT
    return found
