"""Whose tokens an attention call compares, found by changing the batch and looking what moves.

For models that lose the codes of the batch on the way: ids that become one-hot vectors, or go
through NumPy. Sentences are changed in groups, so that the groups which move a map spell the
number of its sentence; tokens likewise. A map or token that several of them move stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture import Call
from attn_monitor.capture.origins import coordinate, entry_codes
from attn_monitor.capture.sources import Sources
from attn_monitor.monitor.batches import Stream, tensors_of
from attn_monitor.monitor.entries import entries_of
from attn_monitor.monitor.masks import is_binary
from attn_monitor.monitor.moving import mapped
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.texts import Key

MOST_COLUMNS: Final = 4096
_ROUNDING: Final = 1e-4
Moving = Mapping[Key, tuple[Tensor, Tensor]]  # a number per query and per key of every map
Observe = Callable[[object], Moving]


def tried(
    batch: ProbeBatch,
    calls: Sequence[Call],
    seeds: Sequence[tuple[str, Tensor]],
    observe: Observe,
    loose: Container[Key] = (),
) -> tuple[Call, ...]:
    """Return the calls, with what trying shows of those whose tokens could not be followed.

    Args:
        batch: The batch that they are of.
        calls: Its attention calls.
        seeds: The tensors that codes name.
        observe: Replays what it is given, and returns a number per query and key of each call.
        loose: Calls whose tokens change with the weights: what is found now says nothing.
    """
    named = batch.tokens.source.named
    lost = [call.key for call in calls if call.key not in loose and _lost(call, named=named)]
    if not lost:
        return tuple(calls)
    base, again = observe(batch.input), observe(batch.input)
    same = base.keys() == again.keys() and all(
        not bool(_moved(one, other).any())
        for key in base
        for one, other in zip(base[key], again[key], strict=True)
    )
    if not same:
        return tuple(calls)  # what moves by itself proves nothing
    found: dict[Key, tuple[Tensor, Tensor]] = {}
    for trial in _trials(batch, seeds):
        seen = {key: base[key] for key in lost if key in base}
        for key, codes in trial.codes(seen, observe).items():
            before = found.get(key)
            found[key] = (
                codes
                if before is None
                else (_either(before[0], codes[0]), _either(before[1], codes[1]))
            )
    return tuple(
        replace(call, sources=_sources(call, at, *found[call.key], base[call.key][0]))
        if call.key in found and call.key in base
        else call
        for at, call in enumerate(calls)
    )


def _lost(call: Call, *, named: bool) -> bool:
    """Return whether it is not known whose maps these are, or of which words."""
    entries = entries_of(call)
    if any(entry.row is None for entry in entries):
        return True
    codes = [entry.key for entry in entries] + [entry.query for entry in entries]
    return named and not any(bool((coordinate(code, 1) >= 0).any()) for code in codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One tensor, or several of a batch without ids, whose sentences and columns are changed.

    Attributes:
        batch: The batch.
        number: What codes call the tensor.
        rows: Sentences.
        columns: Columns; 0 where only sentences are tried.
        change: Returns the batch with some sentences and columns changed, both as masks.
    """

    batch: ProbeBatch
    number: int
    rows: int
    columns: int
    change: Callable[[Tensor, Tensor], ProbeBatch | None]

    def codes(self, base: Moving, observe: Observe) -> dict[Key, tuple[Tensor, Tensor]]:
        """Return codes per query and per key of every map, 0 where nothing moved."""
        every_row = torch.ones(self.rows, dtype=torch.bool)
        every_column = torch.ones(max(self.columns, 1), dtype=torch.bool)
        by_row = self._spelled(base, observe, self.rows, lambda some: (some, every_column))
        by_column = None
        if self.columns:
            by_column = self._spelled(base, observe, self.columns, lambda some: (every_row, some))
        if by_row is None or (self.columns and by_column is None):
            return {}
        result: dict[Key, tuple[Tensor, Tensor]] = {}
        for key in base:
            sides = []
            for side in (0, 1):
                rows = by_row[key][side]
                columns = torch.full_like(rows, -1) if by_column is None else by_column[key][side]
                sides.append(entry_codes(self.number, rows, columns))
            result[key] = (sides[0], sides[1])
        return result

    def _spelled(
        self,
        base: Moving,
        observe: Observe,
        count: int,
        masks: Callable[[Tensor], tuple[Tensor, Tensor]],
    ) -> dict[Key, tuple[Tensor, Tensor]] | None:
        """Return which one of ``count`` moves each place: -1 if several do, -2 if none does."""
        bits = max(1, (count - 1).bit_length())
        numbers = torch.arange(count)
        found = {
            key: [torch.zeros_like(side, dtype=torch.int64) for side in base[key]] for key in base
        }
        any_moved = {
            key: [torch.zeros_like(side, dtype=torch.bool) for side in base[key]] for key in base
        }
        torn = {
            key: [torch.zeros_like(side, dtype=torch.bool) for side in base[key]] for key in base
        }
        for bit in range(bits):
            answers = []
            for value in (1, 0):
                chosen = (numbers >> bit) & 1 == value
                moving = base
                if bool(chosen.any()):
                    changed = self.change(*masks(chosen))
                    if changed is None:
                        return None
                    moving = observe(changed.input)
                if not base.keys() <= moving.keys():
                    return None
                answers.append(moving)
            for key in base:
                for side in (0, 1):
                    if any(answer[key][side].shape != base[key][side].shape for answer in answers):
                        return None
                    one, zero = (_moved(base[key][side], answer[key][side]) for answer in answers)
                    found[key][side] |= one.long() << bit
                    any_moved[key][side] |= one | zero
                    torn[key][side] |= one & zero
        return {
            key: (
                _told(found[key][0], any_moved[key][0], torn[key][0]),
                _told(found[key][1], any_moved[key][1], torn[key][1]),
            )
            for key in base
        }


