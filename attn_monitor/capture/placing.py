"""Attention calls that a model put together again: one map over true positions.

Where a model cuts its tokens into windows, chunks or images inside one module call, or lets several
products share a softmax, the pieces are no layers. What arrived at each query of the whole is read
off by running the way from the values again (:mod:`.paths`) on values that tell their position.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from attn_monitor.capture.operators import operator_name
from attn_monitor.capture.origins import origin_of, reduced
from attn_monitor.capture.paths import Buffer, Place, run_again, steps_before
from attn_monitor.capture.placed import Placed, Rows, Whole, matrix_of, values_of
from attn_monitor.capture.proof import agreement
from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import ModelWeights
from attn_monitor.capture.sides import sides_of
from attn_monitor.capture.sources import Sources
from attn_monitor.capture.stacking import Stacked, stacked
from attn_monitor.core.nouns import PartKind

_MATRIX, _STACKED = 2, 3


def _with_bias(source: Buffer, path: Buffer) -> Tensor:
    """Return values with the bias that their projection added as a step of its own."""
    values = values_of(source)
    for step, _ in steps_before(path):
        whole, bias = (*step.args[:2], None, None)[:2]
        added = step.inputs == (source,) and operator_name(step.operator) == "add"
        if added and isinstance(whole, Place) and isinstance(bias, Tensor) and bias.dim() == 1:
            return values + bias
    return values


def in_place(
    records: list[Record], whole: Whole, inputs: Sequence[tuple[int, ...]]
) -> list[Record]:
    """Return one record per source of values where a model put calls together.

    A single call whose output was only copied stays as it is.

    Args:
        records: The calls.
        whole: Their common output.
        inputs: Shapes of what the running modules were given, innermost first: they tell how many
            sentences there are.

    Raises:
        ValueError: The pieces cannot be put into place.
    """
    if len(records) == 1 and not _is_cut(records[0], whole, inputs):
        return records
    widths = {record.value.shape[-1] for record in records}
    sources = whole.path.sources()
    if not whole.path.composed:
        if _are_parallel(records, whole):
            return records
        by_sentence = stacked(records, sources, whole)
        if by_sentence is not None:
            return by_sentence
    if len(widths) > 1 or not sources:
        raise ValueError(f"its {len(records)} pieces have values of unlike width {sorted(widths)}")
    width = _width(widths.pop(), records[0].heads, sources, whole)
    groups: dict[object, list[Buffer]] = {}
    for source in sources:
        groups.setdefault(source if source.origin is None else source.origin, []).append(source)
    placed = [_placed(tuple(group), whole, width, inputs) for group in groups.values()]
    error, agrees = _error(sources, whole)
    return [
        _record(records, rule, whole, error=error, agrees=agrees, alone=len(placed) == 1)
        for rule in placed
    ]


def _width(seen: int, heads: int, sources: Sequence[Buffer], whole: Whole) -> int:
    """Return the channels per head; some may have been added to the values, as a column of ones."""
    channels = whole.output.shape[-1]
    divided = all(values_of(source).shape[-1] % seen == 0 for source in sources)
    return seen if divided or channels % heads else channels // heads


def _is_cut(record: Record, whole: Whole, inputs: Sequence[tuple[int, ...]]) -> bool:
    """Return whether a single call saw pieces of the sentences that its module was given."""
    sentences, heads, queries, _ = record.shape
    width, channels = record.value.shape[-1], whole.output.shape[-1]
    if whole.path.composed:
        return True
    given = inputs[0] if inputs else ()
    if len(given) != _STACKED or channels % width or queries >= max(given[:2]):
        return False
    if (sentences, width) in {given[:2], given[1::-1]} and heads * queries == given[2]:
        return False  # attention between channels: what it adds up is as wide as there are tokens
    if whole.output.shape[-2:] == (heads * width, queries):
        return False  # channels before tokens, as convolutions take them
    if channels not in {width, heads * width}:
        return True
    rows = whole.output.numel() // (heads * width)
    return rows == given[0] * given[1] == sentences * queries and sentences not in given[:2]


def _are_parallel(records: list[Record], whole: Whole) -> bool:
    """Return whether each call alone asks with every query for every key: none is a piece.

    Such calls are subtracted from each other, after their softmax (differential attention), or
    added (self and cross attention behind a gate). Heads that were computed one by one stand
    beside each other instead, and blocks below each other.
    """
    widths = sum(record.heads * record.value.shape[-1] for record in records)
    if len(records) == 1 or matrix_of(whole.place, widths).shape[-1] == widths:
        return False
    made = whole.output.numel()
    if any(math.prod(r.shape[:3]) * r.value.shape[-1] != made for r in records):
        return False
    made_by_model = [record for record in records if isinstance(record.rule, ModelWeights)]
    shares = [record.weights().sum(-1).to(record.value.dtype) for record in made_by_model]
    if len(shares) == len(records):
        one = torch.ones_like(shares[0])
        alike = all(share.shape == one.shape for share in shares)
        if alike and agreement(torch.stack(shares).sum(0), one)[1]:
            return False  # one softmax over what all of them look at
        if all(agreement(share, torch.ones_like(share))[1] for share in shares):
            return True  # windows along one axis and along another, say
    sources = _sources_of_calls(whole.path)
    same_windows = len({record.shape[0] for record in records}) == 1
    return same_windows and all(
        _ask_for_all(record, sources[call])
        for record, call in zip(records, sorted(whole.calls), strict=True)
    )


def _ask_for_all(record: Record, sources: Sequence[Buffer]) -> bool:
    """Return whether the keys of a call are all tokens of its values."""
    held: dict[object, int] = {}  # keys that came one after the other, in a cache, count together
    for source in sources:
        held[source.origin or source] = math.prod(values_of(source).shape[:-1])
    every = record.shape[0] * record.shape[3]
    return sum(held.values()) == every or all(count == every for count in held.values())


def _sources_of_calls(path: Buffer) -> dict[int, list[Buffer]]:
    """Return the beginnings of the values of every attention call on a way."""
    return {
        call: [source for values in step.inputs for source in values.sources()]
        for step, output in steps_before(path)
        for call in output.calls.difference(*(values.calls for values in step.inputs))
        if not any(values.calls for values in step.inputs)
    }


def _placed(
    sources: tuple[Buffer, ...], whole: Whole, width: int, inputs: Sequence[tuple[int, ...]]
) -> Placed:
    """Return the rule of some sources, with the layout of rows that keeps sentences apart."""
    values = values_of(sources[0])
    if values.shape[-1] % width:
        raise ValueError(f"the channels of its values do not divide into heads of {width}")
    produced, channels = matrix_of(whole.place, width).shape
    heads = channels // width
    given = math.prod(values.shape[:-1])
    for sentences in _plausible(inputs, produced, given):
        for columns in _layouts(values, sentences):
            if not _hold_every_token(sources, columns, heads):
                continue
            for rows in _layouts(matrix_of(whole.place, width), sentences):
                rule = Placed(
                    place=whole.place, sources=sources, width=width, rows=rows, columns=columns
                )
                if _keeps_sentences_apart(rule, produced):
                    rule.prove()
                    return rule
    raise ValueError("what arrived at the queries is no weighted sum of the values' tokens")


def _hold_every_token(sources: tuple[Buffer, ...], columns: Rows, heads: int) -> bool:
    """Return whether values hold each token once, or once per head, and are no windows."""
    for source in sources:
        values = values_of(source)
        times, rest = divmod(math.prod(values.shape[:-1]), columns.sentences * columns.tokens)
        if rest or heads % times:
            return False
    return True


def _plausible(inputs: Sequence[tuple[int, ...]], rows: int, given: int) -> list[int]:
    """Return how many sentences there may be, the most plausible number first."""
    shapes = [shape for shape in inputs if len(shape) >= _MATRIX]
    counts = [shape[axis] for shape in shapes for axis in (0, 1) if axis < len(shape) - 1]
    fitting = [n for n in counts if n > 1 and rows % n == 0 and given % n == 0]
    return [*dict.fromkeys(fitting), 1]


def _layouts(values: Tensor, sentences: int) -> Iterator[Rows]:
    rows = values.numel() // values.shape[-1]
    if values.dim() > _MATRIX and values.shape[0] % sentences == 0:
        inner = values.shape[-2] if values.dim() > _STACKED or values.shape[0] != sentences else 0
        yield Rows(sentences, inner or rows // sentences, interleaved=False)
        return
    yield Rows(sentences, rows // sentences, interleaved=False)
    if sentences > 1:
        yield Rows(sentences, rows // sentences, interleaved=True)


def _keeps_sentences_apart(rule: Placed, rows: int) -> bool:
    """Return whether values of the first and of the last sentence reach their own rows only."""
    count = rule.rows.sentences
    without = matrix_of(rule.place, rule.width, run_again(rule.place, {}))
    for sentence in {0, count - 1}:
        ones = {}
        for source in rule.sources:
            shape = values_of(source).shape
            own = rule.columns.sentence(math.prod(shape[:-1])) == sentence
            ones[source] = own[:, None].expand(-1, shape[-1]).to(source.dtype).reshape(shape)
        reached = run_again(rule.place, ones)
        touched = (matrix_of(rule.place, rule.width, reached) != without).any(-1).cpu()
        if bool(touched[rule.rows.sentence(rows) != sentence].any()):
            return False
        if count > 1 and not bool(touched.any()):
            return False
    return True


def _error(sources: list[Buffer], whole: Whole) -> tuple[float | None, bool]:
    """Return how far the way run again on the true values is from what the model made."""
    values = {source: source.source for source in sources if source.source is not None}
    return agreement(run_again(whole.place, values), whole.output)


def _record(
    records: list[Record],
    rule: Placed,
    whole: Whole,
    *,
    error: float | None,
    agrees: bool,
    alone: bool,
) -> Record:
    first = records[0]
    sentences, heads, queries, keys = rule.shape
    values = _with_bias(rule.sources[0], whole.path)
    unknown = torch.full((), torch.nan, dtype=values.dtype, device=values.device)
    value = unknown.expand(sentences, heads, keys, rule.width)
    if len(rule.sources) == 1:
        shared = values.numel() // (sentences * keys * rule.width)
        if values.shape[-1] == shared * rule.width and heads % shared == 0:
            flat = rule.columns.apart(values.reshape(-1, values.shape[-1]))
            value = flat.reshape(sentences, keys, shared, rule.width).transpose(1, 2)
        elif values.shape[-1] == rule.width and heads % shared == 0:
            value = values.reshape(sentences, shared, keys, rule.width)
    sides = sides_of(records, rule) if alone else None
    kinds: set[PartKind] = {record.kind for record in records}
    kind = first.kind if len(kinds) == 1 else ("self" if queries == keys else "cross")
    width = first.query.shape[-1]
    return replace(
        first,
        kind=kind if alone or queries == keys else "cross",
        heads=heads,
        windows=1,
        query=unknown.expand(sentences, heads, queries, width) if sides is None else sides.query,
        key=unknown.expand(sentences, heads, keys, width) if sides is None else sides.key,
        value=value,
        rule=rule,
        evidence="verified" if agrees else "unverified",
        error=error,
        query_projected=None if sides is None else sides.query_projected,
        key_projected=None if sides is None else sides.key_projected,
        mixed=None,
    )


def sources_in_place(record: Record, whole: Whole, pieces: Sequence[Record]) -> Sources | None:
    """Return whose tokens a record is about that pieces were put together to."""
    if isinstance(record.rule, Stacked):
        return record.sources
    origin = origin_of(whole.output)
    known = [piece.sources for piece in pieces if piece.sources is not None]
    rule = record.rule
    if origin is None or origin.code is None or not known or not isinstance(rule, Placed):
        return None
    sentences, heads, queries, keys = record.shape
    if origin.code.shape != whole.output.shape or queries != keys or record.kind != "self":
        return None  # what the keys are is known of self-attention only
    rows = reduced(matrix_of(whole.place, rule.width, origin.code), [-1], lenient=True)
    code = rule.rows.apart(rows)[..., 0].cpu()[:, None].expand(sentences, heads, queries)
    return replace(
        known[0],
        number=max(sources.number for sources in known),
        query=code,
        key=code,
        digests=torch.arange(sentences * heads).reshape(sentences, heads).double(),
    )
