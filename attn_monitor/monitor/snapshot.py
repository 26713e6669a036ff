"""What every Python object within reach holds, noted before a replay and put back after it."""

from __future__ import annotations

import array
import collections
import copy
import io
import operator
import types
from collections.abc import Callable, Iterable, Set
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attn_monitor.monitor.libraries import is_library_code, is_library_object
from attn_monitor.monitor.noted_tensors import Tensors
from attn_monitor.monitor.one_way import refusing
from attn_monitor.monitor.silence import is_writer
from attn_monitor.monitor.snapshot_reach import (
    ATOMIC,
    COUNTERS,
    LARGEST_ARRAY,
    MACHINERY,
    MOST_OBJECTS,
    NOT_ENTERED,
    PLAIN_HOLDERS,
    TRAINER,
    Parent,
    differ,
    globals_of,
    is_data,
    name_of,
)
from attn_monitor.monitor.states import (
    CannotPutBackError,
    array_of,
    bytes_of,
    file_of,
    random_state_of,
    unmoved_generator,
)


class Snapshot:
    """The state of everything within reach of some objects.

    Args:
        roots: Where to start, with the names to call them by.
        skip: Objects that are left alone, and what only they lead to.
        fragile: Ids of the large tensors to copy; of others a copy is made when an operator is
            about to write to them. ``None`` to copy all, as far as memory allows.

    Attributes:
        writers: Objects that write to event files and trackers, found on the way.
        tensors: The tensors.
    """

    def __init__(
        self,
        roots: Iterable[tuple[str, object]],
        *,
        skip: Iterable[object] = (),
        fragile: Set[int] | None = None,
    ) -> None:
        self.writers: list[object] = []
        self.tensors = Tensors(fragile)
        self._seen: set[int] = {id(obj) for obj in skip}
        self._undo: list[tuple[Callable[[], bool], Parent]] = []
        self._held: list[object] = []  # so that no id is given to another object
        self._renewed: dict[int, object] = {}
        self._lent: dict[int, Tensor] = {}
        self._queue: list[tuple[object, Parent]] = [(obj, (None, name)) for name, obj in roots]
        self._queue.reverse()  # the last is taken first; what two reach is the first one's
        while self._queue and len(self._seen) < MOST_OBJECTS:
            obj, parent = self._queue.pop()
            self._visit(obj, parent)

    def restore(self) -> list[str]:
        """Put everything back; return the names of what had moved.

        Raises:
            CannotPutBackError: Something cannot be put back; all else was.
        """
        moved: list[str] = []
        lost: list[str] = []
        for undo, parent in self._undo:
            try:
                if undo():
                    moved.append(name_of(parent))
            except CannotPutBackError as error:
                lost.append(f"{name_of(parent)} ({error})")
        if lost:
            raise CannotPutBackError(", ".join(sorted(lost)[:4]))
        return sorted(set(moved))

    def _visit(self, obj: object, parent: Parent) -> None:
        kind = type(obj)
        if kind in ATOMIC or id(obj) in self._seen:
            return
        self._seen.add(id(obj))
        self._held.append(obj)
        if isinstance(obj, Tensor):
            self._note_tensor(obj, parent)
        elif isinstance(obj, nn.Module):
            if isinstance(obj, torch.jit.ScriptModule):  # its tensors live in C++
                self._enter(((".buffer", buffer) for buffer in obj.buffers()), parent)
            self._note_module(obj, parent)
        elif is_writer(obj):
            self.writers.append(obj)
        elif isinstance(obj, dict):
            self._note_dict(obj, parent)
        elif isinstance(obj, list | collections.deque):
            self._note_sequence(obj, parent)
        elif isinstance(obj, tuple):
            self._enter(((f"[{i}]", value) for i, value in enumerate(obj)), parent)
            self._note_object(obj, parent)
        elif isinstance(obj, set):
            self._note_set(obj, parent)
        elif isinstance(obj, bytearray | array.array | np.ndarray):
            self._note_array(obj, parent)
        elif not self._note_special(obj, parent):
            self._note_object(obj, parent)

    def _note_special(self, obj: object, parent: Parent) -> bool:
        """Note what keeps its state elsewhere than in attributes."""
        if isinstance(obj, type):
            self._note_class(obj, parent)
        elif isinstance(obj, types.FunctionType):
            self._note_function(obj, parent)
        elif isinstance(obj, types.MethodType):
            self._enter((("", obj.__self__), ("", obj.__func__)), parent)
        elif isinstance(obj, partial):
            self._enter((("", obj.func), ("", obj.args), ("", obj.keywords)), parent)
        elif isinstance(obj, types.GeneratorType):
            self._add(unmoved_generator(obj), parent)
        elif isinstance(obj, io.IOBase):
            self._add(file_of(obj), parent)
        elif isinstance(obj, COUNTERS):
            self._note_counter(obj, parent)
        elif (state := random_state_of(obj)) is not None:
            self._add(state, parent)
            return type(obj).__module__.partition(".")[0] in {"numpy", "torch", "random"}
        else:
            return isinstance(obj, NOT_ENTERED) or is_library_object(obj)
        return True

    def _enter(self, values: Iterable[tuple[str, object]], parent: Parent) -> None:
        for name, value in values:
            if type(value) not in ATOMIC and id(value) not in self._seen:
                self._queue.append((value, (parent, name)))

    def _lend(self, values: Iterable[object]) -> list[object]:
        """Return what a pass gets to see: no inference tensor and no iterator of one way."""
        shown: list[object] = []
        for value in values:
            if isinstance(value, Tensor) and value.is_inference():
                if id(value) not in self._lent:
                    self._held.append(value)
                    self._seen.add(id(value))
                    self._lent[id(value)] = value.clone()
                shown.append(self._lent[id(value)])
            else:
                shown.append(refusing(value))
        return shown

    def _add(self, undo: Callable[[], bool], parent: Parent) -> None:
        self._undo.append((undo, parent))

    def _note_tensor(self, tensor: Tensor, parent: Parent) -> None:
        note = self.tensors.note(tensor)
        if note is not None:
            self._add(note.restore, parent)

    def _note_object(self, obj: object, parent: Parent) -> None:
        attributes = getattr(obj, "__dict__", None)
        if type(attributes) is dict:
            self._held.append(attributes)
            self._note_attributes(attributes, parent)
        for base in type(obj).__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                self._note_slot(obj, name, parent)
        self._visit_class(type(obj), parent)

    def _note_module(self, module: nn.Module, parent: Parent) -> None:
        """Note a module; the many empty dicts it has for hooks and the like in one go."""
        attributes = vars(module)
        own = [attributes[name] for name in MACHINERY if name in attributes]
        empty = [held for held in own if type(held) in PLAIN_HOLDERS and not held]
        self._seen.update(map(id, empty))

        def undo() -> bool:
            filled = [held for held in empty if held]
            for held in filled:
                held.clear()
            return bool(filled)

        self._add(undo, parent)
        self._note_object(module, parent)

    def _visit_class(self, kind: type, parent: Parent) -> None:
        for base in kind.__mro__:
            if id(base) not in self._seen and not is_library_object(base):
                self._seen.add(id(base))
                self._note_class(base, parent)

    def _note_attributes(self, attributes: dict[str, object], parent: Parent) -> None:
        before = {k: v for k, v in attributes.items() if k not in TRAINER}
        shown = dict(zip(before, self._lend(before.values()), strict=True))
        attributes.update(shown)

        def undo() -> bool:
            now = {k: v for k, v in attributes.items() if k not in TRAINER}
            moved = differ(now, shown)
            for name in now.keys() - before.keys():
                del attributes[name]
            attributes.update({k: self._renewed.get(id(v), v) for k, v in before.items()})
            return moved

        self._add(undo, parent)
        self._enter(((f".{k}", v) for k, v in before.items()), parent)

    def _note_slot(self, obj: object, name: str, parent: Parent) -> None:
        if name in {"__dict__", "__weakref__"} or not hasattr(obj, name):
            return
        before = getattr(obj, name)
        [shown] = self._lend([before])
        if shown is not before:
            object.__setattr__(obj, name, shown)

        def undo() -> bool:
            now = getattr(obj, name, None)
            if now is not before:
                object.__setattr__(obj, name, before)
            return now is not shown

        self._add(undo, parent)
        self._enter(((f".{name}", before),), parent)

    def _note_class(self, kind: type, parent: Parent) -> None:
        """Note the numbers and containers that objects of one's own class share."""
        if is_library_object(kind):
            return
        before = {
            k: v
            for k, v in vars(kind).items()
            if not (k.startswith("__") or callable(v) or hasattr(type(v), "__get__"))
        }

        shown = dict(zip(before, self._lend(before.values()), strict=True))
        for name in [name for name in before if shown[name] is not before[name]]:
            setattr(kind, name, shown[name])

        def undo() -> bool:
            moved = any(vars(kind).get(name) is not value for name, value in shown.items())
            for name, value in before.items():
                if vars(kind).get(name) is not value:
                    setattr(kind, name, value)
            return moved

        self._add(undo, parent)
        self._enter(((f".{k}", v) for k, v in before.items()), parent)
        methods = (getattr(v, "__func__", v) for v in vars(kind).values())
        self._enter((("", m) for m in methods if isinstance(m, types.FunctionType)), parent)

    def _note_function(self, function: types.FunctionType, parent: Parent) -> None:
        for cell in function.__closure__ or ():
            self._note_cell(cell, parent)
        self._enter((("", function.__defaults__), ("", function.__kwdefaults__)), parent)
        if function.__dict__:
            self._note_object(function, parent)
        if is_library_code(function.__code__.co_filename):
            return
        held = function.__globals__
        names = [n for n in globals_of(function.__code__) if n in held and is_data(held[n])]
        before = {name: held[name] for name in names}
        shown = dict(zip(before, self._lend(before.values()), strict=True))
        held.update(shown)

        def undo() -> bool:
            moved = any(held.get(name) is not shown[name] for name in names)
            held.update(before)
            return moved

        if before:
            self._add(undo, parent)
            self._enter(((name, value) for name, value in before.items()), parent)

    def _note_cell(self, cell: types.CellType, parent: Parent) -> None:
        if id(cell) in self._seen:
            return
        self._seen.add(id(cell))
        self._held.append(cell)
        try:
            before = cell.cell_contents
        except ValueError:  # empty so far
            return
        [shown] = self._lend([before])
        if shown is not before:
            cell.cell_contents = shown

        def undo() -> bool:
            moved = cell.cell_contents is not shown
            cell.cell_contents = self._renewed.get(id(before), before)
            return moved

        self._add(undo, parent)
        self._enter((("", before),), parent)

    def _note_dict(self, obj: dict[object, object], parent: Parent) -> None:
        before = dict(obj)
        owner = collections.OrderedDict if isinstance(obj, collections.OrderedDict) else dict
        shown = dict(zip(before, self._lend(before.values()), strict=True))
        lends = differ(before, shown)
        if lends:
            for key, value in shown.items():
                owner.__setitem__(obj, key, value)

        def undo() -> bool:
            moved = differ(obj, shown)
            if moved or lends or self._renewed:
                owner.clear(obj)
                for key, value in before.items():
                    owner.__setitem__(obj, key, self._renewed.get(id(value), value))
            return moved

        self._add(undo, parent)
        if not set(map(type, before.values())) <= ATOMIC:
            self._enter(((f"[{k!r:.40}]", v) for k, v in before.items()), parent)
        if type(obj) is not dict:
            self._note_object(obj, parent)

    def _note_sequence(self, obj: list[object] | collections.deque[object], parent: Parent) -> None:
        before = list(obj)
        shown = self._lend(before)
        owner: Any = list if isinstance(obj, list) else collections.deque
        lends = not all(map(operator.is_, shown, before))
        if lends:
            owner.clear(obj)
            owner.extend(obj, shown)

        def undo() -> bool:
            moved = len(obj) != len(shown) or not all(map(operator.is_, obj, shown))
            if moved or lends or self._renewed:
                kept = [self._renewed.get(id(value), value) for value in before]
                owner.clear(obj)
                owner.extend(obj, kept)
            return moved

        self._add(undo, parent)
        if not set(map(type, before)) <= ATOMIC:
            self._enter(((f"[{i}]", value) for i, value in enumerate(before)), parent)
        if type(obj) not in {list, collections.deque}:
            self._note_object(obj, parent)

    def _note_set(self, obj: set[object], parent: Parent) -> None:
        before = set(obj)

        def undo() -> bool:
            moved = obj != before
            if moved:
                set.clear(obj)
                set.update(obj, before)
            return moved

        self._add(undo, parent)
        self._enter((("", value) for value in before), parent)
        if type(obj) is not set:
            self._note_object(obj, parent)

    def _note_array(self, obj: bytearray | array.array[Any] | np.ndarray, parent: Parent) -> None:
        if isinstance(obj, bytearray | array.array):
            self._add(bytes_of(obj), parent)
        elif obj.nbytes <= LARGEST_ARRAY and not isinstance(obj, np.memmap):
            self._add(array_of(obj), parent)
            if obj.dtype == object:
                self._enter((("", value) for value in obj.flat), parent)

    def _note_counter(self, obj: object, parent: Parent) -> None:
        """Note an iterator that can be copied; where it moved, its holder gets the copy."""
        before, place = copy.copy(obj), obj.__reduce__()

        def undo() -> bool:
            moved = repr(obj.__reduce__()) != repr(place)
            if moved:
                self._renewed[id(obj)] = before
            return moved

        self._undo.insert(0, (undo, parent))  # before its holder
