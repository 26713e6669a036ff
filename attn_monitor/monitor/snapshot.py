"""What every Python object within reach holds, noted before a replay and put back after it."""

from __future__ import annotations

import array
import collections
import copy
import ctypes
import io
import types
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attn_monitor.monitor.containers import dict_of, sequence_of, set_of, slot_of, slots_of
from attn_monitor.monitor.feeds import FEEDS, feed_of
from attn_monitor.monitor.libraries import is_library_code, is_library_module, is_library_object
from attn_monitor.monitor.noted_tensors import Tensors
from attn_monitor.monitor.silence import is_writer
from attn_monitor.monitor.snapshot_reach import (
    ABSENT,
    ATOMIC,
    COUNTERS,
    DEFINED,
    MACHINERY,
    MOST_OBJECTS,
    NAMESPACE,
    PLAIN,
    PLAIN_HOLDERS,
    TRAINER,
    Parent,
    differ,
    globals_of,
    is_data,
    leads_to,
    name_of,
    names_in,
)
from attn_monitor.monitor.stand_ins import StandIns
from attn_monitor.monitor.states import (
    CannotPutBackError,
    content_of,
    file_of,
    frame_of,
    is_frame,
    memory_of,
    random_state_of,
    unmoved_generator,
)


class Snapshot:
    """The state of everything within reach of some objects.

    Args:
        roots: Where to start, with the names to call them by.
        skip: Objects that are left alone, and what only they lead to.
        shallow: Objects of which the plain values alone are noted, with their names.
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
        shallow: Iterable[tuple[str, object]] = (),
        fragile: Set[int] | None = None,
    ) -> None:
        self.writers: list[object] = []
        self.tensors = Tensors(fragile)
        self._seen: set[int] = {id(obj) for obj in skip}
        self._undo: list[tuple[Callable[[], bool], Parent]] = []
        self._held: list[object] = []  # so that no id is given to another object
        self._renewed: dict[int, object] = {}
        self._shown = StandIns()
        self._names: dict[int, set[str]] = {}  # of modules, those that were noted
        self._read: set[int] = set()  # modules, each with the names that were looked for
        self._slots: dict[type, tuple[types.MemberDescriptorType, ...]] = {}
        self._queue: list[tuple[object, Parent]] = [(obj, (None, name)) for name, obj in roots]
        for name, obj in shallow:
            self._note_plain(vars(obj), (None, name))
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
            self._visit_class(obj, parent)
        elif isinstance(obj, types.FunctionType):
            self._note_function(obj, parent)
        elif (inner := leads_to(obj)) is not None:
            self._enter((("", each) for each in inner), parent)
        elif isinstance(obj, ctypes._SimpleCData | ctypes.Array | ctypes.Structure | ctypes.Union):
            self._add(memory_of(obj), parent)
        elif is_frame(obj):
            self._note_object(obj, parent)
            self._add(frame_of(obj), parent)
        elif isinstance(obj, types.GeneratorType):
            self._add(unmoved_generator(obj), parent)
        elif isinstance(obj, io.IOBase):
            self._add(file_of(obj), parent)
        elif isinstance(obj, COUNTERS):
            self._note_counter(obj, parent)
        elif (state := random_state_of(obj)) is not None:
            self._add(state, parent)
            return type(obj).__module__.partition(".")[0] in {"numpy", "torch", "random"}
        elif isinstance(obj, FEEDS):
            held, undo = feed_of(obj)
            self._add(undo, parent)
            self._enter(((f".{name}", value) for name, value in held.items()), parent)
        else:
            return isinstance(obj, PurePath) or is_library_object(obj)
        return True

    def _enter(self, values: Iterable[tuple[str, object]], parent: Parent) -> None:
        for name, value in values:
            if type(value) not in ATOMIC and id(value) not in self._seen:
                self._queue.append((value, (parent, name)))

    def _lend(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return what a pass gets to see: of what it must not touch a copy, or what refuses."""
        return {name: self._shown(value) for name, value in values.items()}

    def _add(self, undo: Callable[[], bool], parent: Parent) -> None:
        self._undo.append((undo, parent))

    def _note_tensor(self, tensor: Tensor, parent: Parent) -> None:
        note = None if self._shown.stands_for(tensor) else self.tensors.note(tensor)
        if note is not None:
            self._add(note.restore, parent)

    def _note_plain(self, held: dict[str, object], parent: Parent) -> None:
        before = {name: value for name, value in held.items() if type(value) in PLAIN}
        names = set(held)

        def undo() -> bool:
            moved = {name for name, value in before.items() if held.get(name) is not value}
            new = held.keys() - names
            for name in new:
                del held[name]
            held.update((name, before[name]) for name in moved)
            return bool(moved or new)

        self._add(undo, parent)

    def _note_object(self, obj: object, parent: Parent) -> None:
        attributes = getattr(obj, "__dict__", None)
        if type(attributes) is dict:
            self._held.append(attributes)
            self._note_attributes(attributes, parent)
        kind = type(obj)
        if kind not in self._slots:
            self._slots[kind] = slots_of(kind)
        for slot in self._slots[kind]:
            before, undo = slot_of(obj, slot, self._shown)
            self._add(undo, parent)
            self._enter(((f".{slot.__name__}", before),), parent)
        self._visit_class(kind, parent)

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
        shown = self._lend(before)
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

    def _note_class(self, kind: type, parent: Parent) -> None:
        """Note what objects of one's own class share, and what its methods lead to."""
        if is_library_object(kind):
            return
        names = set(vars(kind))
        own = {k: v for k, v in vars(kind).items() if not k.startswith("__")}
        before = {k: v for k, v in own.items() if not isinstance(v, DEFINED)}
        shown = self._lend(before)
        for name in (name for name in before if shown[name] is not before[name]):
            setattr(kind, name, shown[name])

        def undo() -> bool:
            new = [n for n in vars(kind).keys() - names if not n.startswith("__")]
            for name in new:
                delattr(kind, name)
            moved = any(vars(kind).get(name) is not value for name, value in shown.items())
            for name, value in before.items():
                if vars(kind).get(name) is not value:
                    setattr(kind, name, value)
            return moved or bool(new)

        self._add(undo, parent)
        self._enter(((f".{k}", v) for k, v in before.items()), parent)
        self._enter((("", v) for v in vars(kind).values() if isinstance(v, DEFINED)), parent)

    def _note_function(self, function: types.FunctionType, parent: Parent) -> None:
        for cell in function.__closure__ or ():
            self._note_cell(cell, parent)
        self._enter((("", function.__defaults__), ("", function.__kwdefaults__)), parent)
        if function.__dict__:
            self._note_object(function, parent)
        if is_library_code(function.__code__.co_filename):
            return
        code = function.__code__
        self._note_names(function.__globals__, globals_of(code), names_in(code), parent)

    def _note_names(
        self,
        held: dict[str, Any],
        names: Iterable[str],
        inside: Set[str],
        parent: Parent,
        place: Parent = (None, ""),
    ) -> None:
        """Note what a function reads of a module's names, and of modules of one's own likewise."""
        there = {name: held.get(name, ABSENT) for name in names}
        known = self._names.setdefault(id(held), set())  # to others, with what is lent in place
        new = there.keys() - known
        before = {name: there[name] for name in new if is_data(there[name])}
        known |= new
        shown = self._lend(before)
        held.update(shown)
        absent = [name for name in new if there[name] is ABSENT]

        def undo() -> bool:
            moved = any(held.get(name) is not shown[name] for name in before)
            held.update(before)
            made = [name for name in absent if name in held]
            for name in made:
                del held[name]
            return moved or bool(made)

        if before or absent:
            self._add(undo, parent)
            self._enter(before.items(), place)
        for name, value in there.items():
            if isinstance(value, type):
                self._visit_class(value, (place, name))
            elif isinstance(value, types.ModuleType) and not is_library_module(value):
                key = hash((id(value), inside))
                if key not in self._read:
                    self._read.add(key)
                    here = vars(value)
                    self._note_names(
                        here, inside & here.keys(), inside, parent, (place, f"{name}.")
                    )

    def _note_cell(self, cell: types.CellType, parent: Parent) -> None:
        if id(cell) in self._seen:
            return
        self._seen.add(id(cell))
        self._held.append(cell)
        try:
            before = cell.cell_contents
        except ValueError:  # empty so far
            return
        shown = self._shown(before)
        if shown is not before:
            cell.cell_contents = shown

        def undo() -> bool:
            moved = cell.cell_contents is not shown
            cell.cell_contents = self._renewed.get(id(before), before)
            return moved

        self._add(undo, parent)
        self._enter((("", before),), parent)

    def _note_dict(self, obj: dict[object, object], parent: Parent) -> None:
        if obj.keys() >= NAMESPACE:  # of a module: code that runs elsewhere needs it as it is
            return
        before, undo = dict_of(obj, self._shown, self._renewed)
        self._add(undo, parent)
        if not set(map(type, before.values())) <= ATOMIC:
            self._enter(((f"[{k!r:.40}]", v) for k, v in before.items()), parent)
        if type(obj) is not dict:
            self._note_object(obj, parent)

    def _note_sequence(self, obj: list[object] | collections.deque[object], parent: Parent) -> None:
        before, undo = sequence_of(obj, self._shown, self._renewed)
        self._add(undo, parent)
        if not set(map(type, before)) <= ATOMIC:
            self._enter(((f"[{i}]", value) for i, value in enumerate(before)), parent)
        if type(obj) not in {list, collections.deque}:
            self._note_object(obj, parent)

    def _note_set(self, obj: set[object], parent: Parent) -> None:
        before, undo = set_of(obj)
        self._add(undo, parent)
        self._enter((("", value) for value in before), parent)
        if type(obj) is not set:
            self._note_object(obj, parent)

    def _note_array(self, obj: bytearray | array.array[Any] | np.ndarray, parent: Parent) -> None:
        if (undo := content_of(obj)) is not None:
            self._add(undo, parent)
        if isinstance(obj, np.ndarray) and obj.dtype == object:
            self._enter((("", value) for value in obj.flat), parent)
        if isinstance(obj, np.ndarray) and type(obj) is not np.ndarray:
            self._note_object(obj, parent)

    def _note_counter(self, obj: object, parent: Parent) -> None:
        """Note an iterator that can be copied; where it moved, its holder gets the copy."""
        before, place = copy.copy(obj), obj.__reduce__()

        def undo() -> bool:
            moved = repr(obj.__reduce__()) != repr(place)
            if moved:
                self._renewed[id(obj)] = before
            return moved

        self._undo.insert(0, (undo, parent))  # before its holder