def _told(found: Tensor, moved: Tensor, torn: Tensor) -> Tensor:
    """Return what moves each place; where several move one, the others are so by chance."""
    known = torch.full_like(found, -1) if bool(torn.any()) else found
    return known.masked_fill(~moved, -2)


def _moved(before: Tensor, after: Tensor) -> Tensor:
    """Return where numbers differ by more than rounding."""
    if before.shape != after.shape:
        return torch.ones_like(before, dtype=torch.bool)
    scale = before.nan_to_num().abs().amax().clamp_min(1e-12)
    same = before.isnan() & after.isnan()
    return ~same & ~((before - after).abs() <= _ROUNDING * scale)


def _either(first: Tensor, second: Tensor) -> Tensor:
    """Return the codes of two tensors that were tried; a place that both move is mixed."""
    mixed = entry_codes(1, torch.full_like(first, -1), torch.full_like(first, -1))
    both = (first != 0) & (second != 0)
    return torch.where(both, mixed, torch.where(first != 0, first, second))


def _trials(batch: ProbeBatch, seeds: Sequence[tuple[str, Tensor]]) -> Iterator[_Trial]:
    streams = [s for s in (batch.tokens.source, batch.tokens.target) if s is not None]
    ids = [s for s in streams if s.named and s.tensor is not None and s.width <= MOST_COLUMNS]
    for stream in ids:
        number = next((n for n, (_, t) in enumerate(seeds, 1) if t is stream.tensor), 0)
        if number:
            yield _Trial(
                batch=batch,
                number=number,
                rows=len(stream.ids),
                columns=stream.width,
                change=_ids_changed(batch, stream),
            )
    if not ids:
        rows = len(batch.tokens)
        number = next((n for n, (_, t) in enumerate(seeds, 1) if len(t) == rows), 0)
        if number:
            yield _Trial(
                batch=batch, number=number, rows=rows, columns=0, change=_rows_changed(batch, rows)
            )


def _ids_changed(
    batch: ProbeBatch, stream: Stream
) -> Callable[[Tensor, Tensor], ProbeBatch | None]:
    """Return a function that gives chosen tokens the next id that occurs in the batch."""
    old = stream.tensor
    real = torch.zeros((len(stream.ids), stream.width), dtype=torch.bool)
    for row, (start, ids) in enumerate(zip(stream.starts, stream.ids, strict=True)):
        real[row, start : start + len(ids)] = True

    def change(rows: Tensor, columns: Tensor) -> ProbeBatch | None:
        if old is None or old.shape != real.shape:
            return None
        cpu = old.cpu()
        pool = cpu[real].unique()
        if len(pool) < 2:  # noqa: PLR2004  # one word says nothing
            return None
        following = pool[(torch.searchsorted(pool, cpu.clamp(pool[0], pool[-1])) + 1) % len(pool)]
        new = torch.where(real & rows[:, None] & columns, following, cpu).to(old)
        return _with(batch, lambda tensor: new if _equal(tensor, old) else tensor)

    return change


def _rows_changed(batch: ProbeBatch, rows: int) -> Callable[[Tensor, Tensor], ProbeBatch | None]:
    """Return a function that moves every number of chosen sentences."""
    olds = [t for t in tensors_of(batch.batch) if t.dim() and len(t) == rows and not is_binary(t)]
    floats = [t for t in olds if t.is_floating_point()]

    def change(chosen: Tensor, _: Tensor) -> ProbeBatch | None:
        if not floats:
            return None
        draw = torch.Generator().manual_seed(0)
        news = []
        for old in floats:
            noise = torch.randn(old.shape, generator=draw).to(old) * (1 + old.abs())
            shape = (-1, *[1] * (old.dim() - 1))
            news.append(torch.where(chosen.to(old.device).reshape(shape), old + noise, old))

        def swap(tensor: Tensor) -> Tensor:
            pairs = zip(floats, news, strict=True)
            return next((new for old, new in pairs if _equal(tensor, old)), tensor)

        return _with(batch, swap)

    return change


def _equal(one: Tensor, other: Tensor | None) -> bool:
    if one is other:
        return True
    alike = other is not None and one.shape == other.shape and one.dtype == other.dtype
    return alike and other is not None and torch.equal(one.cpu(), other.cpu())


def _with(batch: ProbeBatch, swap: Callable[[Tensor], Tensor]) -> ProbeBatch:
    """Return a batch with other tensors, and the module calls that stand for its step."""
    swapped = False

    def noted(tensor: Tensor) -> Tensor:
        nonlocal swapped
        new = swap(tensor)
        swapped |= new is not tensor
        return new

    calls = tuple(
        replace(
            call,
            args=tuple(mapped(value, noted) for value in call.args),
            kwargs={name: mapped(value, noted) for name, value in call.kwargs.items()},
        )
        for call in batch.calls
    )
    return replace(batch, batch=mapped(batch.batch, swap), calls=calls if swapped else ())


def _sources(call: Call, at: int, query: Tensor, key: Tensor, moving: Tensor) -> Sources:
    known = call.sources
    shape = call.sentences, call.heads
    return Sources(
        number=at if known is None else known.number,
        query=query.reshape(*shape, -1),
        key=key.reshape(call.sentences, -1, call.keys),
        query_passed=frozenset(range(at)) if known is None else known.query_passed,
        key_passed=frozenset(range(at)) if known is None else known.key_passed,
        scope=() if known is None else known.scope,
        digests=moving.reshape(*shape, -1).nan_to_num().sum(-1),
        learned=True,
        tried=True,
    )
